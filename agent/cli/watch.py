"""`tower watch SERVICE`: have it follow what its image's tag means."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.moments import span_s
from agent.cli.output import duration, print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "watch",
        help="have a service follow what its image's tag means",
        description="Ask the image's registry now and then, and deploy what the tag means once it has meant"
        " that for a while: as an ordinary rollout, which goes back when it fails. An image that was gone"
        " back from is not tried again. `tower services SERVICE` shows what was seen.",
    )
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--every", metavar="TIME", default="15m", help="how often to ask (default: 15m)")
    parser.add_argument(
        "--min-age", metavar="TIME", default="24h", help="how long it has to mean the same (default: 24h)"
    )
    parser.add_argument("--window", metavar="EXPR", default="", help='deploy only then: "0 3 * * *"')
    parser.add_argument("--for", dest="span", metavar="TIME", default="1h", help="how long from then")
    parser.add_argument("--tz", metavar="ZONE", default="UTC", help="of --window")
    parser.add_argument("--strategy", choices=("rolling", "blue-green", "canary"))
    parser.add_argument("--off", action="store_true", help="follow it no more")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    every_s, min_age_s = span_s("--every", args.every), span_s("--min-age", args.min_age)
    if every_s < 1:
        raise UsageWrong(f"--every {args.every}: at least a second")
    client = connect(args)
    path = f"/services/{segment(args.service)}/watch"
    if args.off:
        client.delete(path)
        print_json({"off": args.service}) if as_json else print(f"{args.service} follows its image no more")
        return DONE
    view = client.put(
        path,
        {
            "every_s": every_s,
            "min_age_s": min_age_s,
            "cron": args.window,
            "duration_s": span_s("--for", args.span),
            "time_zone": args.tz,
            "strategy": args.strategy,
        },
    )
    if as_json:
        print_json(view)
    else:
        age = duration(view["min_age_s"])
        print(f"{args.service} follows its image: asked every {duration(view['every_s'])}, deployed at {age}")
    return DONE
