"""Which tools a program is shown and may call: what its token is for, and what its address asks for. Pure.

They only narrow. What one may do is decided by roles and bindings; this keeps a program from what it does not
need, and its list of tools short.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBounds:
    """`toolsets` are names of toolsets, empty: all of them. `is_read_only`: none that changes something."""

    is_read_only: bool = False
    toolsets: frozenset[str] = frozenset()

    def within(self, other: ToolBounds) -> ToolBounds | None:
        """Return what both let through; None when that is nothing."""
        toolsets = self.toolsets or other.toolsets
        if self.toolsets and other.toolsets:
            toolsets = self.toolsets & other.toolsets
            if not toolsets:
                return None
        return ToolBounds(is_read_only=self.is_read_only or other.is_read_only, toolsets=toolsets)


EVERY_TOOL = ToolBounds()
