"""A seeded simulation of whole clusters: the real Raft code under a simulated clock, network and disk.

`python -m tests.simulation --help` runs seeds; the same seed gives the same run, event for event.
"""
