"""Duties that run only while this node leads, one task group per term."""
