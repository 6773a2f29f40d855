"""Which networks may be called that are not public, as the cluster's settings say now."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from cluster.model.outbound import ALLOWED_NETWORKS_SETTING, parse_networks
from cluster.store import ReadTxn
from cluster.store.records import SETTINGS

log = logging.getLogger(__name__)


class ReadableState(Protocol):
    """The state as this host has it."""

    def read(self) -> AbstractContextManager[ReadTxn]: ...


class AllowedNetworks:
    """Read for every connection, so that what is not allowed any more is not called any more."""

    def __init__(self, state: ReadableState) -> None:
        self._state = state

    def read(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks; none when the setting cannot be read, which who set it was told."""
        with self._state.read() as txn:
            setting = SETTINGS.get(txn, ALLOWED_NETWORKS_SETTING)
        if setting is None or setting.value is None:
            return ()
        try:
            return parse_networks(setting.value)
        except ValueError as error:
            log.warning("outbound.setting_unreadable", extra={"error": str(error)})
            return ()
