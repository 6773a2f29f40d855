"""How the history fails, and what may be done next."""

from __future__ import annotations


class HistoryError(Exception):
    """Base of the history's operating failures."""


class HistoryFull(HistoryError):
    """No room on the disk. Nothing of the call was written; it may be tried again. Reading goes on."""


class HistoryFailed(HistoryError):
    """The file cannot be worked with. Close the writer and open it anew: that sets a damaged file aside."""


class HistoryUnusable(HistoryError):
    """The directory cannot be used at all. The message names the path and the next step."""
