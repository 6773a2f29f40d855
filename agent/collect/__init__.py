"""Measure the host and its containers, batch the samples, hand them on."""
