"""The tests. What every process of theirs must find in its environment is set here."""

import os

# The SDK reads this one itself; it is set wherever the app runs (`local.settings.sample.json`).
os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"
