"""The command line of the lab: `tower lab VERB`, or `python packaging/lab VERB` in a source tree."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

from tower_lab.errors import LabError
from tower_lab.lab import Lab, LabStatus
from tower_lab.plan import DEFAULT_PREFIX
from tower_lab.progress import Progress
from tower_lab.state import Cut, Delay, Direction

_EPILOG = """\
Environment: TOWER_LAB_PREFIX names the lab (--prefix), TOWER_LAB_DIR is where it keeps state and disks
(default: /run/tower-lab and /var/lib/tower-lab), TOWER_LAB_CACHE where it keeps built images.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one verb: 0 done, 1 refused or failed, 2 wrong usage."""
    parsed = _parser().parse_args(arguments)
    verb: Callable[[Lab, argparse.Namespace], int] = parsed.verb
    try:
        return verb(Lab(parsed.prefix, progress=Progress(sys.stdout)), parsed)
    except (LabError, OSError) as error:
        sys.stderr.write(f"tower lab: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(
            "tower lab: interrupted; `tower lab up` goes on from here, `tower lab down` removes all of it\n"
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tower lab",
        description="Real Docker hosts on this Linux machine, each with its own network and Docker daemon.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--prefix",
        default=os.environ.get("TOWER_LAB_PREFIX") or DEFAULT_PREFIX,
        help="which lab (default: %(default)s)",
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add(
        name: str, verb: Callable[[Lab, argparse.Namespace], int], summary: str
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=summary, description=summary)
        sub.set_defaults(verb=verb)
        return sub

    up = add("up", _up, "start the hosts and the registry; what runs already is left alone")
    up.add_argument("--hosts", type=int, default=3, help="how many there shall be (default: %(default)s)")
    up.add_argument("--live-restore", action="store_true", help="containers outlive their daemon")
    up.add_argument("--subnet", help="an IPv4 /24 (default: the first free one of 10.213.0.0/16)")
    up.add_argument("--install", action="store_true", help="install missing Debian packages first")

    down = add("down", _down, "end everything the lab started and remove what it stored")
    down.add_argument(
        "--force", action="store_true", help="also when no record of the lab is left: goes by its names"
    )

    status = add("status", _status, "what runs; status 1 when there is no such lab")
    status.add_argument("--json", action="store_true", help="for programs")

    cut = add("cut", _cut, "lose packets of a host silently")
    cut.add_argument("host")
    way = cut.add_mutually_exclusive_group()
    way.add_argument(
        "--from", dest="direction", action="store_const", const=Direction.FROM, help="only those it sends"
    )
    way.add_argument(
        "--to", dest="direction", action="store_const", const=Direction.TO, help="only those sent to it"
    )
    _add_peers(cut, "only those exchanged with this host, root or registry (may be repeated)")
    cut.add_argument("--loss-percent", type=float, default=100.0, help="lose only this share, at random")

    heal = add("heal", _heal, "undo the cuts of a host")
    heal.add_argument("host")
    _add_peers(heal, "only those with this peer (may be repeated)")

    kill = add("kill", _kill, "SIGKILL the Docker daemon of a host")
    kill.add_argument("host")
    kill.add_argument(
        "--power", action="store_true", help="take everything in the host away at once, unannounced"
    )

    start = add("start", _start, "start what does not run of a host")
    start.add_argument("host")

    execute = add("exec", _exec, "run a command in a host, with this terminal")
    execute.add_argument("host")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="default: a shell")

    link = add("link", _link, "delay or reset the TCP connections between two hosts")
    link.add_argument("one")
    link.add_argument("other")
    link.add_argument("--delay-ms", type=float, help="added each way, to connections opened from now on")
    link.add_argument("--jitter-ms", type=float, default=0.0, help="at most so much more or less")
    link.add_argument("--reset", action="store_true", help="reset the connections there are now")
    link.add_argument("--clear", action="store_true", help="undo the delay")

    add("images", _images, "list the images in the registry")
    ip = add("ip", _ip, "print the address of a host, of root (this machine) or of the registry")
    ip.add_argument("host")
    return parser


def _add_peers(parser: argparse.ArgumentParser, summary: str) -> None:
    parser.add_argument("--peer", dest="peers", action="append", default=[], help=summary)


def _up(lab: Lab, parsed: argparse.Namespace) -> int:
    lab.up(parsed.hosts, live_restore=parsed.live_restore, subnet=parsed.subnet, install=parsed.install)
    return 0


def _down(lab: Lab, parsed: argparse.Namespace) -> int:
    lab.down(force=parsed.force)
    return 0


def _status(lab: Lab, parsed: argparse.Namespace) -> int:
    status = lab.status()
    _write(json.dumps(asdict(status), indent=1) if parsed.json else _render_status(status))
    return 0 if status.up else 1


def _cut(lab: Lab, parsed: argparse.Namespace) -> int:
    direction = parsed.direction or Direction.BOTH
    lab.cut(parsed.host, direction=direction, peers=tuple(parsed.peers), loss_percent=parsed.loss_percent)
    return 0


def _heal(lab: Lab, parsed: argparse.Namespace) -> int:
    lab.heal(parsed.host, peers=tuple(parsed.peers))
    return 0


def _kill(lab: Lab, parsed: argparse.Namespace) -> int:
    lab.kill(parsed.host, power=parsed.power)
    return 0


def _start(lab: Lab, parsed: argparse.Namespace) -> int:
    lab.start(parsed.host)
    return 0


def _exec(lab: Lab, parsed: argparse.Namespace) -> int:
    command = list(parsed.command)
    if command[:1] == ["--"]:
        del command[0]
    lab.host(parsed.host).replace_this_process(command or [os.environ.get("SHELL") or "/bin/sh"])
    return 1


def _link(lab: Lab, parsed: argparse.Namespace) -> int:
    if parsed.clear and parsed.delay_ms is not None:
        raise LabError("link: either --delay-ms or --clear")
    if not parsed.clear and not parsed.reset and parsed.delay_ms is None:
        raise LabError("link: say what to do: --delay-ms 50, --reset or --clear")
    if parsed.clear:
        lab.unlink(parsed.one, parsed.other)
    if parsed.delay_ms is not None:
        lab.link(parsed.one, parsed.other, delay_ms=parsed.delay_ms, jitter_ms=parsed.jitter_ms)
    if parsed.reset:
        lab.reset_connections(parsed.one, parsed.other)
    return 0


def _images(lab: Lab, _: argparse.Namespace) -> int:
    rows = [("IMAGE", "SIZE", "DIGEST")]
    rows += [
        (image.reference, f"{image.size_bytes / 1e6:.1f} MB", image.digest)
        for image in lab.registry.published()
    ]
    _write(_table(rows))
    return 0


def _ip(lab: Lab, parsed: argparse.Namespace) -> int:
    _write(lab.address_of(parsed.host))
    return 0


def _render_status(status: LabStatus) -> str:
    if not status.up:
        return f"there is no lab {status.prefix!r}; make one: tower lab up"
    answers = "answers" if status.registry_answers else "DOES NOT ANSWER"
    lines = [
        f"lab {status.prefix} ({status.phase}): this machine is {status.address} on {status.bridge}, "
        f"registry {status.registry} {answers}"
    ]
    rows = [("HOST", "ADDRESS", "POWER", "DOCKER", "MEMORY", "FAULTS", "DOCKER_HOST")]
    for host in status.hosts:
        faults = [*map(_render_cut, host.cuts), *map(_render_delay, host.delays)]
        power, docker = ("on" if host.power else "off"), ("answers" if host.docker else "down")
        memory = f"{host.daemon_memory_bytes / 1e6:.0f} MB"
        rows.append(
            (
                host.name,
                host.address,
                power,
                docker,
                memory,
                ", ".join(faults) or "-",
                f"unix://{host.docker_socket}",
            )
        )
    return "\n".join([*lines, _table(rows)])


def _render_cut(cut: Cut) -> str:
    way = {Direction.BOTH: "cut off", Direction.FROM: "cut (from)", Direction.TO: "cut (to)"}[cut.direction]
    share = f" {cut.loss_percent:g} %" if cut.loss_percent < 100 else ""
    return way + share + (f" {cut.peer}" if cut.peer else "")


def _render_delay(delay: Delay) -> str:
    return f"{delay.peer} +{delay.delay_ms:g}±{delay.jitter_ms:g} ms"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
