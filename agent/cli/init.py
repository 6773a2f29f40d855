"""`tower init`: make this host the first of a new cluster."""

from __future__ import annotations

import argparse

from agent.cli.parsing import Verbs
from agent.cli.settings_flags import add_settings_flags, app_module, load


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "init",
        help="make this host the first of a new cluster",
        description="Make the cluster's CA, this host's identity and the first administrator, and start"
        " the agent. The administrator's password is printed once, unless"
        " bootstrap.admin_password gives it.",
    )
    parser.add_argument(
        "--cluster-name", metavar="NAME", default="tower", help="shown to people (default: tower)"
    )
    parser.add_argument("--no-start", action="store_true", help="do not start the service of this host")
    add_settings_flags(parser)


def run(args: argparse.Namespace) -> int:
    loaded = load(args)
    return int(
        app_module().init(
            loaded,
            cluster_name=args.cluster_name,
            start=not args.no_start,
            as_json=getattr(args, "json", False),
        )
    )
