"""Which orders are still good: an effect of an order that was overtaken is refused."""

from __future__ import annotations


class Superseded(Exception):
    """A newer order for this container is known: nothing is done for the older one."""


class Permit:
    """Leave to act on one container for the order with `token`; asked again right before each effect."""

    def __init__(self, fence: Fence, container: str, token: int) -> None:
        self._fence = fence
        self.container = container
        self.token = token

    def check(self, labelled: int = 0) -> None:
        """Raises Superseded when a newer order was seen, here or (`labelled`) on the container itself."""
        newest = max(self._fence.newest(self.container), labelled)
        if newest > self.token:
            raise Superseded(f"{self.container}: order {self.token} was overtaken by {newest}")


class Fence:
    """The newest order seen for each container of this host."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def newest(self, container: str) -> int:
        return self._seen.get(container, 0)

    def permit(self, container: str, token: int) -> Permit:
        """Note the order and return the leave to carry it out. Raises Superseded for an older one."""
        permit = Permit(self, container, token)
        permit.check()
        self._seen[container] = token
        return permit

    def forget(self, container: str) -> None:
        """The container is gone and no order for it is left."""
        self._seen.pop(container, None)
