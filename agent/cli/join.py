"""`tower join`: make this host a member of an existing cluster."""

from __future__ import annotations

import argparse

from agent.cli.connection import given_token, normalized
from agent.cli.failures import CommandFailed, UsageWrong
from agent.cli.output import print_json
from agent.cli.parsing import Verbs
from agent.cli.service_start import start_service
from agent.cli.settings_flags import add_settings_flags, app_module, load


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "join",
        help="make this host a member of a cluster",
        description="Join the cluster that HOST belongs to. The token names the cluster's CA: before that is"
        " confirmed, nothing is sent.",
    )
    parser.add_argument("host", metavar="HOST", nargs="?", help="any host of the cluster, as host[:port]")
    parser.add_argument(
        "--token", metavar="TOKEN", help="from `tower token create`; or @FILE, or bootstrap.join_token"
    )
    parser.add_argument("--no-start", action="store_true", help="do not start the service of this host")
    add_settings_flags(parser)


def run(args: argparse.Namespace) -> int:
    loaded = load(args)
    bootstrap = loaded.settings.bootstrap
    host = args.host or bootstrap.join_address
    # Not TOWER_TOKEN: that is a person's or program's token, not a host's.
    token = given_token(args, {}) or (
        bootstrap.join_token.get_secret_value() if bootstrap.join_token is not None else ""
    )
    if not host:
        raise UsageWrong("which cluster? HOST is missing", hint="tower join 10.0.0.5:7443 --token ...")
    if not token:
        raise UsageWrong(
            "the join token is missing",
            hint="`tower token create` on a host of the cluster prints one; give it with --token",
        )
    app = app_module()
    try:
        membership = app.join(loaded, host=normalized(host).removeprefix("https://"), token=token)
    except app.StartRefused as refused:
        raise CommandFailed(str(refused)) from refused
    identity = membership.identity
    if getattr(args, "json", False):
        print_json(
            {
                "cluster_id": identity.cluster_id,
                "node_id": identity.node_id,
                "node_name": identity.node_name,
                "learner": membership.is_learner,
            }
        )
    else:
        print(f"{identity.node_name} has joined cluster {identity.cluster_name}")
    return start_service(should_start=not args.no_start, is_quiet=getattr(args, "json", False))
