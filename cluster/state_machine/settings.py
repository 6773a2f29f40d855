"""Handlers of the settings commands."""

from __future__ import annotations

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.settings import PutSetting
from cluster.encoding import codec
from cluster.model.settings import Setting
from cluster.state_machine.handler import Entry
from cluster.store.tables import SETTINGS

_SETTINGS = codec(Setting)


def put_setting(entry: Entry, command: PutSetting) -> Outcome:
    key = command.key.encode()
    data = entry.txn.get(SETTINGS, key)
    version = 0 if data is None else _SETTINGS.decode(data).version
    if command.expected_version is not None and command.expected_version != version:
        return Rejected(
            f"setting {command.key!r} is at version {version}, not {command.expected_version}: read it again",
            Code.VERSION_CONFLICT,
        )
    setting = Setting(key=command.key, value=command.value, version=version + 1, changed_at_ms=entry.now_ms)
    entry.txn.put(SETTINGS, key, _SETTINGS.encode(setting))
    return Applied(setting.version)
