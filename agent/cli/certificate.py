"""`tower certificate put | list | remove`: what routers serve HTTPS with."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs

_FILE_BYTES_MAX = 64 * 1024


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("certificate", help="certificates that routers serve HTTPS with")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    put = actions.add_parser(
        "put",
        help="keep a certificate with its key, and serve it on every host",
        description="Every host's HAProxy serves it a moment later, without a lost connection. Do it again"
        " after a renewal, such as from certbot's --deploy-hook. The key is never shown again.",
    )
    put.add_argument("name", metavar="NAME")
    put.add_argument(
        "--certificate", "-c", required=True, metavar="FILE", help="with its chain: fullchain.pem"
    )
    put.add_argument("--key", "-k", required=True, metavar="FILE", help="its private key: privkey.pem")
    actions.add_parser("list", help="list them, without their keys")
    remove = actions.add_parser("remove", help="forget one")
    remove.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    body = {}
    if args.action == "put":
        body = {"certificate": _read(args.certificate), "key": _read(args.key)}
    client = connect(args)
    if args.action == "list":
        found = client.items("/certificates")
        if as_json:
            print_json({"items": found})
            return DONE
        rows = [
            (
                each["name"],
                ", ".join(each["hosts"]),
                moment(each["not_after_ms"]) + (" (soon)" if each["ends_soon"] else ""),
                each["changed_by"],
            )
            for each in found
        ]
        print_table(("name", "hosts", "until", "by"), rows, empty="no certificates")
        return DONE
    path = f"/certificates/{segment(args.name)}"
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


def _read(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_FILE_BYTES_MAX + 1)
        if len(content) > _FILE_BYTES_MAX:
            raise CommandFailed(f"{file} is larger than 64 KiB", hint="is it the PEM file you meant?")
        return content.decode()
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}", hint="name the PEM file") from error
    except UnicodeDecodeError as error:
        raise CommandFailed(
            f"{file} is not text", hint="PEM is wanted; openssl x509 -inform der turns DER into it"
        ) from error
