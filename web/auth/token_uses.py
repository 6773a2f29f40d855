"""When API tokens were used last, so that people find those nobody needs.

Counted in memory and written now and then: an entry in the log for every request of a program would be most
of the log. What a host that is killed has not written is told by its next request.
"""

from __future__ import annotations

from collections import OrderedDict

from cluster.commands.sign_in import TOKEN_USES_MAX, NoteTokenUses
from cluster.model.access import TokenUse
from cluster.model.ids import TokenPrefix
from cluster.store import records
from web.ports import Surroundings

PRECISION_MS = 5 * 60_000
"""A use that is no later than this after the one that is written is not worth an entry."""
KEPT_MAX = 10_000


class TokenUses:
    """The uses one node has seen since they were last written."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._uses: OrderedDict[TokenPrefix, TokenUse] = OrderedDict()

    def note(self, prefix: TokenPrefix, ip: str) -> None:
        """A request came with this token, and it was good."""
        if prefix not in self._uses and len(self._uses) >= KEPT_MAX:
            self._uses.popitem(last=False)
        self._uses[prefix] = TokenUse(prefix=prefix, used_at_ms=self._surroundings.clock.now_ms(), ip=ip)

    async def flush(self) -> None:
        """Write what is new. Raises NotCommitted or OutcomeUnknown, with everything kept."""
        with self._surroundings.state.read() as txn:
            written = {prefix: records.TOKEN_USES.get(txn, prefix) for prefix in self._uses}
        for prefix, known in written.items():
            if known is not None and self._uses[prefix].used_at_ms - known.used_at_ms < PRECISION_MS:
                del self._uses[prefix]
        while self._uses:
            uses = tuple(list(self._uses.values())[:TOKEN_USES_MAX])
            await self._surroundings.state.propose(NoteTokenUses(uses=uses))
            for use in uses:
                if self._uses.get(use.prefix) == use:
                    del self._uses[use.prefix]
