"""What the log keeps of conversations with the assistant, for how long, and what a day costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.commands import Code
from cluster.commands.access import CreateUser, RemoveUser
from cluster.commands.assistant import ForgetConversation, KeepExchange
from cluster.model.access import Role
from cluster.model.assistant import (
    ACCOUNT_BYTES_MAX,
    CONVERSATIONS_MAX,
    DAY_MS,
    EXCHANGE_BYTES_MAX,
    EXCHANGES_MAX,
    KEPT_MS,
    AssistantRules,
    assistant_rules,
    default_assistant_values,
)
from cluster.model.ids import PrincipalId
from cluster.model.plans import PlanDemand, PlanRules
from cluster.rbac.planning import ToolUse, why_planned
from cluster.store import tables
from cluster.store.records import CONVERSATIONS, CONVERSATIONS_BY_AGE, EXCHANGES, TOKENS_USED
from tests.support.state_builders import START_MS, Replica

KEPT = KeepExchange(
    principal_id="us_ann",
    conversation_id="cv_1",
    number=1,
    sealed_title=b"title",
    sealed=b"exchange",
    asked_at_ms=START_MS,
    tokens=100,
)


def with_accounts() -> Replica:
    replica = Replica()
    # Eve is the administrator, so that Ann may be removed.
    for name, role in (("eve", Role.ADMIN), ("ann", Role.VIEWER)):
        replica.must(
            CreateUser(principal_id=PrincipalId(f"us_{name}"), name=name, role=role, password_hash=None)
        )
    return replica


def conversations(replica: Replica, account: str = "us_ann") -> list[str]:
    return [each.id for each in CONVERSATIONS.scan(replica.txn, account)]


def numbers(replica: Replica, conversation: str = "cv_1") -> list[int]:
    return [each.number for each in EXCHANGES.scan(replica.txn, "us_ann", conversation)]


def used(replica: Replica) -> int:
    record = TOKENS_USED.get(replica.txn, "us_ann")
    return 0 if record is None else record.on(replica.now_ms)


def check_nothing_is_left(replica: Replica) -> None:
    for table in (CONVERSATIONS, CONVERSATIONS_BY_AGE, EXCHANGES):
        assert table.scan(replica.txn) == [], table.table


def test_of_two_answers_with_one_number_one_is_kept() -> None:
    replica = with_accounts()
    assert replica.must(KEPT) is True
    assert replica.refusal(replace(KEPT, sealed=b"another")).code is Code.VERSION_CONFLICT
    assert replica.must(replace(KEPT, number=2)) is True
    assert (numbers(replica), used(replica)) == ([1, 2], 200)


def test_the_first_exchange_gives_the_title() -> None:
    replica = with_accounts()
    replica.must(KEPT)
    replica.must(replace(KEPT, number=2, sealed_title=b"another"))
    conversation = CONVERSATIONS.get(replica.txn, "us_ann", "cv_1")
    assert conversation is not None
    assert (conversation.sealed_title, conversation.exchanges) == (b"title", 2)


def test_an_answer_costs_its_asker_even_when_its_conversation_was_forgotten_meanwhile() -> None:
    replica = with_accounts()
    replica.must(KEPT)
    replica.must(ForgetConversation(principal_id="us_ann", conversation_id="cv_1"))
    check_nothing_is_left(replica)
    assert replica.must(replace(KEPT, number=2)) is False
    check_nothing_is_left(replica)
    assert used(replica) == 200


def test_what_a_day_costs_ends_with_the_day_in_utc() -> None:
    replica = with_accounts()
    replica.must(KEPT)
    replica.now_ms = (START_MS // DAY_MS + 1) * DAY_MS - 1
    assert used(replica) == 100
    replica.now_ms += 1
    assert used(replica) == 0
    replica.must(replace(KEPT, number=2, tokens=7))
    assert used(replica) == 7


def test_the_conversation_that_was_changed_longest_ago_makes_room() -> None:
    replica = with_accounts()
    for number in range(CONVERSATIONS_MAX):
        replica.now_ms += 1
        replica.must(replace(KEPT, conversation_id=f"cv_{number}"))
    replica.now_ms += 1
    replica.must(replace(KEPT, conversation_id="cv_0", number=2))
    replica.must(replace(KEPT, conversation_id="cv_new"))
    kept = conversations(replica)
    assert len(kept) == CONVERSATIONS_MAX
    assert ("cv_0" in kept, "cv_1" in kept) == (True, False)
    assert numbers(replica, "cv_1") == []


def test_an_account_keeps_no_more_than_its_bytes() -> None:
    replica = with_accounts()
    large = b"x" * EXCHANGE_BYTES_MAX
    for number in range(1, 5):
        replica.must(replace(KEPT, number=number, sealed=large))
    replica.now_ms += 1
    fitting = ACCOUNT_BYTES_MAX // EXCHANGE_BYTES_MAX
    for number in range(1, fitting + 3):
        replica.must(replace(KEPT, conversation_id="cv_2", number=number, sealed=large))
    assert conversations(replica) == ["cv_2"]
    assert numbers(replica, "cv_2") == list(range(3, fitting + 3))
    kept = CONVERSATIONS.get(replica.txn, "us_ann", "cv_2")
    assert kept is not None
    assert (
        kept.bytes_kept == sum(len(each.sealed) for each in EXCHANGES.scan(replica.txn)) <= ACCOUNT_BYTES_MAX
    )


def test_nothing_is_kept_for_longer_than_thirty_days_whoever_asks_next() -> None:
    replica = with_accounts()
    replica.must(KEPT)
    replica.now_ms += KEPT_MS - 1
    replica.must(replace(KEPT, principal_id="us_eve", conversation_id="cv_e"))
    assert conversations(replica) == ["cv_1"]
    replica.now_ms += 1
    replica.must(replace(KEPT, principal_id="us_eve", conversation_id="cv_e", number=2))
    assert (conversations(replica), conversations(replica, "us_eve")) == ([], ["cv_e"])


def test_an_account_that_is_removed_takes_what_it_asked_with_it() -> None:
    replica = with_accounts()
    replica.must(KEPT)
    replica.must(RemoveUser(principal_id=PrincipalId("us_ann")))
    check_nothing_is_left(replica)
    assert TOKENS_USED.scan(replica.txn) == []
    assert replica.refusal(replace(KEPT, number=2)).code is Code.NOT_FOUND


def test_one_account_cannot_forget_what_another_asked() -> None:
    replica = with_accounts()
    replica.must(KEPT)
    other = ForgetConversation(principal_id="us_eve", conversation_id="cv_1")
    assert replica.refusal(other).code is Code.NOT_FOUND
    assert conversations(replica) == ["cv_1"]


def test_what_is_beyond_the_bounds_is_no_command() -> None:
    with pytest.raises(ValueError, match="exchange: 131073 bytes; 131072 are kept at most"):
        replace(KEPT, sealed=b"x" * (EXCHANGE_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="number 41: 1 to 40 is allowed"):
        replace(KEPT, number=EXCHANGES_MAX + 1)
    with pytest.raises(ValueError, match="title"):
        replace(KEPT, sealed_title=b"x" * 2000)


def test_what_was_asked_is_shown_by_no_repr() -> None:
    assert "title" not in repr(KEPT).replace("sealed_title", "")
    assert "b'" not in repr(KEPT)


def test_exchanges_are_told_to_nobody_as_they_change() -> None:
    assert not tables.EXCHANGES.is_watched
    assert not tables.TOKENS_USED.is_watched


@pytest.mark.parametrize("demand", list(PlanDemand))
@pytest.mark.parametrize("is_destructive", [True, False])
@pytest.mark.parametrize("is_tainted", [True, False])
def test_what_the_assistant_would_change_is_always_a_plan(
    demand: PlanDemand, is_destructive: bool, is_tainted: bool
) -> None:
    use = ToolUse(via="assistant", is_reading=False, is_destructive=is_destructive, is_tainted=is_tainted)
    why = why_planned(use, PlanRules(required=demand))
    # Who approves is told when text of containers was read before, whoever proposes.
    assert why is not None
    assert ("text that containers wrote" in why) is is_tainted
    assert why_planned(replace(use, is_reading=True), PlanRules(required=demand)) is None


def test_settings_have_defaults_and_wrong_ones_are_named() -> None:
    assert assistant_rules({}) == assistant_rules(default_assistant_values()) == AssistantRules()
    assert assistant_rules({"assistant.base_url": "http://127.0.0.1:8080"}).base_url.endswith("8080")
    assert assistant_rules({"assistant.tokens_per_day": "0"}).tokens_per_day == 0
    for key, value, why in (
        ("tokens_per_day", "many", "a whole number from 0"),
        ("tokens_per_day", "-1", "a whole number from 0"),
        ("tokens_per_day", "²", "a whole number from 0"),
        ("base_url", "http://api.example", "https, or http to this host itself"),
        ("base_url", "https://user:password@api.example", "https://host"),
        ("base_url", "https://api.example/?key=1", "without query"),
        ("base_url", "https://api.example:99999", "base_url"),
        ("model", "two words", "without spaces"),
        ("model", "", "model"),
        ("key_secret", "../key", "key_secret"),
    ):
        with pytest.raises(ValueError, match=why):
            assistant_rules({f"assistant.{key}": value})
