"""Properties and cases of `agent.router.haproxy.accounting`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.router.haproxy.accounting import TrafficLedger, apportion
from agent.router.haproxy.stats import BackendCounters, PreviewCounters, Reading, ServerCounters
from agent.router.protocol import RevisionTraffic

BACKEND = "shop.web-blue"
REVISIONS = {"s1": 1, "s2": 2}


def revision_of(backend: str, server: str) -> int:
    return REVISIONS[server]


def backend(
    *, requests: int, answers: int, errors: int = 0, in_flight: int = 0, **servers: ServerCounters
) -> BackendCounters:
    return BackendCounters(
        requests=requests, answers=answers, server_errors=errors, in_flight=in_flight, servers=servers
    )


def server(
    attempts: int, answers: int, *, retries: int = 0, errors: int = 0, failed: int = 0, in_flight: int = 0
) -> ServerCounters:
    return ServerCounters(
        attempts=attempts,
        answers=answers,
        retries=retries,
        server_errors=errors,
        failed_attempts=failed,
        in_flight=in_flight,
    )


def record(
    ledger: TrafficLedger,
    counters: BackendCounters,
    *,
    pid: int = 7,
    previews: PreviewCounters | None = None,
    times: int = 2,
) -> bool:
    """Read the same so many times; whether another reading is wanted."""
    reading = Reading(previews={BACKEND: previews} if previews else {}, backends={BACKEND: counters})
    return [ledger.record({pid: reading}, revision_of=revision_of) for _ in range(times)][-1]


def counts(ledger: TrafficLedger) -> dict[int, tuple[int, int, int, int]]:
    """Requests, failures, lost and retried by revision."""
    return {
        each.revision: (each.requests, each.failures, each.lost, each.retried) for each in ledger.totals()
    }


def test_answers_count_for_the_revision_of_the_server_that_gave_them() -> None:
    ledger = TrafficLedger()
    record(ledger, backend(requests=9, answers=9, errors=2, s1=server(5, 5), s2=server(4, 4, errors=2)))
    assert counts(ledger) == {1: (5, 0, 0, 0), 2: (4, 2, 0, 0)}


def test_what_is_in_flight_is_not_lost() -> None:
    ledger = TrafficLedger()
    assert not record(ledger, backend(requests=3, answers=1, in_flight=2, s1=server(3, 1, in_flight=2)))
    assert counts(ledger) == {1: (1, 0, 0, 0)}


def test_a_loss_counts_once_two_readings_saw_it() -> None:
    ledger = TrafficLedger()
    seen = backend(requests=3, answers=1, s1=server(3, 1))
    assert record(ledger, seen, times=1), "another reading would confirm it"
    assert counts(ledger) == {1: (1, 0, 0, 0)}
    assert not record(ledger, seen, times=1)
    assert counts(ledger) == {1: (3, 2, 2, 0)}
    assert not record(ledger, seen, times=3)
    assert counts(ledger) == {1: (3, 2, 2, 0)}


def test_a_request_that_was_read_between_two_counters_is_no_loss() -> None:
    ledger = TrafficLedger()
    assert record(ledger, backend(requests=1, answers=0, s1=server(1, 0)), times=1)
    record(ledger, backend(requests=1, answers=1, s1=server(1, 1)))
    assert counts(ledger) == {1: (1, 0, 0, 0)}


def test_losses_are_of_the_revision_whose_attempts_came_to_nothing() -> None:
    ledger = TrafficLedger()
    record(ledger, backend(requests=20, answers=17, s1=server(10, 10), s2=server(10, 7)))
    assert counts(ledger) == {1: (10, 0, 0, 0), 2: (10, 3, 3, 0)}


def test_errors_that_haproxy_answered_itself_are_of_the_revision_that_had_the_trouble() -> None:
    ledger = TrafficLedger()
    record(ledger, backend(requests=20, answers=20, errors=3, s1=server(10, 10), s2=server(10, 7, failed=3)))
    assert counts(ledger) == {1: (10, 0, 0, 0), 2: (10, 3, 0, 0)}


def test_an_error_without_an_attempt_is_nobodys() -> None:
    ledger = TrafficLedger()
    record(ledger, backend(requests=2, answers=2, s1=server(2, 2)))
    record(ledger, backend(requests=5, answers=5, errors=3, s1=server(2, 2)))
    assert counts(ledger) == {1: (2, 0, 0, 0)}


def test_a_retry_elsewhere_is_no_request_of_the_one_that_failed() -> None:
    ledger = TrafficLedger()
    record(ledger, backend(requests=10, answers=10, s1=server(10, 10), s2=server(4, 0, retries=4)))
    assert counts(ledger) == {1: (10, 0, 0, 0), 2: (0, 0, 0, 4)}


def test_what_workers_counted_before_is_left_out_and_new_ones_begin_at_nothing() -> None:
    ledger = TrafficLedger()
    before = backend(requests=50, answers=40, errors=5, s1=server(50, 40, errors=5))
    ledger.begin(7, Reading(previews={}, backends={BACKEND: before}))
    record(ledger, backend(requests=52, answers=42, errors=6, s1=server(52, 42, errors=6)))
    record(ledger, backend(requests=3, answers=3, s1=server(3, 3)), pid=8)
    ledger.forget(present=[8])
    record(ledger, backend(requests=4, answers=4, s1=server(4, 4)), pid=8)
    assert counts(ledger) == {1: (6, 1, 0, 0)}


def test_previews_are_left_out_answered_failed_and_lost() -> None:
    ledger = TrafficLedger()
    record(
        ledger,
        # Ten of people, and of previews two answers, one of them an error, one error of HAProxy's, one lost.
        backend(requests=14, answers=13, errors=2, s1=server(14, 12, errors=1, failed=1)),
        previews=PreviewCounters(requests=4, answers=2, server_errors=1),
    )
    requests, failures, lost, _ = counts(ledger)[1]
    assert (requests, failures, lost) == (10, 0, 0)


def test_a_service_that_is_gone_and_revisions_long_past_are_forgotten() -> None:
    ledger = TrafficLedger()
    record(ledger, backend(requests=2, answers=2, s1=server(1, 1), s2=server(1, 1)))
    ledger.retain({"shop.web"}, revisions_max=1)
    assert [each.revision for each in ledger.totals()] == [2]
    ledger.retain({"blog.web"}, revisions_max=1)
    assert ledger.totals() == ()


@given(number=st.integers(0, 1000), weights=st.dictionaries(st.integers(1, 9), st.integers(0, 100)))
def test_everything_is_shared_out_and_nobody_without_weight_gets_any(
    number: int, weights: dict[int, int]
) -> None:
    parts = apportion(number, weights)
    if sum(weights.values()) and number:
        assert sum(parts.values()) == number
    else:
        assert parts == {}
    assert all(part >= 0 for part in parts.values())
    assert not any(part for key, part in parts.items() if not weights[key])


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ok", "error", "lost", "bad gateway", "begin"]), st.sampled_from(["s1", "s2"])
    ),
    max_size=40,
)


@given(steps=_STEPS, readings=st.sets(st.integers(0, 40)))
def test_counts_never_fall_and_add_up_to_what_happened_however_often_it_is_read(
    steps: list[tuple[str, str]], readings: set[int]
) -> None:
    ledger = TrafficLedger()
    happened = dict.fromkeys(("ok", "error", "lost", "bad gateway", "begin"), 0)
    each = {name: [0, 0, 0, 0, 0] for name in REVISIONS}
    shown: tuple[RevisionTraffic, ...] = ()

    def now() -> BackendCounters:
        total = sum(happened.values())
        return backend(
            requests=total,
            answers=total - happened["lost"] - happened["begin"],
            errors=happened["error"] + happened["bad gateway"],
            in_flight=happened["begin"],
            **{
                name: server(attempts, answers, errors=errors, failed=failed, in_flight=in_flight)
                for name, (attempts, answers, errors, failed, in_flight) in each.items()
                if attempts
            },
        )

    for number, (what, name) in enumerate(steps):
        happened[what] += 1
        counters = each[name]
        counters[0] += 1
        counters[1] += what in ("ok", "error")
        counters[2] += what == "error"
        counters[3] += what == "bad gateway"
        counters[4] += what == "begin"
        if number in readings:
            record(ledger, now(), times=1)
            before, shown = {one.revision: one for one in shown}, ledger.totals()
            for one in shown:
                earlier = before.get(one.revision, RevisionTraffic(service="", revision=0))
                assert one.requests >= earlier.requests
                assert one.failures >= earlier.failures
                assert one.lost >= earlier.lost
    record(ledger, now())
    totals = ledger.totals()
    assert sum(one.requests for one in totals) == len(steps) - happened["begin"]
    assert sum(one.lost for one in totals) == happened["lost"]
    assert sum(one.failures for one in totals) == sum(
        happened[what] for what in ("error", "lost", "bad gateway")
    )
    assert all(one.lost <= one.failures <= one.requests for one in totals)
