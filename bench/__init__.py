"""Measurements: simulated minutes that repeat exactly, requests by operation, CPU and memory.

`python -m bench` runs every scenario in a process of its own; `--explain NAME` shows where one
scenario's requests and minutes go. Never deployed.
"""
