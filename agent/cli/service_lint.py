"""`tower service lint | schema`: what is wrong with a Compose file, and what may stand in one. No cluster."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from agent.cli import compose_files
from agent.cli.failures import DONE, FAILED
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs

if TYPE_CHECKING:
    from cluster.compose.linting import Report


def add_actions(actions: Verbs[argparse.ArgumentParser]) -> None:
    """The actions that need no cluster."""
    linting = actions.add_parser(
        "lint",
        help="say what is wrong with a Compose file; asks no host",
        description="Check Compose files as `tower deploy` reads them, in every environment they speak of."
        " Names file, line and column of all that is wrong. Exit status: 0 all right, 1 it would be refused,"
        " 2 called wrongly.",
    )
    compose_files.add_arguments(linting)
    linting.add_argument("--strict", action="store_true", help="a warning counts as wrong")
    actions.add_parser(
        "schema",
        help="print the JSON schema of Compose files, for editors",
        description="Print the JSON schema of Compose files with x-tower. Every host serves it too, at"
        " /schemas/compose.json. Editors complete and check a file whose first line is\n"
        "  # yaml-language-server: $schema=tower.schema.json\n"
        "after `tower service schema > tower.schema.json`.",
    )


def run_lint(args: argparse.Namespace) -> int:
    """Check files and print the findings."""
    from cluster.compose.linting import lint

    given = compose_files.gather(args)
    reasons = {(wanted.at.file, wanted.at.line, wanted.at.column): why for wanted, why in given.unreadable}
    report = lint(
        given.files,
        project=given.project,
        variables=given.variables,
        beside=given.beside,
        environment=given.environment,
        unreadable=reasons,
    )
    if getattr(args, "json", False):
        print_json(_to_json(report))
    else:
        for finding in report.findings:
            place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
            print(printable(f"{place}: {finding.severity}: {finding.words}"))
        for ignored in report.ignored:
            print(printable(f"note: {ignored.path} is ignored: {ignored.reason}"))
        print(_summary(report.errors, report.warnings))
    return FAILED if report.errors or (args.strict and report.warnings) else DONE


def run_schema() -> int:
    """Print the schema."""
    from cluster.compose.schema import compose_schema

    print(json.dumps(compose_schema(), indent=2))
    return DONE


def _summary(errors: int, warnings: int) -> str:
    counts = [(errors, "error"), (warnings, "warning")]
    words = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    return " and ".join(words) if words else "nothing is wrong"


def _to_json(report: Report) -> dict[str, Any]:
    return {
        "errors": report.errors,
        "warnings": report.warnings,
        "findings": [
            {
                "file": finding.file,
                "line": finding.line or None,
                "column": finding.column or None,
                "severity": finding.severity.value,
                "path": finding.path,
                "rule": finding.rule,
                "hint": finding.hint,
            }
            for finding in report.findings
        ],
        "ignored": [{"path": ignored.path, "reason": ignored.reason} for ignored in report.ignored],
    }
