"""Hazards of pysyncobj 0.3.17 that are gone because the parts that have them are never used.

The numbers are those of the table in cluster/raft/DESIGN.md. The transport that took their place has tests of
its own: test_transport, test_wire and tests/integration/test_raft_transport.py.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pysyncobj.pickle as stock_pickle
import pytest
from pysyncobj import SyncObj
from pysyncobj import syncobj as stock

from cluster.encoding import pack
from cluster.raft import binding, wire
from cluster.raft.binding import PickleUsed, Surroundings, WrongLibrary, bind, inside, self_test
from cluster.raft.node import GuardedNode
from cluster.raft.wire import MAX_FRAME_BYTES, WireError
from tests.support.raft_kit import EngineNode, LowRandom, StockNode, append_entries

ROOT = Path(__file__).parents[3]
PACKAGES = ("agent", "cluster", "web")


def imports_of(package: str) -> set[str]:
    """Every module name that a package's source imports, fully dotted."""
    found: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("name", ["load", "loads", "dump", "dumps"])
def test_every_function_of_pysyncobjs_pickle_is_poisoned(name: str) -> None:
    """H40."""
    bind()
    with pytest.raises(PickleUsed, match="no pickle on the wire, in the log or in snapshots"):
        getattr(stock_pickle, name)(b"cos\nsystem\n(S'true'\ntR.")


def test_what_pysyncobj_calls_pickle_is_msgpack() -> None:
    """H40."""
    bind()
    assert stock.pickle.dumps(["add", "n4"]) == pack(["add", "n4"])
    with pytest.raises(ValueError, match="msgpack"):
        stock.pickle.loads(b"cos\nsystem\n(S'true'\ntR.")


def test_no_module_imports_pickle() -> None:
    """H40."""
    used = set().union(*map(imports_of, PACKAGES))
    assert used & {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal"} == set()
    assert {name for name in used if name.startswith("pysyncobj")} <= {
        "pysyncobj",
        "pysyncobj.SyncObj",
        "pysyncobj.SyncObjConf",
        "pysyncobj.journal",
        "pysyncobj.journal.Journal",
        "pysyncobj.node",
        "pysyncobj.node.Node",
        "pysyncobj.pickle",
        "pysyncobj.syncobj",
        "pysyncobj.transport",
        "pysyncobj.transport.Transport",
    }


def test_stock_follows_whoever_sends_it_entries() -> None:
    """H41: a connection that calls itself read-only may; nothing asks whether it is a member."""
    node = StockNode("n1")
    answers = node.hear("stranger", append_entries(9, (1, 0), commit=1))
    assert node.term == 9
    assert answers[-1]["success"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "apply_command", "command": b"x", "request_id": 1},
        {"type": "apply_command_response", "request_id": 1, "log_idx": 1, "log_term": 1},
        {"type": "add", "node": "intruder"},
        {"type": "readonly"},
        ["add", "intruder:1"],
        ["status"],
        "readonly",
    ],
)
def test_pysyncobjs_own_control_messages_are_no_messages_here(message: Any) -> None:
    """H41, H34."""
    if isinstance(message, dict):
        with pytest.raises(WireError):
            wire.encode(message)
    with pytest.raises(WireError):
        wire.decode(pack(message))


def test_the_engine_opens_no_socket_and_has_no_password() -> None:
    """H41, H42, H43: pysyncobj's transport, its encryption and its resolver are never made."""
    node = EngineNode("n1")
    guarded = node.engine._core.node
    assert guarded.conf.password is None
    assert guarded.encryptor is None
    assert type(guarded._SyncObj__transport).__module__ == "cluster.raft.node"
    assert type(guarded._poller).__module__ == "cluster.raft.binding"
    used = set().union(*map(imports_of, PACKAGES))
    assert used & {"pysyncobj.encryptor", "pysyncobj.tcp_connection", "pysyncobj.dns_resolver"} == set()


def test_a_frame_is_bounded_before_it_is_decoded() -> None:
    """H43."""
    with pytest.raises(WireError, match=f"at most {MAX_FRAME_BYTES} bytes"):
        wire.decode(b"\x00" * (MAX_FRAME_BYTES + 1))


def test_nothing_uses_pysyncobjs_locks() -> None:
    """H44: they compare the wall clocks of different hosts."""
    used = set().union(*map(imports_of, PACKAGES))
    assert {name for name in used if "batteries" in name} == set()


def test_the_self_test_accepts_the_pinned_library() -> None:
    self_test()
    assert (stock.SyncObj, SyncObj) == (SyncObj, stock.SyncObj)


def test_the_self_test_refuses_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "SYNCOBJ_SHA256", "0" * 64)
    with pytest.raises(WrongLibrary, match=r"install exactly pysyncobj==0\.3\.17"):
        self_test()


@pytest.mark.parametrize("name", binding.PRIVATE_METHODS)
def test_the_self_test_refuses_a_library_without_a_method_the_guard_replaces(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(stock.SyncObj, name)
    with pytest.raises(WrongLibrary, match=f"pysyncobj lacks {name}"):
        self_test()


@pytest.mark.parametrize("name", binding.REPLACED_GLOBALS)
def test_the_self_test_refuses_a_library_without_a_global_the_guard_replaces(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(stock, name)
    with pytest.raises(WrongLibrary, match=f"pysyncobj lacks {name}"):
        self_test()


def test_the_self_test_refuses_a_library_without_an_attribute_the_guard_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binding, "PRIVATE_ATTRIBUTES", ("_SyncObj__raftMadeUp",))
    with pytest.raises(WrongLibrary, match="_SyncObj__raftMadeUp"):
        self_test()


def test_the_self_test_knows_every_private_name_that_the_package_uses() -> None:
    used = {
        node.attr
        for path in (ROOT / "cluster" / "raft").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_SyncObj__")
    }
    defined = {name for name, _ in inspect.getmembers(GuardedNode) if name.startswith("_SyncObj__")}
    overridden = {name for name in defined if name in vars(GuardedNode)}
    known = {*binding.PRIVATE_METHODS, *binding.PRIVATE_ATTRIBUTES}
    assert (used | overridden) - known == set()


def test_pysyncobj_reads_the_clock_and_chance_of_the_node_that_runs() -> None:
    """Two nodes in one process do not mix, and outside of any there is neither."""
    bind()
    with inside(Surroundings(lambda: 1.0, LowRandom())):
        assert stock.monotonicTime() == 1.0
        with inside(Surroundings(lambda: 2.0, LowRandom())):
            assert stock.monotonicTime() == 2.0
        assert stock.monotonicTime() == 1.0
        assert stock.random.random() == 0.5
    with pytest.raises(AssertionError, match="outside its engine"):
        stock.monotonicTime()
