"""The questions a model thinks will be asked next, taken out of the text it writes. Pure."""

from __future__ import annotations

from web.tools.untrusted import cleaned

OPENING = "<next-questions>"
CLOSING = "</next-questions>"
QUESTIONS_MAX = 3
QUESTION_CHARACTERS_MAX = 200
_BULLETS = "-*•0123456789.) \t"


class FollowUps:
    """Splits text, as it comes in pieces of any length, into what is shown and the list of questions.

    What may be the beginning of the list's mark is held until it is known. The last list counts.
    """

    def __init__(self) -> None:
        self._held = ""
        self._listed = ""
        self._is_listing = False

    def feed(self, text: str) -> str:
        """Return what of the text so far is to be shown now."""
        self._held += text
        shown = ""
        while True:
            before, mark, after = self._held.partition(CLOSING if self._is_listing else OPENING)
            if not mark:
                break
            if self._is_listing:
                self._listed = before
            else:
                shown += before
            self._is_listing = not self._is_listing
            self._held = after
        if self._is_listing:
            return shown
        kept = _beginning_of_mark(self._held)
        shown += self._held[: len(self._held) - kept]
        self._held = self._held[len(self._held) - kept :]
        return shown

    def flush(self) -> str:
        """Return what was held, at an end of the text. A list that was not closed ends here."""
        held, self._held = self._held, ""
        if not self._is_listing:
            return held
        self._listed = held
        self._is_listing = False
        return ""

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions of the last list, as one line each."""
        lines = (cleaned(line.strip().lstrip(_BULLETS)).strip() for line in self._listed.splitlines())
        whole = dict.fromkeys(line for line in lines if 0 < len(line) <= QUESTION_CHARACTERS_MAX)
        return tuple(whole)[:QUESTIONS_MAX]


def _beginning_of_mark(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a list's mark."""
    for length in range(min(len(OPENING) - 1, len(text)), 0, -1):
        if OPENING.startswith(text[-length:]):
            return length
    return 0
