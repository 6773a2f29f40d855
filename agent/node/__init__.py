"""This host as a member: its directory on disk, how it becomes a member, and its part of the replicated
state.
"""
