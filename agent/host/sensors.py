"""Temperatures of the hardware: /sys/class/hwmon, and /sys/class/thermal where that has none.

Documentation/hwmon/sysfs-interface.rst and Documentation/driver-api/thermal/sysfs-api.rst: thousandths of a
degree. The numbers in the directories' names change from boot to boot, so a sensor is named by its chip and
label.
"""

from __future__ import annotations

from pathlib import Path

from agent.ports import SensorReading

SENSORS_MAX = 32
_LOWEST_C, _HIGHEST_C = -40.0, 150.0
"""What hardware can have; a sensor that is not connected shows -128, 127.8 or 255, for one."""


def read_sensors(sys_class: Path) -> tuple[SensorReading, ...]:
    """Return what every sensor shows, sorted by name, at most `SENSORS_MAX`. Blocks for some milliseconds."""
    found = _hwmon(sys_class / "hwmon") or _thermal(sys_class / "thermal")
    return tuple(SensorReading(name=name, celsius=found[name]) for name in sorted(found)[:SENSORS_MAX])


def _hwmon(directory: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for chip in _entries(directory, "hwmon*"):
        chip_name = _text(chip / "name") or chip.name
        for file in _entries(chip, "temp*_input"):
            channel = file.name.removesuffix("_input")
            _note(found, f"{chip_name} {_text(chip / f'{channel}_label') or channel}", file)
    return found


def _thermal(directory: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for zone in _entries(directory, "thermal_zone*"):
        _note(found, _text(zone / "type") or zone.name, zone / "temp")
    return found


def _note(found: dict[str, float], name: str, file: Path) -> None:
    try:
        celsius = int(_text(file)) / 1000
    except ValueError:
        # Nothing is plugged in, or the device sleeps.
        return
    if not _LOWEST_C <= celsius <= _HIGHEST_C:
        return
    # Two chips of one name (two disks, two processors) are told apart by their order.
    number, unique = 2, name
    while unique in found:
        unique, number = f"{name} #{number}", number + 1
    found[unique] = celsius


def _entries(directory: Path, pattern: str) -> list[Path]:
    """In the order of their numbers: temp2 before temp10."""
    return sorted(directory.glob(pattern), key=lambda path: (len(path.name), path.name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
