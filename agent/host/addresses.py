"""Which of its addresses this host should be known by. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.ports import InterfaceAddress

_CONTAINER_SIDE = re.compile(r"(docker|br-|virbr|cni|cali|flannel|veth).*")


def choose_advertise_address(addresses: Sequence[InterfaceAddress]) -> str | None:
    """Return the address other hosts should use; None when there is none to choose.

    IPv4 on the interface of the default route; else the only other IPv4 address that is not on a
    bridge of containers; else, by the same steps, IPv6. With several equal candidates and no
    default route there is no right answer, so the person has to say.
    """
    outside = [address for address in addresses if not _CONTAINER_SIDE.fullmatch(address.interface)]
    for family in (
        [address for address in outside if ":" not in address.address],
        [address for address in outside if ":" in address.address],
    ):
        preferred = [address for address in family if address.is_default_route]
        if preferred:
            return preferred[0].address
        if len(family) == 1:
            return family[0].address
    return None
