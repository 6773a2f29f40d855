"""The metric history in the words of other programs."""
