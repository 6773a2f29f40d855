"""The `tower` command: finds the verb, runs it, turns its failure into a line and a status.

Each verb is a module of this package with `add_parser(verbs)` and `run(args) -> int`. Only the verb
that is called is imported, and imports what is dear inside `run`: a command should start faster
than a person notices.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from agent.cli.failures import DONE, FAILED, CommandFailed
from agent.cli.output import print_error
from agent.cli.parsing import Parser

# In the order of the help text: one host, the cluster, what runs on it, the tool itself.
VERBS = (
    "init",
    "join",
    "run",
    "leave",
    "recover",
    "status",
    "node",
    "token",
    "api-token",
    "user",
    "role",
    "binding",
    "authz",
    "audit",
    "alerts",
    "deploy",
    "adopt",
    "validate",
    "promote",
    "environment",
    "services",
    "service",
    "rebalance",
    "schedule",
    "window",
    "freeze",
    "watch",
    "rollout",
    "experiment",
    "rollback",
    "plan",
    "traffic",
    "scale",
    "restart",
    "remove",
    "history",
    "compare",
    "events",
    "webhook",
    "export",
    "ps",
    "logs",
    "metrics",
    "analyze",
    "ask",
    "container",
    "exec",
    "cp",
    "image",
    "volume",
    "network",
    "project",
    "secret",
    "registry",
    "certificate",
    "provider",
    "login",
    "session",
    "mcp",
    "setting",
    "config",
    "lab",
    "demo",
    "completion",
    "version",
)

_DESCRIPTION = "Control Tower: a highly available control plane for plain Docker hosts."
_EPILOG = """\
start here:
  tower init                      make this host the first of a cluster
  tower token create              let another host join: run the command it prints there
  tower deploy compose.yaml       run a Compose file on the cluster

exit status: 0 done, 1 refused or failed, 2 called wrongly, 3 outcome unknown"""


# Global flags that are followed by a value, which may be any word.
_WITH_VALUE = frozenset({"--context", "--server", "--token", "--ca"})


def build_parser(verb: str | None = None) -> Parser:
    """Return the parser with every verb, or, where it is known already, with that one alone."""
    parser = Parser(prog="tower", description=_DESCRIPTION, epilog=_EPILOG)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", dest="verb", required=True)
    for name in VERBS if verb is None else (verb,):
        module = importlib.import_module(f"agent.cli.{name.replace('-', '_')}")
        module.add_parser(verbs)
        verbs.choices[name].set_defaults(run=module.run)
    return parser


def find_verb(words: Sequence[str]) -> str | None:
    """Return the verb among the arguments; None when there is none that exists."""
    expects_value = False
    for word in words:
        if not expects_value and not word.startswith("-"):
            return word if word in VERBS else None
        expects_value = word in _WITH_VALUE
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(find_verb(words)).parse_args(words)
    try:
        status = args.run(args)
        # Here, where a closed pipe can still be answered for.
        sys.stdout.flush()
    except CommandFailed as failure:
        print_error(str(failure), failure.hint)
        return failure.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    assert isinstance(status, int), args.verb
    return status if status in range(256) else FAILED


if __name__ == "__main__":
    sys.exit(main())
