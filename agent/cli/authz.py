"""`tower authz explain | reach`: why somebody may or may not, and what somebody can reach."""

from __future__ import annotations

import argparse

from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED
from agent.cli.output import print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("authz", help="why somebody may or may not do something")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    explain = actions.add_parser(
        "explain",
        help="whether somebody may do something, and by what rule; status 1: not",
        description="tower authz explain container.restart container:web --as ann",
    )
    explain.add_argument("what", metavar="ACTION", help="one of `tower role actions`")
    explain.add_argument(
        "resource", nargs="?", default="", help="container:web, service:shop.web; none: all of them"
    )
    _add_who(explain)
    _add_who(actions.add_parser("reach", help="what somebody sees and can do"))


def _add_who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as",
        dest="principal",
        default="me",
        metavar="WHO",
        help="an account, token:PREFIX or role:NAME (you)",
    )


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "explain":
        told = client.get(
            "/authz/explain", principal=args.principal, action=args.what, resource=args.resource
        )
        if as_json:
            print_json(told)
        else:
            print(f"{'yes' if told['allowed'] else 'no'}: {told['reason']}")
        return DONE if told["allowed"] else FAILED
    told = client.get("/authz/reach", principal=args.principal)
    if as_json:
        print_json(told)
        return DONE
    for word in ("container", "service"):
        shown = ", ".join(told[f"{word}s"]) or "none"
        print(f"{told[f'{word}_count']} of {told[f'{word}s_of_all']} {word}s: {shown}")
    print(f"{len(told['actions'])} actions: {' '.join(told['actions'])}")
    return DONE
