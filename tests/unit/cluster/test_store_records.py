"""Decoded records that are kept: never stale, and never many."""

from __future__ import annotations

import pytest

from cluster.model.settings import Setting
from cluster.store import records, tables
from cluster.store.records import Records
from tests.simulation.memory_store import MemoryStore


def a_setting(value: str, version: int = 1) -> Setting:
    return Setting(key="k", value=value, version=version, changed_at_ms=0)


def some_records() -> Records[Setting]:
    return Records(tables.SETTINGS, Setting, (str,), lambda record: (record.key,))


def store_with(setting: Setting) -> MemoryStore:
    store = MemoryStore()
    txn = store.begin()
    some_records().put(txn, setting)
    store.commit(txn, 1, 1, b"")
    store.flush()
    return store


def test_a_record_that_did_not_change_is_decoded_once() -> None:
    settings = some_records()
    txn = store_with(a_setting("v")).begin()
    first = settings.get(txn, "k")
    assert first == a_setting("v")
    assert settings.get(txn, "k") is first
    assert settings.scan(txn) == [first]


def test_every_transaction_sees_its_own_state_whatever_others_have_read() -> None:
    settings = some_records()
    old, new = store_with(a_setting("old")).begin(), store_with(a_setting("new", 2)).begin()
    for _ in range(3):
        assert settings.get(old, "k") == a_setting("old")
        assert settings.get(new, "k") == a_setting("new", 2)
    new.discard_writes()
    settings.put(new, a_setting("newer", 3))
    new.discard_writes()
    assert settings.get(new, "k") == a_setting("new", 2)


def test_a_bounded_number_of_small_records_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_KEPT_RECORDS", 10)
    settings = some_records()
    txn = MemoryStore().begin()
    for number in range(100):
        settings.put(txn, a_setting(f"v{number}"))
        assert settings.get(txn, "k") == a_setting(f"v{number}")
    assert len(settings._kept) + len(settings._kept_before) <= 20
    settings.put(txn, a_setting("x" * 1000))
    assert settings.get(txn, "k") == a_setting("x" * 1000)
    assert all(len(data) <= 512 for data in (*settings._kept, *settings._kept_before))


def test_records_with_a_text_are_found_among_the_newest() -> None:
    settings, txn = some_records(), MemoryStore().begin()
    made = [
        Setting(key=f"k{number}", value="needle" if number % 2 else "hay", version=1, changed_at_ms=0)
        for number in range(6)
    ]
    for setting in made:
        settings.put(txn, setting)
    assert settings.newest_with(txn, "needle", limit=4) == [made[5], made[3]]
