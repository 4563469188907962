"""`python -m cli`: what batch-prep.sh calls."""

from cli import app

app.run()
