"""`tower webhook add | list | show | remove | ping | deliveries | replay | rotate | networks`"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed, UsageWrong
from agent.cli.moments import span_s
from agent.cli.output import duration, moment, print_json, print_table
from agent.cli.parsing import Verbs

_SECRET_CHARACTERS_MAX = 4096
_NETWORKS_SETTING = "outbound.allowed_networks"


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("webhook", help="send what happens to other programs")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    _add_add(actions)
    actions.add_parser("list", help="list the webhooks and how they do")
    show = actions.add_parser("show", help="show everything of one")
    remove = actions.add_parser("remove", help="forget one, with what waits for it")
    ping = actions.add_parser("ping", help="send a test event and say what came of it")
    deliveries = actions.add_parser("deliveries", help="what is or was on its way, newest first")
    replay = actions.add_parser("replay", help="send again what was given up, under the same ids")
    rotate = actions.add_parser(
        "rotate",
        help="give one another secret",
        description="Give a webhook another secret. With hmac one is made and shown this once, and for a time"
        " everything is signed with both; of the others it is asked for or read from standard input.",
    )
    for each in (show, remove, ping, deliveries, replay, rotate):
        each.add_argument("name", metavar="NAME")
    deliveries.add_argument("--state", choices=("waiting", "delivered", "dead"))
    deliveries.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: 20)")
    replay.add_argument("--from", dest="first", type=int, default=0, metavar="SEQUENCE")
    replay.add_argument("--to", dest="last", type=int, metavar="SEQUENCE")
    replay.add_argument("--all", action="store_true", help="also what arrived")
    rotate.add_argument(
        "--keep-old", metavar="TIME", default="24h", help="how long the old one counts too (default: 24h)"
    )
    rotate.add_argument("--secret-stdin", action="store_true", help="read it from standard input")
    networks = actions.add_parser(
        "networks",
        help="which networks may be called that are not public",
        description="Webhooks go to public addresses. Say which others may be called, such as a receiver in"
        " the same network; without --set it is shown.",
    )
    networks.add_argument("--set", dest="networks", metavar="CIDR,CIDR", help='"" for none')


def _add_add(actions: Any) -> None:
    add = actions.add_parser(
        "add",
        help="make a webhook, or another in its place",
        description="Send events to a URL. With hmac, what is sent is signed as Standard Webhooks has it; the"
        " secret is made and shown this once. A bearer token or password is asked for, or read from standard"
        " input.",
    )
    add.add_argument("name", metavar="NAME", help="such as pager")
    add.add_argument("url", metavar="URL")
    add.add_argument(
        "--events",
        metavar="KINDS",
        default="alert:*,rollout:*,node:*",
        help='such as "alert:*,node:down" or *',
    )
    add.add_argument("--auth", choices=("hmac", "bearer", "basic", "none"), default="hmac")
    add.add_argument("--user", metavar="NAME", default="", help="of auth basic")
    secret = add.add_mutually_exclusive_group()
    secret.add_argument("--secret-stdin", action="store_true", help="read the secret from standard input")
    secret.add_argument("--keep-secret", action="store_true", help="the one it has stays")
    add.add_argument("--attempts", type=int, default=15, metavar="N")
    add.add_argument("--backoff", choices=("exponential", "linear"), default="exponential")
    add.add_argument("--base", metavar="TIME", default="5s", help="pause after the first failure")
    add.add_argument("--max", dest="longest", metavar="TIME", default="2h", help="longest pause")
    add.add_argument("--timeout", metavar="TIME", default="15s", help="how long an answer may take")
    add.add_argument("--min-severity", choices=("info", "warning", "critical"), default="info")
    add.add_argument("--unordered", action="store_true", help="let what cannot be delivered hold nothing up")
    add.add_argument("--off", action="store_true", help="send nothing for now")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        return _list(client, as_json=as_json)
    if args.action == "networks":
        return _networks(client, args.networks, as_json=as_json)
    return _run_on_one(client, f"/webhooks/{segment(args.name)}", args, as_json=as_json)


def _run_on_one(client: Client, path: str, args: argparse.Namespace, *, as_json: bool) -> int:
    match args.action:
        case "add":
            return _add(client, path, args, as_json=as_json)
        case "show":
            return _show(client.get(path), as_json=as_json)
        case "remove":
            client.delete(path)
            print_json({"removed": args.name}) if as_json else print(f"webhook {args.name} is removed")
            return DONE
        case "ping":
            return _ping(client.post(f"{path}/ping"), as_json=as_json)
        case "deliveries":
            return _deliveries(client, path, args, as_json=as_json)
        case "replay":
            body = {"first": args.first, "last": args.last, "with_delivered": args.all}
            answer = client.post(f"{path}/replay", body)
            if as_json:
                print_json(answer)
            else:
                print(f"{answer['replayed']} events are sent to {args.name} again")
            return DONE
        case _:
            return _rotate(client, path, args, as_json=as_json)


def _add(client: Client, path: str, args: argparse.Namespace, *, as_json: bool) -> int:
    secret = None
    if args.secret_stdin or (args.auth in ("bearer", "basic") and not args.keep_secret):
        secret = _secret("password" if args.auth == "basic" else "token", args.name)
    view = client.put(
        path,
        {
            "url": args.url,
            "events": [kind.strip() for kind in args.events.split(",") if kind.strip()],
            "auth": args.auth,
            "username": args.user,
            "secret": secret,
            "attempts": args.attempts,
            "backoff": args.backoff,
            "base_s": span_s("--base", args.base),
            "max_s": span_s("--max", args.longest),
            "timeout_s": span_s("--timeout", args.timeout),
            "min_severity": args.min_severity,
            "is_ordered": not args.unordered,
            "is_enabled": not args.off,
        },
    )
    if as_json:
        print_json(view)
        return DONE
    webhook = view["webhook"]
    print(f"{', '.join(webhook['events'])} goes to {webhook['url']} from now on")
    _print_secret(view)
    print(f"try it: tower webhook ping {webhook['id']}")
    return DONE


def _rotate(client: Client, path: str, args: argparse.Namespace, *, as_json: bool) -> int:
    present = client.get(path)
    secret = None
    if args.secret_stdin or present["auth"] in ("bearer", "basic"):
        secret = _secret("new secret", args.name)
    keep_old_s = span_s("--keep-old", args.keep_old)
    view = client.post(f"{path}/rotate", {"secret": secret, "keep_old_s": keep_old_s})
    if as_json:
        print_json(view)
        return DONE
    print(f"webhook {args.name} has another secret")
    _print_secret(view)
    until_ms = view["webhook"]["old_secret_until_ms"]
    if until_ms is not None:
        print(f"the one before counts as well until {moment(until_ms)}")
    return DONE


def _print_secret(view: dict[str, Any]) -> None:
    if view["secret"] is not None:
        print(f"its secret, which is not shown again: {view['secret']}")


def _list(client: Client, *, as_json: bool) -> int:
    found = client.items("/webhooks")
    if as_json:
        print_json({"items": found})
        return DONE
    rows = [
        (
            each["id"],
            ", ".join(each["events"]),
            each["url"],
            each["auth"],
            _state(each),
            each["waiting"],
            each["delivered"],
            each["dead"] + each["dropped"],
        )
        for each in found
    ]
    columns = ("webhook", "events", "to", "auth", "state", "waiting", "delivered", "given up")
    print_table(columns, rows, empty="there are no webhooks: `tower webhook add` makes one")
    return DONE


def _state(view: dict[str, Any]) -> str:
    if not view["is_enabled"]:
        return f"off: {view['disabled_because']}" if view["disabled_because"] else "off"
    if view["failing_since_ms"] is not None:
        return f"failing since {moment(view['failing_since_ms'])}"
    return "ok" if view["last_delivered_at_ms"] is not None else "new"


def _show(view: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(view)
        return DONE
    retry = (
        f"{view['attempts']} attempts, {view['backoff']}, from {duration(view['base_ms'] / 1000)}"
        f" to {duration(view['max_ms'] / 1000)}"
    )
    rows = [
        ("url", view["url"]),
        ("events", ", ".join(view["events"])),
        ("from severity", view["min_severity"]),
        ("auth", view["auth"] + (f" as {view['username']}" if view["username"] else "")),
        ("retry", retry),
        ("timeout", duration(view["timeout_ms"] / 1000)),
        ("order", "kept" if view["is_ordered"] else "not kept"),
        ("state", _state(view)),
        ("waiting", view["waiting"]),
        ("delivered", view["delivered"]),
        ("given up", view["dead"]),
        ("dropped", view["dropped"]),
        ("changed", f"{moment(view['changed_at_ms'])} by {view['changed_by']}"),
    ]
    print_table((view["id"], ""), rows, empty="")
    return DONE


def _ping(view: dict[str, Any], *, as_json: bool) -> int:
    is_delivered = view["state"] == "delivered"
    if as_json:
        print_json(view)
        return DONE if is_delivered else FAILED
    if view["state"] == "waiting":
        raise CommandFailed(
            f"{view['event_id']} is still on its way", hint=f"tower webhook deliveries {view['webhook']}"
        )
    last = view["log"][-1]
    if not is_delivered:
        raise CommandFailed(f"{view['event_id']} was not taken: {_attempt(last)}")
    print(f"{view['event_id']} was taken with status {last['status']} in {last['duration_ms']} ms")
    return DONE


def _attempt(attempt: dict[str, Any]) -> str:
    if not attempt["failure"]:
        return f"status {attempt['status']}"
    status = f" {attempt['status']}" if attempt["status"] else ""
    detail = f": {attempt['detail']}" if attempt["detail"] else ""
    return f"{attempt['failure']}{status}{detail}"


def _deliveries(client: Client, path: str, args: argparse.Namespace, *, as_json: bool) -> int:
    if not 1 <= args.limit <= 500:
        raise UsageWrong(f"--limit {args.limit}: 1 to 500")
    page = client.get(f"{path}/deliveries", state=args.state, limit=args.limit)
    if as_json:
        print_json(page)
        return DONE
    rows = [
        (
            each["sequence"],
            moment(each["at_ms"]),
            each["kind"],
            each["state"],
            each["attempts"],
            _attempt(each["log"][-1]) if each["log"] else "",
            moment(each["next_ms"]) if each["next_ms"] is not None else "",
        )
        for each in page["items"]
    ]
    columns = ("event", "happened", "kind", "state", "attempts", "last answer", "next")
    print_table(columns, rows, empty="nothing was sent there yet")
    return DONE


def _networks(client: Client, networks: str | None, *, as_json: bool) -> int:
    path = f"/settings/{segment(_NETWORKS_SETTING)}"
    if networks is not None:
        answer = client.put(path, {"value": networks or None})
    else:
        found = [each for each in client.items("/settings") if each["key"] == _NETWORKS_SETTING]
        answer = found[0] if found else {"key": _NETWORKS_SETTING, "value": None}
    if as_json:
        print_json(answer)
    else:
        value = answer["value"]
        print(
            f"beside public addresses, {value} may be called" if value else "only public addresses are called"
        )
    return DONE


def _secret(what: str, name: str) -> str:
    if sys.stdin.isatty():
        secret = getpass.getpass(f"{what.capitalize()} for webhook {name}: ")
    else:
        # Line ends are no part of a secret, and of what pipes it there they often are.
        secret = sys.stdin.read(_SECRET_CHARACTERS_MAX + 2).rstrip("\r\n")
    if not secret:
        raise CommandFailed(f"no {what} was given", hint="pipe it to standard input, or run it in a terminal")
    return secret
