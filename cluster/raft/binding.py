"""Ties pysyncobj 0.3.17 to what we hand in: clock, randomness, journal, no sockets, no pickle.

pysyncobj reads its clock and its random numbers from module globals and builds its journal,
serializer and poller itself. `bind` replaces those globals once per process by functions that ask the
node being run on this thread, so that nodes in other threads, or in one simulation, do not mix.

Because the guard also overrides private methods, the version is pinned by the hash of the module:
`self_test` refuses to start on any other.
"""

from __future__ import annotations

import hashlib
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pysyncobj.pickle as stock_pickle  # type: ignore[import-untyped]  # ships no types
from pysyncobj import syncobj as stock
from pysyncobj.node import Node  # type: ignore[import-untyped]  # ships no types

from cluster.encoding import pack, unpack
from cluster.raft.types import RaftError

SYNCOBJ_SHA256 = "e8bdf06797085d734df86e24ab4802fe87893dff77268565ec036f7ad4a1cfe4"

PRIVATE_METHODS = (
    "_onTick",
    "_isLeader",
    "_SyncObj__applyLogEntries",
    "_SyncObj__changeCluster",
    "_SyncObj__connectedToAnyone",
    "_SyncObj__doApplyCommand",
    "_SyncObj__doChangeCluster",
    "_SyncObj__generateRaftTimeout",
    "_SyncObj__loadDumpFile",
    "_SyncObj__onBecomeLeader",
    "_SyncObj__onMessageReceived",
    "_SyncObj__parseChangeClusterRequest",
    "_SyncObj__sendAppendEntries",
    "_SyncObj__setCurrentTerm",
    "_SyncObj__setState",
    "_SyncObj__tryLogCompaction",
)

PRIVATE_ATTRIBUTES = (
    "_SyncObj__commandsWaitingCommit",
    "_SyncObj__connectedNodes",
    "_SyncObj__lastResponseTime",
    "_SyncObj__newAppendEntriesTime",
    "_SyncObj__noopIDx",
    "_SyncObj__otherNodes",
    "_SyncObj__raftCommitIndex",
    "_SyncObj__raftCurrentTerm",
    "_SyncObj__raftElectionDeadline",
    "_SyncObj__raftLastApplied",
    "_SyncObj__raftLeader",
    "_SyncObj__raftLog",
    "_SyncObj__raftMatchIndex",
    "_SyncObj__raftNextIndex",
    "_SyncObj__raftState",
    "_SyncObj__readonlyNodes",
    "_SyncObj__transferInProgress",
    "_SyncObj__votedForNodeId",
    "_SyncObj__votesCount",
)

REPLACED_GLOBALS = (
    "PIPE_NOTIFIER_ENABLED",
    "Serializer",
    "createJournal",
    "createPoller",
    "monotonicTime",
    "pickle",
    "random",
)


class WrongLibrary(RaftError):
    """The installed pysyncobj is not the one this guard was proved against."""


class PickleUsed(RaftError):
    """Something reached for pickle. Nothing in a cluster is ever pickled or unpickled."""


class RaftNode(Node):  # type: ignore[misc]  # pysyncobj is untyped
    """A peer by id alone. Its hash is the same in every process, so that sets of peers are walked in one
    order.
    """

    def __init__(self, node_id: str) -> None:
        super().__init__(node_id)
        object.__setattr__(
            self, "_hash", int.from_bytes(hashlib.sha256(node_id.encode()).digest()[:7], "big")
        )

    def __hash__(self) -> int:
        return self._hash  # type: ignore[no-any-return]  # set with object.__setattr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RaftNode) and bool(self._id == other._id)


class Surroundings:
    """What the node now running on this thread sees of the world."""

    __slots__ = ("clock", "rng")

    def __init__(self, clock: Callable[[], float], rng: Any) -> None:
        self.clock = clock
        self.rng = rng


class _Current(threading.local):
    surroundings: Surroundings | None = None


_current = _Current()


@contextmanager
def inside(surroundings: Surroundings) -> Iterator[None]:
    """Run pysyncobj code of the node that owns `surroundings`. Nests."""
    outer = _current.surroundings
    _current.surroundings = surroundings
    try:
        yield
    finally:
        _current.surroundings = outer


def enter(surroundings: Surroundings | None) -> Surroundings | None:
    """The cheap form of `inside` for hot paths: returns what to put back."""
    outer = _current.surroundings
    _current.surroundings = surroundings
    return outer


def _monotonic() -> float:
    surroundings = _current.surroundings
    assert surroundings is not None, "pysyncobj ran outside its engine"
    return surroundings.clock()


class _Random:
    @staticmethod
    def random() -> float:
        surroundings = _current.surroundings
        assert surroundings is not None, "pysyncobj ran outside its engine"
        return float(surroundings.rng.random())


class _NoPoller:
    """Sockets belong to the transport; pysyncobj polls nothing."""

    def subscribe(self, *_: object) -> None:
        return

    def unsubscribe(self, *_: object) -> None:
        return

    def poll(self, _timeout_s: float) -> None:
        return


class _NoSerializer:
    """Snapshots never pass through pysyncobj: the engine streams the state store itself."""

    def __init__(self, *_: object) -> None:
        return

    def cancelTransmisstion(self, _node: object) -> None:
        return

    def __getattr__(self, name: str) -> NoReturn:
        raise RaftError(f"pysyncobj asked its serializer for {name}: snapshots are the engine's alone")


class _MsgpackInPlaceOfPickle:
    """What `pysyncobj.syncobj` calls pickle."""

    @staticmethod
    def loads(data: bytes) -> object:
        return unpack(data)

    @staticmethod
    def dumps(value: object, _protocol: int | None = None) -> bytes:
        return pack(value)


def _poisoned(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PickleUsed(
            f"pysyncobj.pickle.{name} was called: no pickle on the wire, in the log or in snapshots"
        )

    return refuse


_bound = threading.Lock()
_is_bound = False


def bind() -> None:
    """Replace pysyncobj's globals. Idempotent; the self-test runs before the first change.

    Raises:
        WrongLibrary: see `self_test`.
    """
    global _is_bound
    with _bound:
        if _is_bound:
            return
        self_test()
        stock.monotonicTime = _monotonic
        stock.random = _Random
        stock.createJournal = lambda journal: journal
        stock.createPoller = lambda _type: _NoPoller()
        stock.PIPE_NOTIFIER_ENABLED = False
        stock.Serializer = _NoSerializer
        stock.pickle = _MsgpackInPlaceOfPickle
        for name in ("load", "loads", "dump", "dumps"):
            setattr(stock_pickle, name, _poisoned(name))
        _is_bound = True


def self_test() -> None:
    """Check the hash of the pinned module and every private name the guard relies on.

    Raises:
        WrongLibrary: naming what differs and how to put it right.
    """
    source = inspect.getsourcefile(stock)
    assert source is not None
    with open(source, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    if digest != SYNCOBJ_SHA256:
        raise WrongLibrary(
            f"pysyncobj/syncobj.py has sha256 {digest}, expected {SYNCOBJ_SHA256}: "
            "install exactly pysyncobj==0.3.17 (the guard is proved against that file alone)"
        )
    missing = [name for name in PRIVATE_METHODS if not callable(getattr(stock.SyncObj, name, None))]
    missing += [name for name in REPLACED_GLOBALS if not hasattr(stock, name)]
    text = inspect.getsource(stock.SyncObj)
    missing += [name for name in PRIVATE_ATTRIBUTES if f"self.{name.removeprefix('_SyncObj')}" not in text]
    if missing:
        raise WrongLibrary(f"pysyncobj lacks {', '.join(missing)}: install exactly pysyncobj==0.3.17")
