"""`tower run`: the agent, in the foreground."""

from __future__ import annotations

import argparse

from agent.cli.failures import CommandFailed
from agent.cli.parsing import Verbs
from agent.cli.settings_flags import add_settings_flags, app_module, load


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "run",
        help="run the agent of this host in the foreground",
        description="Run the agent of this host until SIGTERM or SIGINT. systemd usually does this.",
    )
    add_settings_flags(parser)


def run(args: argparse.Namespace) -> int:
    loaded = load(args)
    app = app_module()
    try:
        return int(app.run(loaded))
    except app.StartRefused as refused:
        raise CommandFailed(str(refused)) from refused
