"""A body on its way to somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator


class Sending:
    """The pieces of a body, remembering what made them break off.

    HTTP clients say of a body that breaks only that it could not be sent.
    """

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.failure: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield them, once."""
        try:
            async for piece in self._pieces:
                yield piece
        except Exception as error:
            self.failure = error
            raise
