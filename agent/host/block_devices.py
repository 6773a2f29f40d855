"""Which block devices are hardware of their own, so that no byte counts twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# In memory, images of files (whose bytes pass through the disk below), and what is read only now and then.
_NOT_DISKS = re.compile(r"(loop|ram|zram|sr|fd|nbd)\d+")


class BlockDevices:
    """Tells whole devices from partitions, and from what lies on other devices (LVM, RAID, encryption)."""

    def __init__(self, sys_block: Path = Path("/sys/block")) -> None:
        self._sys_block = sys_block
        self._is_whole: dict[str, bool] = {}

    def total(self, devices: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
        """Return (bytes read, bytes written) over the whole devices of /proc/diskstats; None without any."""
        for name in self._is_whole.keys() - devices.keys():
            del self._is_whole[name]
        whole = [figures for name, figures in devices.items() if self._counts(name)]
        return (sum(read for read, _ in whole), sum(written for _, written in whole)) if whole else None

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
