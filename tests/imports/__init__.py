"""Public templates and pools, written anew, as request files."""
