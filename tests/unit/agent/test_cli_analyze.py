"""What `tower analyze` asks of the REST interface, and what it makes of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

TREND = {"verdict": "increasing", "confidence": 0.98, "said": ["db memory grew 15 % last week"], "notes": []}
NEEDS = {
    "needs": [
        {"metric": "cpu_percent", "path": {"expected": [0.0, 50.0, 100.0]}, "said": ["in the next day"]},
        {"metric": "memory_bytes", "path": {"expected": []}, "said": ["too few samples"]},
    ],
    "notes": ["only 3 days are kept"],
}
PROFILE = {
    "bottlenecks": [
        {"kind": "cpu", "impact": "high", "description": "web was kept waiting", "fix": "raise its limit"}
    ],
    "said": ["web was kept waiting", "web memory was 30 % higher than usual"],
    "notes": [],
}


@pytest.fixture
def api(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> StubApi:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    for path, body in (
        ("trend", TREND),
        ("forecast", NEEDS),
        ("profile", PROFILE),
        ("capacity", {"said": ["room enough"], "notes": []}),
        ("baseline", {"said": ["as usual"], "notes": []}),
    ):
        api.answers[f"GET /analytics/{path}"] = Answer(body=body)
    api.answers["GET /analytics/report"] = Answer(
        content="# Rapporto è\n".encode(), content_type="text/markdown"
    )
    return api


@pytest.mark.parametrize(
    ("words", "query", "lines"),
    [
        (
            ("trend", "shop.db", "memory", "--at", "80"),
            {"subject": "shop.db", "metric": "memory", "at_percent": "80.0"},
            ["increasing (confidence 98%)", "db memory grew 15 % last week"],
        ),
        (
            ("forecast", "web"),
            {"subject": "web"},
            ["cpu_percent  ▁▅█", "in the next day", "too few samples"],
        ),
        (
            ("profile", "web", "--hours", "6"),
            {"subject": "web", "hours": "6"},
            [
                "cpu (high): web was kept waiting",
                "  raise its limit",
                "web memory was 30 % higher than usual",
            ],
        ),
        (("baseline", "h1", "cpu"), {"subject": "h1", "metric": "cpu"}, ["as usual"]),
        (("capacity",), {}, ["room enough"]),
        (("capacity", "--add", "shop.web=2"), {"service": "shop.web", "replicas": "2"}, ["room enough"]),
        (("capacity", "--lose", "h2"), {"lost": "h2"}, ["room enough"]),
    ],
)
def test_each_analysis_asks_its_question_and_says_the_answer(
    api: StubApi, tower: Tower, words: tuple[str, ...], query: dict[str, str], lines: list[str]
) -> None:
    status, out, err = tower("analyze", *words)
    assert status == 0
    assert out.splitlines() == lines
    (request,) = api.requests
    assert request.path == f"/analytics/{words[0]}"
    assert request.query == {"language": "en", **query}
    assert err == ("note: only 3 days are kept\n" if words[0] == "forecast" else "")


def test_the_language_is_the_terminals_unless_another_is_asked_for(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "it_IT.UTF-8")
    tower("analyze", "trend", "h1")
    tower("analyze", "trend", "h1", "--language", "en")
    assert [request.query["language"] for request in api.requests] == ["it", "en"]


def test_a_report_goes_to_a_file_as_its_ending_says(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    status, out, _ = tower("analyze", "report", "--output", str(file))
    assert (status, out) == (0, f"{file} is written\n")
    assert file.read_text(encoding="utf-8") == "# Rapporto è\n"
    assert tower("analyze", "report", "--language", "it")[1] == "# Rapporto è\n"
    tower("analyze", "report", "--json")
    asked = [(request.query["format"], request.query["language"]) for request in api.requests]
    assert asked == [("html", "en"), ("markdown", "it"), ("json", "en")]
    status, _, err = tower("analyze", "report", "--output", str(tmp_path / "no" / "report.csv"))
    assert (status, "cannot be written" in err) == (1, True)
    status, _, err = tower("analyze", "report", "--output", str(tmp_path / "report.docx"))
    assert (status, "no report ends with .docx" in err) == (2, True)
    assert not (tmp_path / "report.docx").exists()


def test_what_if_is_one_thing_at_a_time_and_well_formed(tower: Tower, api: StubApi) -> None:
    status, _, err = tower("analyze", "capacity", "--add", "shop.web")
    assert (status, "--add shop.web=2" in err) == (2, True)
    with pytest.raises(SystemExit):
        tower("analyze", "capacity", "--add", "shop.web=2", "--lose", "h1")
    assert api.requests == []


def test_json_is_what_was_answered(api: StubApi, tower: Tower) -> None:
    _, out, _ = tower("analyze", "trend", "h1", "--json")
    assert '"verdict": "increasing"' in out
