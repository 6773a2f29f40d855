"""Alerts: look at everything, decide, commit; the commit is what tells people.

What a leader remembers besides the log may go with it: then an alert comes later or lasts longer, and never
twice, since the log refuses to tell again what it told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from agent.clock import Clock
from agent.leader.alert_facts import KINDS as FACT_KINDS
from agent.leader.alert_facts import OF_CONTAINERS, Facts, look_at_facts, read_facts
from agent.leader.alert_numbers import KINDS as NUMBER_KINDS
from agent.leader.alert_numbers import AlertNumbers, History
from agent.leader.ports import State
from agent.leader.proposing import propose_as_leader
from cluster.alerts import Book, Look, Round, Step, rules_in_force, saying, take_round
from cluster.analytics.grouping import Incident
from cluster.commands import Code, Rejected
from cluster.commands.alerts import AlertChange, CommitAlerts
from cluster.history.errors import HistoryError
from cluster.model.alerts import ALERTS_OPEN_MAX, CHANGES_MAX, Alert, AlertRule, RuleKind, Told
from cluster.model.inventory import HostView
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import Committed, ReadTxn
from cluster.store.records import ALERT_RULES, ALERTS, open_alerts

log = logging.getLogger(__name__)

LOOK_S = 5.0
COALESCE_S = 1.0
"""Least time between two looks, however much changes."""
INVENTORIES_S = 10.0
"""How often hosts are asked what they have; while something is wrong there, at every look."""
NUMBERS_S = 30.0
PROPOSE_TIMEOUT_S = 5.0
VIEWS_TIMEOUT_S = 5.0
FORGET_MS = 12 * 3_600_000
"""Longer than a rule looks back: what was judged must not be judged anew."""
KNOWN_ALERTS_MAX = 1_000
USUAL_TIMEOUT_S = 3.0
USUAL_MAX = 10
"""How many alerts of one look are told with what is usual: each costs a question to the history."""
_TABLES = frozenset({"nodes", "assignments", "alert_rules", "silences", "environments"})


class Inventories(Protocol):
    """What every host has. `agent.follow.every_host.EveryHost` fits."""

    async def views(self) -> Sequence[HostView]: ...


class Alerting:
    """The duty of one node; a term's loop ends with it."""

    def __init__(
        self,
        *,
        state: State,
        clock: Clock,
        inventories: Inventories,
        history: History,
        incidents: Callable[[], Sequence[Incident]] = tuple,
    ) -> None:
        self._state = state
        self._clock = clock
        self._inventories = inventories
        self._history = history
        self._incidents = incidents
        self._wake = asyncio.Event()

    async def run(self, term: int) -> None:
        """Look until cancelled. Raises LeadershipOver, in a group."""
        with self._state.read() as txn:
            book = Book.of_log(ALERTS.scan(txn, reverse=True, limit=KNOWN_ALERTS_MAX))
        watch = _Watch(
            term, self._state, self._clock, self._inventories, self._history, self._incidents, book
        )
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            # Numbers may be slow to come, and must not keep anybody from hearing of a host that is down.
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_facts(watch), name="alerts-of-facts")
                group.create_task(self._watch_numbers(watch), name="alerts-of-numbers")
        finally:
            unsubscribe()

    async def _watch_facts(self, watch: _Watch) -> None:
        while True:
            self._wake.clear()
            await watch.look_at_facts()
            await self._clock.sleep(COALESCE_S)
            await self._clock.wait(self._wake, LOOK_S - COALESCE_S)

    async def _watch_numbers(self, watch: _Watch) -> None:
        while True:
            await watch.look_at_numbers()
            await self._clock.sleep(NUMBERS_S)

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table in _TABLES for table, _ in committed.changed):
            self._wake.set()


class _Watch:
    """One term's looks, and what they leave behind."""

    def __init__(
        self,
        term: int,
        state: State,
        clock: Clock,
        inventories: Inventories,
        history: History,
        incidents: Callable[[], Sequence[Incident]],
        book: Book,
    ) -> None:
        self._term = term
        self._state = state
        self._clock = clock
        self._inventories = inventories
        self._numbers = AlertNumbers(history, incidents)
        self._book = book
        self._deciding = asyncio.Lock()
        self._inventories_due_s = float("-inf")
        self._views: Sequence[HostView] | None = None
        self._is_container_bad = False
        self._left_out = 0

    async def look_at_facts(self) -> None:
        """Look at the state and, when it is time, at what hosts have; commit what becomes of it."""
        views = await self._ask_hosts(self._rules())
        async with self._deciding:
            rules = self._rules()
            wanted = [rule for rule in rules if rule.is_enabled and rule.kind in FACT_KINDS]
            with self._state.read() as txn:
                facts = read_facts(txn, views, self._now_ms(txn))
                looks = look_at_facts(txn, wanted, facts)
                opened = open_alerts(txn)
            self._is_container_bad = any(alert.kind in OF_CONTAINERS for alert in opened)
            await self._decide(rules, looks, facts, opened)

    async def look_at_numbers(self) -> None:
        """Look at the metric history; commit what becomes of it."""
        wanted = [rule for rule in self._rules() if rule.is_enabled and rule.kind in NUMBER_KINDS]
        with self._state.read() as txn:
            facts = read_facts(txn, self._views, self._now_ms(txn))
        looks = await self._numbers.look(wanted, facts, self._book)
        async with self._deciding:
            # What was decided meanwhile must not be decided on by what was before it.
            rules = self._rules()
            in_force = {rule.id: rule for rule in rules}
            looks = [look for look in looks if in_force.get(look.rule.id) == look.rule]
            with self._state.read() as txn:
                facts = read_facts(txn, self._views, self._now_ms(txn))
                opened = open_alerts(txn)
            await self._decide(rules, looks, facts, opened)

    def _now_ms(self, txn: ReadTxn) -> int:
        return max(self._clock.now_ms(), txn.log_time_ms)

    async def _decide(
        self, rules: Sequence[AlertRule], looks: Sequence[Look], facts: Facts, opened: Sequence[Alert]
    ) -> None:
        round_ = take_round(
            {rule.id: rule for rule in rules},
            looks,
            opened,
            self._book,
            facts.around,
            now_ms=facts.now_ms,
            open_max=ALERTS_OPEN_MAX,
        )
        if round_.left_out and round_.left_out != self._left_out:
            log.warning("alerts.too_many_open", extra={"left_out": round_.left_out, "most": ALERTS_OPEN_MAX})
        self._left_out = round_.left_out
        await self._commit(round_, rules, facts.now_ms)
        self._book.forget_before(
            facts.now_ms - FORGET_MS, [(alert.rule_id, alert.subject.key) for alert in opened]
        )

    def _rules(self) -> list[AlertRule]:
        with self._state.read() as txn:
            return rules_in_force(ALERT_RULES.scan(txn))

    async def _ask_hosts(self, rules: Sequence[AlertRule]) -> Sequence[HostView] | None:
        now_s = self._clock.monotonic_s()
        is_wanted = any(rule.is_enabled and rule.kind in OF_CONTAINERS for rule in rules)
        is_due = self._is_container_bad or now_s >= self._inventories_due_s
        if not is_wanted or not is_due:
            return None
        self._inventories_due_s = now_s + INVENTORIES_S
        # Its own bound is two seconds; a host that hangs all the same costs one look.
        try:
            async with asyncio.timeout(VIEWS_TIMEOUT_S):
                self._views = await self._inventories.views()
        except TimeoutError:
            log.warning("alerts.hosts_not_asked", extra={"waited_s": VIEWS_TIMEOUT_S})
            return None
        return self._views

    async def _commit(self, round_: Round, rules: Sequence[AlertRule], now_ms: int) -> None:
        """Commit a round; what is not committed is decided anew with the next look."""
        self._book.take(round_, is_committed=False)
        steps: Sequence[Step] = round_.steps
        try:
            async with asyncio.timeout(USUAL_TIMEOUT_S):
                steps = await self._with_usual(steps, {rule.id: rule for rule in rules}, now_ms)
        except TimeoutError:
            log.info("alerts.usual_too_slow", extra={"waited_s": USUAL_TIMEOUT_S})
        for start in range(0, len(steps), CHANGES_MAX):
            some = tuple(steps[start : start + CHANGES_MAX])
            if await self._propose(some):
                keys = {step.key for step in some}
                memories = {key: memory for key, memory in round_.memories.items() if key in keys}
                self._book.take(Round(steps=some, memories=memories), is_committed=True)

    async def _propose(self, steps: Sequence[Step]) -> bool:
        command = CommitAlerts(
            changes=tuple(
                AlertChange(
                    alert=step.alert,
                    expected_version=step.expected_version,
                    told=step.told,
                    is_dropped=step.is_dropped,
                )
                for step in steps
            )
        )
        try:
            outcome = await propose_as_leader(
                self._state, command, term=self._term, timeout_s=PROPOSE_TIMEOUT_S
            )
        except (NotCommitted, OutcomeUnknown) as error:
            log.warning("alerts.not_committed", extra={"alerts": len(steps), "error": str(error)})
            return False
        if isinstance(outcome, Rejected):
            # Somebody has acknowledged one meanwhile, or there is a leader that knew better.
            is_mistake = outcome.code is not Code.VERSION_CONFLICT
            log.log(
                logging.ERROR if is_mistake else logging.DEBUG,
                "alerts.rejected",
                extra={"reason": outcome.reason},
            )
            return False
        for step in steps:
            if step.told is not None:
                log.info(
                    "alerts.told",
                    extra={"rule": step.alert.rule_id, "subject": step.alert.subject.name, "told": step.told},
                )
        return True

    async def _with_usual(
        self, steps: Sequence[Step], rules: dict[str, AlertRule], now_ms: int
    ) -> list[Step]:
        """The same, with what is usual at this hour in those that are told now."""
        found = list(steps)
        firing = [at for at, step in enumerate(found) if step.told is Told.FIRING]
        for at in firing[:USUAL_MAX]:
            alert = found[at].alert
            rule = rules.get(alert.rule_id)
            if rule is None or rule.kind is not RuleKind.THRESHOLD:
                continue
            try:
                usual = await self._numbers.usual(alert, rule, now_ms)
            except (ValueError, HistoryError) as error:
                log.debug("alerts.usual_not_known", extra={"error": str(error)})
                continue
            found[at] = replace(found[at], alert=saying(alert, usual=usual))
        return found
