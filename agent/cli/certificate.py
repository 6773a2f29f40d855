"""`tower certificate put | list | remove`: what routers, or the dashboard, serve HTTPS with."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.text_files import read_text

_FILE_BYTES_MAX = 64 * 1024


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "certificate", help="certificates that routers and the dashboard serve HTTPS with"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    put = actions.add_parser(
        "put",
        help="keep a certificate with its key, and serve it on every host",
        description="Every host's HAProxy serves it a moment later, without a lost connection. Do it again"
        " after a renewal, such as from certbot's --deploy-hook. The key is never shown again. With"
        " --dashboard it is what the dashboard and the interface are served with, to who asks for its names.",
    )
    put.add_argument("name", metavar="NAME")
    put.add_argument(
        "--certificate", "-c", required=True, metavar="FILE", help="with its chain: fullchain.pem"
    )
    put.add_argument("--key", "-k", required=True, metavar="FILE", help="its private key: privkey.pem")
    listing = actions.add_parser("list", help="list them, without their keys")
    remove = actions.add_parser("remove", help="forget one")
    remove.add_argument("name", metavar="NAME")
    for action in (put, listing, remove):
        action.add_argument(
            "--dashboard", action="store_true", help="those of the dashboard, not those of routers"
        )


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    body = {}
    if args.action == "put":
        body = {"certificate": _pem(args.certificate), "key": _pem(args.key)}
    client = connect(args)
    where = "/web-certificates" if args.dashboard else "/certificates"
    if args.action == "list":
        found = client.items(where)
        if as_json:
            print_json({"items": found})
            return DONE
        rows = [
            (
                each["name"],
                ", ".join(each["hosts"]),
                moment(each["not_after_ms"]) + _standing(each),
                each["changed_by"],
            )
            for each in found
        ]
        print_table(("name", "hosts", "until", "by"), rows, empty="no certificates")
        return DONE
    path = f"{where}/{segment(args.name)}"
    if args.action == "remove":
        client.delete(path)
        if as_json:
            print_json({"removed": args.name})
        else:
            print(f"certificate {args.name} is forgotten")
        return DONE
    answer = client.put(path, body)
    if as_json:
        print_json(answer)
    else:
        print(f"{answer['name']}: {', '.join(answer['hosts'])} until {moment(answer['not_after_ms'])}")
    return DONE


def _standing(certificate: dict[str, Any]) -> str:
    state = certificate.get("state", "soon" if certificate.get("ends_soon") else "serving")
    return "" if state == "serving" else f" ({state})"


def _pem(file: str) -> str:
    return read_text(
        file,
        _FILE_BYTES_MAX,
        wanted="name the PEM file",
        not_text="PEM is wanted; openssl x509 -inform der turns DER into it",
    )
