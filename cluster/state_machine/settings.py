"""Handlers of the settings commands."""

from __future__ import annotations

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.settings import PutSetting
from cluster.model.settings import Setting
from cluster.state_machine.entry import Entry
from cluster.store.records import SETTINGS


def put_setting(entry: Entry, command: PutSetting) -> Outcome:
    present = SETTINGS.get(entry.txn, command.key)
    version = 0 if present is None else present.version
    if command.expected_version is not None and command.expected_version != version:
        return Rejected(
            f"setting {command.key!r} is at version {version}, not {command.expected_version}: read it again",
            Code.VERSION_CONFLICT,
        )
    setting = Setting(key=command.key, value=command.value, version=version + 1, changed_at_ms=entry.now_ms)
    SETTINGS.put(entry.txn, setting)
    return Applied(setting.version)
