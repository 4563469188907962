"""Mutation tests: small faults put into the app one by one, and whether the tests notice them."""
