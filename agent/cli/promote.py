"""`tower promote`: what has proven itself in one environment, to another."""

from __future__ import annotations

import argparse

from agent.cli import compose_files
from agent.cli.connection import connect
from agent.cli.deploy import finish, say_plan
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "promote",
        help="have what is stable in one environment run in another",
        description="Promote a service, or all of a project, from one environment to another. The image is"
        " copied by its digest. Without a file its specification is copied, with the secrets and configs of"
        " the other environment; values that are each environment's own (variables) stay the other's. With"
        " -f they are taken from the file.",
    )
    parser.add_argument("what", metavar="SERVICE|PROJECT", help="as web, shop.web or shop")
    parser.add_argument("--to", required=True, metavar="ENVIRONMENT")
    parser.add_argument(
        "--from", dest="source", default="", metavar="ENVIRONMENT", help="default: what the other requires"
    )
    compose_files.add_rendering(parser)
    parser.add_argument(
        "--copy-values",
        action="store_true",
        help="take values along that are the first environment's own, such as those of variables",
    )
    parser.add_argument(
        "--skip-analysis",
        action="store_true",
        help="an emergency: wait for nothing, judge nothing and ask nobody; the audit says so",
    )
    parser.add_argument(
        "--override-window",
        action="store_true",
        help="promote although a change window or a freeze is against it; the audit says so",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument("--wait", action="store_true", help="until every rollout has ended (the default)")
    waiting.add_argument("--no-wait", action="store_true", help="return when the rollouts have begun")


def run(args: argparse.Namespace) -> int:
    file = None
    if args.file:
        args.files, args.environment = [], args.to
        given = compose_files.gather(args)
        given.check_complete()
        file = given.body()
    client = connect(args)
    answer = client.post(
        "/promotions",
        {
            "what": args.what,
            "to": args.to,
            "from_environment": args.source,
            "file": file,
            "copy_values": args.copy_values,
            "override_window": args.override_window,
            "dry_run": args.dry_run,
            "skip_analysis": args.skip_analysis,
        },
    )
    as_json = getattr(args, "json", False)
    if not as_json:
        say_plan(answer, is_dry_run=args.dry_run)
    return finish(
        client,
        answer,
        as_json=as_json,
        is_over=args.dry_run or args.no_wait,
        nothing="nothing to do: it runs there already",
    )
