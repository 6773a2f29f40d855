"""`tower config check | show | example`"""

from __future__ import annotations

import argparse

from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.settings_flags import add_settings_flags, load


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("config", help="check and show the settings of this host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    check = actions.add_parser("check", help="say what is wrong with the settings, if anything")
    add_settings_flags(check)
    show = actions.add_parser("show", help="print the settings in force")
    show.add_argument("--origin", action="store_true", help="also where each value comes from")
    add_settings_flags(show)
    actions.add_parser("example", help="print every setting with its meaning and default")


def run(args: argparse.Namespace) -> int:
    if args.action == "example":
        return _example()
    return _check(args) if args.action == "check" else _show(args)


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
