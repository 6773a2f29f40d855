"""`tower recover`: make a cluster of this host alone, after a majority of hosts was lost for good."""

from __future__ import annotations

import argparse

from agent.cli.failures import DONE, CommandFailed, UsageWrong
from agent.cli.output import print_json
from agent.cli.parsing import Verbs
from agent.cli.settings_flags import add_settings_flags, app_module, load

_DESCRIPTION = """\
Make this host the only voter of its cluster, with the state it has. For the day when a majority of
the voters is gone for good: what only they had is lost, and they must never be started again with
their old data. Stop the agent of this host first. Refused while a majority still answers."""


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "recover", help="after losing a majority of hosts: go on with this one", description=_DESCRIPTION
    )
    parser.add_argument(
        "--yes-lose-unreplicated-writes", action="store_true", help="required: says what may be lost"
    )
    add_settings_flags(parser)


def run(args: argparse.Namespace) -> int:
    if not args.yes_lose_unreplicated_writes:
        raise UsageWrong(
            "writes that only the lost hosts had are gone for good after this",
            hint="check `tower status` on every host first, then add --yes-lose-unreplicated-writes",
        )
    loaded = load(args)
    app = app_module()
    try:
        recovered = app.recover(loaded)
    except app.StartRefused as refused:
        raise CommandFailed(str(refused)) from refused
    if getattr(args, "json", False):
        print_json({"removed": list(recovered.removed), "kept_entries": recovered.kept_entries})
        return DONE
    print(f"this host is the only voter now; removed: {', '.join(recovered.removed) or 'nobody'}")
    print(f"{recovered.kept_entries} entries that nobody knew to be committed were kept")
    print("start the agent, then let new hosts join; never start a lost host with its old data")
    return DONE
