"""Which block devices are hardware of their own, so that no byte counts twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from agent.host.parse import DeviceBytes

# In memory, images of files (whose bytes pass through the disk below), and what is read only now and then.
_NOT_DISKS = re.compile(r"(loop|ram|zram|sr|fd|nbd)\d+")


class BlockDevices:
    """Tells whole devices from partitions, and from what lies on other devices (LVM, RAID, encryption)."""

    def __init__(self, sys_block: Path = Path("/sys/block")) -> None:
        self._sys_block = sys_block
        self._is_whole: dict[str, bool] = {}

    def total(self, devices: Mapping[str, DeviceBytes]) -> tuple[int, int] | None:
        """Return (bytes read, bytes written) over the whole devices among `devices`; None without any."""
        for name in self._is_whole.keys() - devices.keys():
            del self._is_whole[name]
        whole = [device for name, device in devices.items() if self._counts(name)]
        if not whole:
            return None
        return sum(device.read_bytes for device in whole), sum(device.write_bytes for device in whole)

    def _counts(self, name: str) -> bool:
        known = self._is_whole.get(name)
        if known is None:
            known = self._is_whole[name] = self._look(name)
        return known

    def _look(self, name: str) -> bool:
        if _NOT_DISKS.fullmatch(name):
            return False
        # The kernel writes "/" in a device's name as "!" there.
        directory = self._sys_block / name.replace("/", "!")
        try:
            return directory.is_dir() and not any((directory / "slaves").iterdir())
        except OSError:
            return directory.is_dir()
