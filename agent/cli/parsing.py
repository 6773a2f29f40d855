"""The argument parser: flags every verb has, errors on one line with a next step."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from agent.cli.failures import USAGE
from agent.cli.output import print_error

Verbs = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose verbs share the global flags, before or after the verb."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        # A verb may give one of the global flags its own meaning, as `tower join --token` does.
        kwargs.setdefault("conflict_handler", "resolve")
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed on as given
        if "-" not in self.prefix_chars:
            # A verb that hands all its words on to another program.
            return
        common = self.add_argument_group("every command")
        # SUPPRESS: a verb's parser must not put its default over what stood before the verb.
        common.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs"
        )
        common.add_argument(
            "--context", metavar="NAME", default=argparse.SUPPRESS, help="the remembered cluster to use"
        )
        common.add_argument(
            "--server", metavar="ADDRESS", default=argparse.SUPPRESS, help="the host to ask, as host[:port]"
        )
        common.add_argument(
            "--token",
            metavar="TOKEN",
            default=argparse.SUPPRESS,
            help="an API token, or @FILE; TOWER_TOKEN keeps it out of the process list",
        )
        common.add_argument(
            "--ca", metavar="FILE", default=argparse.SUPPRESS, help="the cluster's CA certificate"
        )

    def parse_known_args(  # type: ignore[override]  # argparse tells its overloads apart by the namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse has it; but a verb refuses itself what it does not know, and points to its own help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and self._subparsers is None:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        print_error(_friendlier(message), hint=f"see `{self.prog} --help`")
        sys.exit(USAGE)


def _friendlier(message: str) -> str:
    match = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
    if match is None:
        return message
    choices = re.findall(r"[\w-]+", match[2])
    close = difflib.get_close_matches(match[1], choices, 1)
    suggestion = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(choices)}"
    return f"there is no {match[1]!r}; {suggestion}"
