"""`tower metrics`: what hosts and containers used, over time."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import Any

from agent.cli.client import Client
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import can_draw, duration, in_bytes, moment, print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.sparkline import sparkline

_LINE_MIN, _LINE_MAX, _LINE_PIPED = 12, 80, 40
_TABLE_POINTS = 48
_STATISTICS = ("mean", "min", "max", "p95", "last", "sum", "count", "per_s")
_AGGREGATIONS = ("sum", "mean", "min", "max", "quantile")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "metrics",
        help="show what hosts and containers used, over time",
        description="Show what was measured over time, also of what is no more. Without SUBJECT list what is"
        " measured; without METRIC show all of a subject's.",
        epilog="examples:\n"
        "  tower metrics h1 cpu --since 24h\n"
        "  tower metrics containers memory --top 5\n"
        "  tower metrics shop.web cpu --since 7d --by host\n"
        "  tower metrics disks disk --since 30d --table\n"
        "  tower metrics import --from http://prometheus:9090 --query node_load1 --since 14d",
    )
    parser.add_argument(
        "subject",
        metavar="SUBJECT",
        nargs="?",
        default="",
        help="a host, container, service, project or disk; or a kind, as containers",
    )
    parser.add_argument(
        "metric",
        metavar="METRIC",
        nargs="?",
        default="",
        help="as cpu, memory, disk, or a full name; several by comma",
    )
    parser.add_argument("--since", metavar="TIME", default="", help="1h, 24h, 7d, or ISO 8601 (default: 1h)")
    parser.add_argument("--until", metavar="TIME", default="", help="up to then (default: now)")
    parser.add_argument("--step", metavar="SPAN", default="", help="of each point, as 5m")
    parser.add_argument(
        "--by", metavar="LABEL", default="", help="one line for each host, service, project, ..."
    )
    parser.add_argument("--agg", choices=_AGGREGATIONS, help="how series become one")
    parser.add_argument("--quantile", type=float, metavar="Q", help="of --agg quantile, as 0.95")
    parser.add_argument("--stat", choices=_STATISTICS, help="what stands for the samples of a step")
    parser.add_argument("--top", type=int, metavar="N", help="only the N series with the largest mean")
    parser.add_argument("--node", metavar="NODE", default="", help="on this host only")
    parser.add_argument("--kind", metavar="KIND", default="", help="of this kind only, as container")
    parser.add_argument("--table", action="store_true", help="every point as a row")
    brought = parser.add_argument_group("import: bring history that Prometheus has")
    brought.add_argument("--from", dest="source", metavar="URL", help="of Prometheus: http://prometheus:9090")
    brought.add_argument("--query", metavar="EXPR", default="", help="what to ask it, in PromQL")
    brought.add_argument("--as", dest="metric_name", metavar="NAME", default="", help="what to call it")
    brought.add_argument("--import-name", metavar="NAME", default="", help="to go on with an earlier one")
    brought.add_argument(
        "--token-stdin", action="store_true", help="read its bearer token from standard input"
    )
    parser.add_argument("--standing", action="store_true", help="how much of the history the host has")


def _import(client: Client, args: argparse.Namespace) -> int:
    if args.subject != "import" or args.metric:
        raise UsageWrong("--from goes with import", hint="tower metrics import --from URL --query EXPR")
    from agent.cli import metrics_import

    return metrics_import.run(client, args)


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    client = connect(args)
    if args.source is not None:
        return _import(client, args)
    if args.standing:
        standing = client.get("/metrics/standing")
        print_json(standing) if as_json else _print_standing(standing)
        return DONE
    if not args.subject:
        found = client.items("/metrics/subjects", kind=args.kind, node=args.node)
        print_json({"items": found}) if as_json else _print_measured(found)
        return DONE
    width = _width()
    wanted = {
        "subject": args.subject,
        "metric": args.metric,
        "kind": args.kind,
        "node": args.node,
        "since": args.since,
        "until": args.until,
        "step": args.step,
        "by": args.by,
        "aggregation": args.agg,
        "quantile": args.quantile,
        "statistic": args.stat,
        "top": args.top,
        "points": None if as_json else _TABLE_POINTS if args.table else width,
    }
    answer = client.get(
        "/metrics/history", **{key: value for key, value in wanted.items() if value not in (None, "")}
    )
    if as_json:
        print_json(answer)
    elif args.table:
        _print_points(answer)
    else:
        _print_lines(answer, width)
    if not as_json:
        for note in _notes(answer):
            print(f"note: {printable(note)}", file=sys.stderr)
    return DONE


def _width() -> int:
    """How many columns the lines get: what a terminal has beside the figures."""
    if not sys.stdout.isatty():
        return _LINE_PIPED
    return max(_LINE_MIN, min(_LINE_MAX, shutil.get_terminal_size().columns - 75))


def _print_lines(answer: dict[str, Any], width: int) -> None:
    highest: dict[str, float] = {}
    for series in answer["series"]:
        known = [value for value in series["values"] if value is not None]
        highest[series["metric"]] = max([highest.get(series["metric"], 0.0), *known])
    rows = [
        (
            series["title"],
            series["metric"],
            figure(series["last"], series["unit"]),
            figure(series["mean"], series["unit"]),
            figure(series["least"], series["unit"]),
            figure(series["most"], series["unit"]),
            sparkline(series["values"], width=width, top=highest[series["metric"]], can_draw=can_draw()),
        )
        for series in answer["series"]
    ]
    if rows:
        print(_span_words(answer))
    columns = ("of", "metric", "last", "mean", "min", "max", "over time")
    print_table(columns, rows, empty=f"nothing was measured {_span_words(answer)}")


def _print_points(answer: dict[str, Any]) -> None:
    series = answer["series"]
    columns = ("time", *(f"{each['title']} {each['metric']}" for each in series))
    rows = [
        (moment(at_ms), *(figure(each["values"][index], each["unit"]) for each in series))
        for index, at_ms in enumerate(answer["times_ms"])
    ]
    print_table(columns, rows if series else [], empty=f"nothing was measured {_span_words(answer)}")


def _span_words(answer: dict[str, Any]) -> str:
    length = duration((answer["end_ms"] - answer["start_ms"]) / 1000)
    return f"in the {length} up to {moment(answer['end_ms'])}, {duration(answer['step_ms'] / 1000)} a point"


def _notes(answer: dict[str, Any]) -> list[str]:
    left_out = answer["series_left_out"]
    more = [f"{left_out} more series; --top and --by choose which"] if left_out else []
    return [*more, *answer["notes"]]


def figure(value: float | None, unit: str) -> str:
    """Return a figure with its unit, for a person."""
    if value is None:
        return ""
    match unit:
        case "bytes":
            return in_bytes(value)
        case "bytes/s":
            return f"{in_bytes(value)}/s"
        case "percent":
            return f"{value:.1f} %"
        case "ms":
            return f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.2f} s"
        case "celsius":
            return f"{value:.1f} °C"
        case _:
            return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def _print_measured(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["node"],
            each["kind"],
            each["name"],
            each["labels"].get("service", ""),
            each["subject"],
            moment(each["created_at_ms"]),
            moment(each["seen_at_ms"]),
        )
        for each in found
    ]
    columns = ("host", "kind", "name", "service", "number", "since", "seen")
    print_table(columns, rows, empty="nothing was measured yet: the first minute takes a minute")


def _print_standing(standing: dict[str, Any]) -> None:
    print(printable(f"host      {standing['node']}"))
    print(f"subjects  {standing['subjects']}")
    print(f"disk      {in_bytes(standing['bytes_used'])} of {in_bytes(standing['bytes_max'])}")
    for resolution, oldest_ms in standing["oldest_ms"].items():
        short = ", for want of room" if resolution in standing["shortened_to_ms"] else ""
        print(
            f"{resolution:<8}  {'nothing yet' if oldest_ms is None else f'since {moment(oldest_ms)}'}{short}"
        )
    print(f"waiting   {standing['waiting']} blocks of its own samples")
    if standing["lost"]:
        print(f"lost      {standing['lost']} blocks since its start: its log says why")
    for part in standing["missing"]:
        print(f"missing   {moment(part['start_ms'])} to {moment(part['end_ms'])}: asked of other hosts")
    if standing["damaged"]:
        print(f"damaged   {standing['damaged']} pieces cannot be read and are left out")
