"""The assistant beside the pages of the dashboard, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.e2e.dashboard import NARROW, WIDE, Dashboard, opened
from tests.e2e.scenes import Scene
from tests.e2e.stub_assistant import a_problem, answered, called, ended, said, suggested

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

QUESTION = "Why is shop.web slow?"
CPU = (1, "CPU of h2, the last hour", "/explore?of=host:h2")


@pytest.fixture
def dashboard(chromium: Browser) -> Iterator[Dashboard]:
    with opened(chromium) as dashboard:
        yield dashboard


def a_plan(state: str = "waiting", **fields: Any) -> dict[str, Any]:
    """A plan as the server tells it to somebody who may decide."""
    return {
        "id": "pl-1",
        "version": 1,
        "state": state,
        "title": "Scale a service",
        "summary": "shop.web goes from 2 to 3 replicas",
        "tool": "scale-service",
        "action": "service.scale",
        "resource": "shop.web",
        "arguments": {"service": "shop.web", "replicas": "3"},
        "asked_by": "ada",
        "via": "assistant",
        "token_prefix": None,
        "reason": "What the assistant proposes, a person approves.",
        "changes": [
            {"subject": "shop.web", "field": "replicas", "before": "2", "after": "3", "effect": "in-place"}
        ],
        "touches": {
            "services": ["shop.web"],
            "containers": [],
            "hosts": ["h1", "h2"],
            "routes": [],
            "left_out": 0,
        },
        "notes": [],
        "comment": "",
        "outcome": "",
        "made_at_ms": 1_767_225_600_000,
        "expires_at_ms": 1_767_229_200_000,
        "decided_at_ms": None,
        "decided_by": None,
        "decided_through": None,
        "ended_at_ms": None,
        "can": ["approve", "refuse"] if state == "waiting" else [],
        "why_not": "",
        "look_at": "",
        **fields,
    }


def set_answers(dashboard: Dashboard, **answers: Any) -> None:
    """Have the server answer about the plan: what it is, and what comes of a verdict."""
    paths = {
        "plan": "GET /plans/pl-1",
        "approve": "POST /plans/pl-1/approve",
        "refuse": "POST /plans/pl-1/refuse",
    }

    def put(scene: Scene) -> None:
        scene.answers.update({paths[name]: answer for name, answer in answers.items()})

    dashboard.server.change(put)


def panel(page: Page, name: str = "Assistant") -> Locator:
    """The assistant, where there is room for it beside the page."""
    return page.get_by_role("complementary", name=name)


def open_assistant(dashboard: Dashboard) -> Locator:
    dashboard.page.get_by_role("button", name="Ask the assistant").click()
    field = dashboard.page.get_by_role("textbox", name="Your question")
    expect(field).to_be_focused()
    return field


def ask(dashboard: Dashboard, text: str = QUESTION) -> None:
    """Ask, and wait until the server has taken it."""
    field = dashboard.page.get_by_role("textbox", name=re.compile("Your question|La domanda"))
    field.fill(text)
    field.press("Enter")
    expect(dashboard.page.get_by_role("log").get_by_role("heading", name=text)).to_be_visible()


# ---- asking


def test_an_answer_is_shown_as_it_comes_with_the_tools_it_calls_and_links_to_what_it_cites(
    dashboard: Dashboard,
) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    log = dashboard.page.get_by_role("log", name="Conversation")
    ask(dashboard)
    expect(log).to_contain_text("Looking into it")

    dashboard.server.tell(called("c1", "Look for what is unusual", "find-anomalies", service="shop.web"))
    row = log.get_by_role("group").filter(has_text="Look for what is unusual")
    expect(row).to_contain_text("running")
    dashboard.server.tell(answered("c1", "CPU of h2: 84 %", CPU))
    expect(row).to_contain_text("done")
    expect(log.get_by_text("CPU of h2: 84 %")).to_be_hidden()
    row.get_by_text("Look for what is unusual").click()
    expect(log.get_by_text("CPU of h2: 84 %")).to_be_visible()
    expect(row).to_contain_text("service=shop.web")

    dashboard.server.tell(said("**h2 is busy**: its CPU is at [84"))
    expect(log.locator("strong")).to_have_text("h2 is busy")
    expect(log.locator("[aria-live=off]")).to_have_text("h2 is busy: its CPU is at 84")
    dashboard.server.tell(
        said(" %](ref:1).\n\nThe rest is as usual."), suggested("What runs on h2?"), ended()
    )
    expect(log.locator("[aria-live=off]")).to_have_count(0)
    link = log.get_by_role("link", name="84 %")
    expect(link).to_have_attribute("title", "CPU of h2, the last hour")

    log.get_by_role("list", name="Ask next").get_by_role("button", name="What runs on h2?").click()
    expect(log.get_by_role("heading", name="What runs on h2?")).to_be_visible()
    dashboard.server.tell(said("Nothing else."), ended())
    expect(log).to_contain_text("Nothing else.")
    assert [each["text"] for each in dashboard.server.assistant.asked] == [QUESTION, "What runs on h2?"]
    assert dashboard.server.requests["POST /api/v1/assistant/conversations/cv-1/exchanges"] == 1
    assert dashboard.complaints == []


def test_what_is_asked_most_is_one_press_away_and_the_page_is_told_that_one_looks_at(
    dashboard: Dashboard,
) -> None:
    dashboard.enter_containers(query="?q=grafana")
    open_assistant(dashboard)
    dashboard.page.get_by_role("button", name="What will run out first?").click()
    expect(dashboard.page.get_by_role("log")).to_contain_text("Looking into it")

    (asked,) = dashboard.server.assistant.asked
    assert asked == {
        "text": "What will run out first?",
        "language": "en",
        "looking_at": "/containers?q=grafana",
    }


def test_a_tool_that_failed_is_said_to_have_and_a_text_that_comes_from_a_log_stays_text(
    dashboard: Dashboard,
) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    ask(dashboard)
    evil = (
        "![x](https://evil.example/x.png) <img src=https://evil.example/y.png> [this](https://evil.example/)"
    )
    dashboard.server.tell(
        called("c1", "Read the log", "read-logs"),
        answered("c1", evil, (1, "Elsewhere", "//evil.example/"), is_error=True),
        said(f"{evil} [here](ref:1) and [there](ref:7)"),
        ended(),
    )
    log = dashboard.page.get_by_role("log")
    expect(log).to_contain_text("here and there")
    expect(log).to_contain_text("failed")
    log.get_by_text("Read the log").click()
    assert log.locator("img, a").count() == 0
    assert [each.url for each in dashboard.responses if "evil" in each.url] == []
    assert dashboard.complaints == []


def test_an_answer_that_is_stopped_ends_at_the_server_and_keeps_what_came(dashboard: Dashboard) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    ask(dashboard)
    dashboard.server.tell(said("So far. "), called("c1", "Read the log", "read-logs"))
    log = dashboard.page.get_by_role("log")
    expect(log).to_contain_text("running")
    dashboard.page.get_by_role("button", name="Stop").click()

    expect(log).to_contain_text("Stopped.")
    expect(log).to_contain_text("So far.")
    expect(log).to_contain_text("not finished")
    expect(dashboard.page.get_by_role("textbox", name="Your question")).to_be_focused()
    ask(dashboard, "And now?")
    dashboard.server.tell(said("Now it is well."), ended())
    expect(log).to_contain_text("Now it is well.")
    assert dashboard.server.assistant.closed == 1


# ---- keys and windows


def test_keys_open_it_send_break_a_line_and_close_it_with_the_draft_kept(dashboard: Dashboard) -> None:
    dashboard.enter()
    page = dashboard.page
    opener = page.get_by_role("button", name="Account of ada")
    opener.focus()
    page.keyboard.press("Control+j")
    field = page.get_by_role("textbox", name="Your question")
    expect(field).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(field).to_have_value("one\ntwo")
    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)
    expect(opener).to_be_focused()

    page.keyboard.press("Control+j")
    expect(field).to_have_value("one\ntwo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("Looking into it")
    expect(field).to_have_value("")
    assert dashboard.server.assistant.asked[0]["text"] == "one\ntwo"
    page.keyboard.press("Control+j")
    expect(panel(page)).to_have_count(0)


def test_the_palette_offers_it_and_its_code_is_fetched_then(dashboard: Dashboard) -> None:
    dashboard.enter()
    page = dashboard.page
    page.wait_for_load_state("networkidle")
    assert [each.url for each in dashboard.responses if "assistant" in each.url] == []

    page.keyboard.press("Control+k")
    page.keyboard.type("assist")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
    expect(panel(page)).to_contain_text("claude-sonnet-5-5 answers · 187,600 tokens left today")


def test_it_stays_open_across_pages_and_after_a_reload_with_its_conversation(dashboard: Dashboard) -> None:
    dashboard.enter()
    page = dashboard.page
    width = page.locator("#content").bounding_box()
    open_assistant(dashboard)
    ask(dashboard)
    dashboard.server.tell(answered("c0", "", CPU), said("At [84 %](ref:1)."))
    page.get_by_role("link", name="84 %").click()
    expect(page).to_have_url(re.compile(r"/explore\?of=host:h2"))
    # The answer goes on.
    dashboard.server.tell(said(" That is much."), ended())
    expect(panel(page)).to_contain_text("At 84 %. That is much.")
    page.get_by_role("link", name="Containers").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Containers")
    narrower = page.locator("#content").bounding_box()
    assert width is not None
    assert narrower is not None
    assert narrower["width"] < width["width"]

    page.reload()
    expect(panel(page)).to_contain_text("At 84 %. That is much.")
    ask(dashboard, "And now?")
    expect(page.get_by_role("log")).to_contain_text("Looking into it")
    assert dashboard.server.requests["POST /api/v1/assistant/conversations/cv-1/exchanges"] == 1


def test_a_phone_shows_it_over_all_of_the_page_and_a_link_leads_back_to_that(chromium: Browser) -> None:
    with opened(chromium, size=NARROW) as dashboard:
        dashboard.enter()
        page = dashboard.page
        open_assistant(dashboard)
        window = page.get_by_role("dialog", name="Assistant")
        box = window.bounding_box()
        assert box == {"x": 0, "y": 0, "width": NARROW[0], "height": NARROW[1]}
        ask(dashboard)
        dashboard.server.tell(answered("c0", "", CPU), said("At [84 %](ref:1)."), ended())
        page.get_by_role("link", name="84 %").click()
        expect(window).to_have_count(0)
        expect(page).to_have_url(re.compile(r"/explore\?of=host:h2"))
        open_assistant(dashboard)
        expect(window).to_contain_text("At 84 %.")
        page.keyboard.press("Escape")
        expect(window).to_have_count(0)
        expect(page.get_by_role("button", name="Ask the assistant")).to_be_focused()


# ---- what it proposes


def propose(dashboard: Dashboard) -> Locator:
    """Have the assistant propose the plan; returns its card."""
    dashboard.server.tell(
        called("c1", "Scale a service", "scale-service", service="shop.web", replicas=3),
        answered("c1", "Nothing was done: plan pl-1 waits.", plan_id="pl-1"),
        said("The plan waits for you."),
        ended(),
    )
    return dashboard.page.get_by_role("region", name="shop.web goes from 2 to 3 replicas")


def test_a_plan_is_approved_where_it_was_proposed_and_says_what_became_of_it(dashboard: Dashboard) -> None:
    done = a_plan(
        "done",
        outcome="shop.web has 3 replicas",
        decided_by="ada",
        decided_at_ms=1_767_225_700_000,
        decided_through="dashboard",
    )
    set_answers(dashboard, plan=a_plan(), approve=done)
    dashboard.enter()
    open_assistant(dashboard)
    ask(dashboard, "Scale shop.web to 3")
    card = propose(dashboard)
    expect(card).to_contain_text("waits")
    expect(card.get_by_role("table", name="What changes of shop.web")).to_contain_text("replicas")
    expect(card).to_contain_text("h1, h2")
    assert dashboard.violations() == []

    card.get_by_role("button", name="Approve").click()
    window = dashboard.page.get_by_role("dialog", name="Approve and carry out?")
    window.get_by_label("Comment").fill("go on")
    set_answers(dashboard, plan=done)
    window.get_by_role("button", name="Approve").click()

    expect(card).to_contain_text("shop.web has 3 replicas")
    expect(card).to_contain_text("by ada (dashboard)")
    expect(card.get_by_role("button")).to_have_count(0)
    expect(card).to_be_focused()
    assert ("POST /plans/pl-1/approve", {"comment": "go on"}) in dashboard.server.bodies


def test_a_plan_can_be_refused_there(dashboard: Dashboard) -> None:
    set_answers(dashboard, plan=a_plan(), refuse=a_plan("refused", comment="not now"))
    dashboard.enter()
    open_assistant(dashboard)
    ask(dashboard)
    card = propose(dashboard)
    card.get_by_role("button", name="Refuse").click()
    set_answers(dashboard, plan=a_plan("refused"))
    dashboard.page.get_by_role("dialog", name="Refuse?").get_by_role("button", name="Refuse").click()
    expect(card).to_contain_text("refused")


def test_who_may_not_decide_is_told_why_in_place_of_the_buttons(dashboard: Dashboard) -> None:
    why = "plan.approve needs role operator; this is a viewer"
    set_answers(dashboard, plan=a_plan(can=[], why_not=why))
    dashboard.enter("vera")
    open_assistant(dashboard)
    ask(dashboard)
    card = propose(dashboard)
    expect(card).to_contain_text(why)
    expect(card.get_by_role("button")).to_have_count(0)


# ---- what does not work


def test_a_refused_question_says_why_and_what_to_do_and_can_be_asked_again(dashboard: Dashboard) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    refusal = a_problem(409, "conflict", "Not possible", "an answer is being made", hint="wait for it")
    dashboard.server.change(lambda _: setattr(dashboard.server.assistant, "refusal", refusal))
    ask(dashboard)
    alert = dashboard.page.get_by_role("log").get_by_role("alert")
    expect(alert).to_contain_text("an answer is being made")
    expect(alert).to_contain_text("wait for it")
    assert dashboard.violations() == []
    dashboard.page.get_by_role("button", name="Ask again").click()
    dashboard.server.tell(said("All is well."), ended())
    expect(dashboard.page.get_by_role("log")).to_contain_text("All is well.")
    expect(dashboard.page.get_by_role("log").get_by_role("heading")).to_have_count(1)


def test_an_answer_that_did_not_simply_end_says_why(dashboard: Dashboard) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    log = dashboard.page.get_by_role("log")
    again = dashboard.page.get_by_role("button", name="Ask again")
    for number, (how, reason, shown, is_offered_again) in enumerate(
        (
            ("answered", "It is not in your history.", "It is not in your history.", False),
            ("stopped", "The agent is stopping.", "Stopped. The agent is stopping.", False),
            ("cut-short", "It took too long.", "Cut short. It took too long.", False),
            ("refused", "The model would not.", "Not answered. The model would not.", False),
            ("failed", "The model does not answer.", "The model does not answer.", True),
        )
    ):
        ask(dashboard, f"Question {number}")
        dashboard.server.tell(said("So far."), ended(how, reason))
        expect(log.get_by_role("article").nth(number)).to_contain_text(shown)
        expect(again).to_have_count(int(is_offered_again))


def test_a_connection_that_breaks_is_said_and_what_came_stays(dashboard: Dashboard) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    ask(dashboard)
    dashboard.server.tell(said("So far."))
    log = dashboard.page.get_by_role("log")
    expect(log).to_contain_text("So far.")
    dashboard.server.tell(None)
    expect(log.get_by_role("alert")).to_contain_text("The connection broke before the answer was over.")
    expect(log).to_contain_text("So far.")
    expect(dashboard.page.get_by_role("button", name="Ask again")).to_be_visible()


def test_a_host_that_cannot_be_reached_is_said_and_the_question_is_not_lost(dashboard: Dashboard) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    dashboard.context.set_offline(True)
    ask(dashboard)
    expect(dashboard.page.get_by_role("log").get_by_role("alert")).to_contain_text(
        "This host does not answer."
    )
    dashboard.context.set_offline(False)
    dashboard.page.get_by_role("button", name="Ask again").click()
    dashboard.server.tell(said("All is well."), ended())
    expect(dashboard.page.get_by_role("log")).to_contain_text("All is well.")


def test_without_a_quorum_it_is_said_that_nothing_can_be_changed(chromium: Browser) -> None:
    with opened(chromium, "no-quorum") as dashboard:
        dashboard.enter()
        open_assistant(dashboard)
        expect(panel(dashboard.page)).to_contain_text("The cluster has no leader")
        assert dashboard.violations() == []


def test_without_a_model_it_says_who_answers_and_what_is_missing(dashboard: Dashboard) -> None:
    def take_the_key(_: Scene) -> None:
        dashboard.server.assistant.standing.update(
            answerer="rules", no_model="no-key", hint="Make the secret anthropic."
        )

    dashboard.server.change(take_the_key)
    dashboard.enter()
    open_assistant(dashboard)
    expect(panel(dashboard.page)).to_contain_text(
        "Built-in rules answer, without a model. There is no key for a model. Make the secret anthropic."
    )


@pytest.mark.parametrize(("allowed", "shown"), [((), 0), (("assistant.read",), 1)])
def test_it_is_offered_to_those_who_may(dashboard: Dashboard, allowed: tuple[str, ...], shown: int) -> None:
    def take_away(route: Route) -> None:
        response = route.fetch()
        me = response.json()
        others = [each for each in me["permissions"] if not each.startswith("assistant.")]
        route.fulfill(response=response, json={**me, "permissions": [*others, *allowed]})

    dashboard.page.route("**/auth/me", take_away)
    dashboard.enter()
    button = dashboard.page.get_by_role("button", name="Ask the assistant")
    expect(button).to_have_count(shown)
    dashboard.page.keyboard.press("Control+j")
    expect(panel(dashboard.page)).to_have_count(shown)
    if shown:
        expect(panel(dashboard.page)).to_contain_text("Asking is not for your role.")


# ---- what was asked before


def test_earlier_conversations_are_listed_opened_and_forgotten(dashboard: Dashboard) -> None:
    assistant = dashboard.server.assistant
    assistant.keep("Is all well?", ("Is all well?", [said("It is."), ended()]))
    assistant.keep(QUESTION, (QUESTION, [said("h2 is busy."), ended()]))
    dashboard.enter()
    open_assistant(dashboard)
    page = dashboard.page
    page.get_by_role("button", name="Earlier conversations").click()
    row = panel(page).get_by_role("listitem")
    expect(row).to_have_count(2)
    expect(row.last).to_contain_text("1 question")
    assert dashboard.violations() == []
    row.filter(has_text="Is all well?").get_by_role("button").first.click()
    expect(page.get_by_role("log")).to_contain_text("It is.")
    expect(page.get_by_role("textbox", name="Your question")).to_be_focused()

    page.get_by_role("button", name="Earlier conversations").click()
    page.get_by_role("button", name="Forget “Is all well?”").click()
    window = page.get_by_role("alertdialog", name="Forget this conversation?")
    expect(window.get_by_role("button", name="Cancel")).to_be_focused()
    window.get_by_role("button", name="Forget").click()
    expect(row).to_have_count(1)
    page.get_by_role("button", name="Back to the conversation").click()
    expect(page.get_by_role("log")).to_contain_text("What would you like to know?")


def test_a_conversation_that_cannot_be_read_says_why_and_can_be_tried_again(dashboard: Dashboard) -> None:
    dashboard.server.assistant.keep(QUESTION, (QUESTION, [said("h2 is busy."), ended()]))
    page = dashboard.page
    refused = a_problem(403, "forbidden", "Not allowed", "not yours")
    page.route("**/assistant/conversations", lambda route: route.fulfill(status=403, json=refused))
    dashboard.enter()
    open_assistant(dashboard)
    page.get_by_role("button", name="Earlier conversations").click()
    expect(panel(page)).to_contain_text("not yours")
    page.unroute("**/assistant/conversations")
    page.get_by_role("button", name="Back to the conversation").click()
    page.get_by_role("button", name="Earlier conversations").click()
    page.route("**/assistant/conversations/cv-1", lambda route: route.abort())
    panel(page).get_by_role("listitem").get_by_role("button").first.click()
    expect(panel(page).get_by_role("alert")).to_contain_text("This host does not answer.", timeout=15_000)
    page.unroute("**/assistant/conversations/cv-1")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("log")).to_contain_text("h2 is busy.")


# ---- how it looks


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_italian(
    chromium: Browser, theme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    with opened(chromium, size=size, theme=theme) as dashboard:
        set_answers(dashboard, plan=a_plan())
        dashboard.enter()
        page = dashboard.page
        page.evaluate("localStorage.setItem('tower.language', 'it')")
        page.reload()
        page.get_by_role("button", name="Chiedi all'assistente").click()
        expect(page.get_by_role("textbox", name="La domanda")).to_be_focused()
        expect(page.get_by_role("button", name="Che cosa si esaurirà per primo?")).to_be_visible()
        assert dashboard.violations() == []

        ask(dashboard, "Perché è lento?")
        table = "| Host | CPU |\n|---|--:|\n| h2 | [84 %](ref:1) |"
        dashboard.server.tell(
            called("c1", "Cerca anomalie", "find-anomalies", service="shop.web"),
            answered("c1", "CPU 84 %", CPU),
            said(f"**h2** è occupato:\n\n{table}\n\n- `h1`\n- h3\n\n> citato\n\n```\nls\n```\n\n"),
            called("c2", "Scala un servizio", "scale-service"),
            answered("c2", "piano pl-1", plan_id="pl-1"),
            called("c3", "Leggi i log", "read-logs"),
        )
        log = page.get_by_role("log", name="Conversazione")
        expect(log).to_contain_text("in corso")
        expect(log).to_contain_text("in attesa")
        assert dashboard.violations() == []
        for row in log.locator("summary").all():
            row.click()
        dashboard.server.tell(
            answered("c3", "host h2 does not answer", is_error=True),
            suggested("E il database?"),
            ended("failed"),
        )
        expect(log.get_by_role("alert")).to_have_text("La risposta non è riuscita.")
        assert dashboard.violations() == []
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0
        assert dashboard.complaints == []


def test_the_end_stays_in_sight_until_somebody_scrolls_away(dashboard: Dashboard) -> None:
    dashboard.enter()
    open_assistant(dashboard)
    ask(dashboard)
    page = dashboard.page
    lines = "\n\n".join(f"Line {number}." for number in range(60))
    dashboard.server.tell(said(f"{lines}\n\nLast one."))
    expect(page.get_by_text("Last one.")).to_be_in_viewport()
    log = page.get_by_role("log")
    log.hover()
    page.mouse.wheel(0, -600)
    newest = page.get_by_role("button", name="To the newest")
    expect(newest).to_be_visible()
    dashboard.server.tell(said("\n\nOne more."))
    expect(log).to_contain_text("One more.")
    expect(page.get_by_text("One more.")).not_to_be_in_viewport()
    newest.click()
    expect(page.get_by_text("One more.")).to_be_in_viewport()
    expect(newest).to_have_count(0)
