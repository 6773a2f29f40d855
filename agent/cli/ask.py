"""`tower ask`: a question in words, answered as the answer is made."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed, UsageWrong
from agent.cli.languages import add_language_flag, language_of
from agent.cli.output import moment, print_error, print_json, print_table, printable
from agent.cli.parsing import Verbs

QUESTION_CHARACTERS_MAX = 4000
_VALUE_CHARACTERS_MAX = 60
_CONVERSATIONS = "/assistant/conversations"
_LINK = re.compile(r"(?<!\\)\[((?:[^\]\\\n]|\\.)*)\]\(ref:\d+\)")
_EMPHASIS = re.compile(r"(?<![\\*\w])(\*{1,2})(?=\S)(.+?)(?<=[^\s\\])\1(?!\w)")
_ESCAPED = re.compile(r"\\([\\`*\[\]<>])")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "ask",
        help="ask what is wrong, in words",
        description="Ask something in words, as 'why is shop.web slow' or 'what will run out first'. The"
        " answer is looked up with your permissions. What it would change becomes a plan: nothing is done"
        " before somebody has approved it. Interrupt it to stop the answer.",
    )
    parser.add_argument("question", nargs="*", metavar="WORD", help="the question")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--conversation", metavar="ID", help="go on with what was asked before")
    kept.add_argument("--list", action="store_true", help="list your conversations instead")
    kept.add_argument("--forget", metavar="ID", help="forget a conversation of yours instead")
    add_language_flag(parser)


def run(args: argparse.Namespace) -> int:
    text = " ".join(args.question).strip()
    if text and (args.list or args.forget):
        raise UsageWrong("--list and --forget take no question")
    if args.list:
        return _list(args)
    if args.forget:
        connect(args).delete(f"{_CONVERSATIONS}/{segment(args.forget)}")
        print(f"forgot {printable(args.forget)}")
        return DONE
    if not text or len(text) > QUESTION_CHARACTERS_MAX:
        raise UsageWrong(f"a question has from 1 to {QUESTION_CHARACTERS_MAX} characters")
    path = _CONVERSATIONS
    if args.conversation:
        path += f"/{segment(args.conversation)}/exchanges"
    client = connect(args)
    # Nothing of it is kept at the terminal: what is read is shown, and gone.
    events = client.events(path, {"text": text, "language": language_of(args)})
    if getattr(args, "json", False):
        return _tell_json(events)
    return _Telling().tell(events)


def _list(args: argparse.Namespace) -> int:
    found = connect(args).items(_CONVERSATIONS)
    if getattr(args, "json", False):
        print_json({"items": found})
        return DONE
    rows = [(each["id"], each["title"], each["exchanges"], moment(each["changed_at_ms"])) for each in found]
    print_table(("conversation", "began with", "questions", "last"), rows, empty="nothing was asked yet")
    return DONE


def _tell_json(events: Any) -> int:
    last: dict[str, Any] = {}
    for last in events:
        print(json.dumps(last, ensure_ascii=False), flush=True)
    return _status(last)


class _Telling:
    """Shows the parts of an answer: its text on standard output, what is called for it beside."""

    def __init__(self) -> None:
        self._pending = ""
        self._began: dict[str, Any] = {}
        self._plans: list[str] = []

    def tell(self, events: Any) -> int:
        last: dict[str, Any] = {}
        for last in events:
            self._show(last)
        self._flush()
        if last.get("kind") == "ended":
            for plan in self._plans:
                print(f"plan {printable(plan)} waits: see `tower plan show {printable(plan)}`")
            conversation = printable(str(self._began.get("conversation", "")))
            print(f"go on with: tower ask --conversation {conversation} ...", file=sys.stderr)
        return _status(last)

    def _show(self, event: dict[str, Any]) -> None:
        match event.get("kind"):
            case "began":
                self._began = event
            case "said":
                self._say(str(event["text"]))
            case "tool-called":
                self._flush()
                print(f"> {printable(str(event['tool']))}{_arguments(event['arguments'])}", file=sys.stderr)
            case "tool-answered":
                if event["is_error"]:
                    first = str(event["text"]).partition("\n")[0]
                    print(f"  {printable(first)}", file=sys.stderr)
                if event["plan_id"]:
                    self._plans.append(str(event["plan_id"]))
            case "suggested":
                self._flush()
                for question in event["questions"]:
                    print(f"? {printable(str(question))}", file=sys.stderr)
            case _:
                # Of a newer host: what is not known here is left out.
                pass

    def _say(self, text: str) -> None:
        """Show whole lines: a link may come in pieces."""
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            print(as_plain(line), flush=True)

    def _flush(self) -> None:
        if self._pending:
            print(as_plain(self._pending), flush=True)
            self._pending = ""


def as_plain(line: str) -> str:
    """Return a line of Markdown as a terminal shows it: pages are for the dashboard."""
    text = _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", line))
    return printable(_ESCAPED.sub(r"\1", text))


def _arguments(arguments: dict[str, Any]) -> str:
    shown = []
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = " ".join(text.split())
        if len(text) > _VALUE_CHARACTERS_MAX:
            text = text[: _VALUE_CHARACTERS_MAX - 1] + "…"
        shown.append(f" {printable(name)}={printable(text)}")
    return "".join(shown)


def _status(last: dict[str, Any]) -> int:
    if last.get("kind") != "ended":
        raise CommandFailed("the answer broke off", hint="ask again")
    if last["how"] == "answered":
        return DONE
    print_error(
        f"the answer is {last['how']}: {last['reason']}" if last["reason"] else f"the answer is {last['how']}"
    )
    return FAILED
