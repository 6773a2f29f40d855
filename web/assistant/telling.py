"""Findings of a diagnosis as an answer's text: Markdown, in which what a finding rests on is linked. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cluster.analytics.sentences import Language, amount, noun, percent
from cluster.diagnosis.findings import Code, Question
from web.assistant.answering import Reference
from web.assistant.references import evidence_page
from web.assistant.rule_words import BOOK, PARTS, QUESTION_OF

TOLD_MAX = 6
CITED_MAX = 3
"""Of one finding: five lines that end alike are told by three."""
QUESTIONS_MAX = 3
_MARKUP = re.compile(r"(`[^`\n]+`)|([\\`*\[\]<>])")

Finding = Mapping[str, object]


def plain(text: str) -> str:
    """Return text so that Markdown shows it as it is, but for code: names and reasons are not ours."""
    return _MARKUP.sub(lambda found: found[1] or f"\\{found[2]}", text)


def tell(
    diagnosed: Finding, references: Sequence[Reference], language: Language, *, hours: int
) -> Iterator[str]:
    """Return what a diagnosis says, a paragraph at a time."""
    numbers = {reference.path: reference.number for reference in references}
    findings = _listed(diagnosed, "findings")
    subject = _text(diagnosed, "subject")
    if subject:
        yield BOOK.say(language, "of", name=plain(subject), hours=str(hours))
    if not findings:
        yield f"{plain(_text(diagnosed, 'summary'))}."
    for finding in findings[:TOLD_MAX]:
        yield _told(finding, numbers, language)
    left_out = len(findings[TOLD_MAX:]) + _number(diagnosed, "left_out")
    if left_out:
        yield BOOK.say(language, "left-out", count=str(left_out))
    missing = diagnosed.get("not_looked_at")
    if isinstance(missing, Sequence) and missing:
        parts = dict.fromkeys(PARTS[part].in_language(language) for part in missing if part in PARTS)
        yield BOOK.say(language, "not-looked-at", parts=", ".join(parts))


def _told(finding: Finding, numbers: Mapping[str, int], language: Language) -> str:
    grade = BOOK.say(language, _text(finding, "severity"))
    said, advice = plain(_text(finding, "said")), plain(_text(finding, "advice"))
    pages: list[str] = []
    cited: set[int] = set()
    for evidence in _listed(finding, "evidence"):
        page = evidence_page(evidence)
        number = None if page is None else numbers.get(page.path)
        if number is None or number in cited or len(cited) >= CITED_MAX:
            continue
        cited.add(number)
        linked = _linked_in(said, evidence, number, language)
        if linked is None:
            pages.append(f"[{_label(evidence, language)}](ref:{number})")
        else:
            said = linked
    see = f" ({', '.join(pages)})" if pages else ""
    advice = f" *{advice[:1].upper()}{advice[1:]}.*" if advice else ""
    return f"- **{grade}**: {said.rstrip('.')}{see}.{advice}"


def _linked_in(said: str, evidence: Finding, number: int, language: Language) -> str | None:
    """Return a sentence with the number that the evidence is of made a link, None when it is not in it."""
    value, unit = evidence.get("value"), _text(evidence, "unit")
    if not isinstance(value, int | float) or not unit:
        return None
    forms = [amount(language, value, unit)]
    if unit == "percent":
        forms += [percent(language, value), f"{round(value)} %"]
    for form in forms:
        # A whole number, and not the end of a longer one; what is linked already stays.
        found = re.search(rf"(?<![\d.,\[]){re.escape(form)}(?![\d\]])", said)
        if found is not None:
            return f"{said[: found.start()]}[{form}](ref:{number}){said[found.end() :]}"
    return None


def _label(evidence: Finding, language: Language) -> str:
    value, unit, metric = evidence.get("value"), _text(evidence, "unit"), _text(evidence, "metric")
    if evidence.get("line") is not None:
        return BOOK.say(language, "line").lower()
    if evidence.get("alert") is not None:
        return BOOK.say(language, "alert", number=str(evidence["alert"])).lower()
    if _text(evidence, "rollout_id"):
        return BOOK.say(language, "rollout").lower()
    if metric and isinstance(value, int | float):
        return f"{noun(metric).in_language(language)}: {amount(language, value, unit)}"
    return plain(_text(evidence, "subject"))


def suggestions(
    diagnosed: Finding, question: Question, language: Language, first: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return what may be asked next: `first`, then about what was found, then the other questions."""
    found: dict[str, None] = dict.fromkeys(first)
    asked_of = _text(diagnosed, "subject")
    for finding in _listed(diagnosed, "findings"):
        code, subject = _text(finding, "code"), _text(finding, "subject")
        next_question = QUESTION_OF.get(Code(code)) if code in tuple(Code) else None
        if next_question is None or (next_question is question and subject in ("", asked_of)):
            continue
        found[_question(next_question, "" if next_question is Question.RUNS_OUT else subject, language)] = (
            None
        )
    for other in Question:
        if other is not question:
            found[_question(other, "", language)] = None
    return tuple(found)[:QUESTIONS_MAX]


def _question(question: Question, subject: str, language: Language) -> str:
    if subject:
        return BOOK.say(language, f"ask-{question.value}-of", subject=subject)
    return BOOK.say(language, f"ask-{question.value}")


def _text(found: Finding, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _number(found: Finding, name: str) -> int:
    value = found.get(name)
    return value if isinstance(value, int) else 0


def _listed(found: Finding, name: str) -> list[Finding]:
    value = found.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
