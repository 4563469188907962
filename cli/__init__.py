"""The command line client. It knows the service by its HTTP contract only."""
