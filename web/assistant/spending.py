"""How many tokens an answer has cost, and whether the next request fits into what is left. Pure."""

from __future__ import annotations

from web.assistant.answering import Meter

REQUEST_TOKENS_MAX = 8_192
"""As much may be written in answer to one request."""
REQUEST_TOKENS_MIN = 1_024
"""Less is no room for an answer."""
CHARACTERS_PER_TOKEN = 3
"""Of JSON and prose it is rather four: what is not counted yet is guessed too high."""


class Spending:
    """The tokens of one answer. Everything counts that is read and written, also what a cache kept."""

    def __init__(self, tokens_left: int, meter: Meter) -> None:
        self._left = tokens_left
        self._meter = meter
        self._settled = meter.tokens
        self._current = 0
        self._characters = 0

    @property
    def spent(self) -> int:
        """What the answer has cost so far."""
        return self._meter.tokens

    def begin(self, new_characters: int) -> int | None:
        """Begin a request that reads what the last one read and wrote, and `new_characters`.

        Returns how much it may write, None where what is left does not reach.
        """
        reading = self._current + new_characters // CHARACTERS_PER_TOKEN
        room = self._left - self.spent - reading
        if room < REQUEST_TOKENS_MIN:
            return None
        self._settled += self._current
        self._current = 0
        self._characters = 0
        return min(REQUEST_TOKENS_MAX, room)

    def count(self, tokens: int) -> None:
        """Note what the present request has cost so far, in all, as the model's service says."""
        self._current = tokens
        self._meter.tokens = self._settled + self._current

    def count_text(self, characters: int) -> None:
        """Note that so much was written, of which the service says only at the end what it costs."""
        self._characters += characters
        self._meter.tokens = self._settled + self._current + self._characters // CHARACTERS_PER_TOKEN
