"""`tower config put | list | remove | show | check | example`: configs of services, and host settings."""

from __future__ import annotations

import argparse
import base64
import sys

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.settings_flags import add_settings_flags, load
from agent.cli.stored_files import add_actions, run_action


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("config", help="configs of services, and the settings of this host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    add_actions(actions, "config", hidden=False)
    check = actions.add_parser("check", help="say what is wrong with the settings, if anything")
    add_settings_flags(check)
    show = actions.add_parser(
        "show", help="print a config of services as it is; without NAME this host's settings"
    )
    show.add_argument("name", metavar="NAME", nargs="?")
    show.add_argument("--version", metavar="N", type=int, help="not the newest, but this one")
    show.add_argument("--environment", "-e", metavar="NAME", help="the one of this environment")
    show.add_argument("--origin", action="store_true", help="also where each value comes from")
    add_settings_flags(show)
    actions.add_parser("example", help="print every setting with its meaning and default")


def run(args: argparse.Namespace) -> int:
    if args.action in ("put", "list", "remove"):
        return run_action(args, "config")
    if args.action == "example":
        return _example()
    if args.action == "show" and args.name is not None:
        return _show_content(args)
    return _check(args) if args.action == "check" else _show(args)


def _show_content(args: argparse.Namespace) -> int:
    answer = connect(args).get(
        f"/configs/{segment(args.name)}", environment=args.environment, version=args.version
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    text, encoded = answer["value"], answer["value_base64"]
    content = base64.b64decode(encoded) if text is None else text.encode()
    # Its exact bytes, to be piped into a file; to a terminal no control sequences.
    if sys.stdout.isatty():
        print(printable(content.decode(errors="replace")), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    return DONE


def _check(args: argparse.Namespace) -> int:
    loaded = load(args)
    if getattr(args, "json", False):
        print_json({"ok": True, "changed": sorted(loaded.origins)})
    else:
        print(f"the settings are usable; {len(loaded.origins)} differ from the defaults or repeat them")
    return DONE


def _show(args: argparse.Namespace) -> int:
    from agent.config import shown_settings

    loaded = load(args)
    values = shown_settings(loaded.settings)
    if getattr(args, "json", False):
        print_json(
            {key: {"value": value, "origin": str(loaded.origin(key))} for key, value in values.items()}
        )
    elif args.origin:
        rows = [(key, value, str(loaded.origin(key))) for key, value in values.items()]
        print_table(("setting", "value", "origin"), rows, empty="")
    else:
        print_table(("setting", "value"), list(values.items()), empty="")
    return DONE


def _example() -> int:
    from agent.config import render_example

    print(render_example(), end="")
    return DONE
