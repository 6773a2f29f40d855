"""`tower init`: make this host the first of a new cluster."""

from __future__ import annotations

import argparse

from agent.cli.failures import CommandFailed
from agent.cli.login import ca_fingerprint
from agent.cli.output import print_json
from agent.cli.parsing import Verbs
from agent.cli.service_start import start_service
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
    app = app_module()
    try:
        founded = app.init(loaded, cluster_name=args.cluster_name)
    except app.StartRefused as refused:
        raise CommandFailed(str(refused)) from refused
    identity = founded.identity
    fingerprint = ca_fingerprint(identity.ca_pem)
    if getattr(args, "json", False):
        print_json(
            {
                "cluster_id": identity.cluster_id,
                "node_id": identity.node_id,
                "node_name": identity.node_name,
                "admin_name": founded.admin_name,
                "admin_password": founded.admin_password,
                "ca_fingerprint": fingerprint,
            }
        )
    else:
        print(f"{identity.node_name} is the first host of cluster {identity.cluster_name}")
        if founded.admin_password is not None:
            print(f"log in as {founded.admin_name!r} with this password, which is shown only now:")
            print(f"  {founded.admin_password}")
        print("the SHA-256 fingerprint of its CA, which `tower login` on other machines asks about:")
        print(f"  {fingerprint}")
    return start_service(should_start=not args.no_start, is_quiet=getattr(args, "json", False))
