"""Everything that can be said of Compose files without a cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.compose.findings import Finding, Severity
from cluster.compose.loading import ComposeFile
from cluster.compose.project import ComposeProject, in_order, parse
from cluster.compose.reader import Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is wrong and what is better changed, by file and place, and the keys without effect."""

    findings: tuple[Finding, ...] = ()
    ignored: tuple[Ignored, ...] = ()

    @property
    def errors(self) -> int:
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors


def lint(
    files: Sequence[ComposeFile],
    *,
    project: str | None = None,
    variables: Mapping[str, str] | None = None,
    beside: Mapping[str, str] | None = None,
    environment: str = "",
    unreadable: Mapping[tuple[str, int, int], str] | None = None,
) -> Report:
    """Check the files as they are deployed to `environment`, or, without one, to each that they speak of.

    `unreadable` says why a file named at a place (file, line, column) is not among those `beside`.
    """
    first, *overrides = files
    findings: list[Finding] = []
    ignored: list[Ignored] = []

    def explain(finding: Finding) -> Finding:
        reason = (unreadable or {}).get((finding.file, finding.line, finding.column))
        return finding if reason is None else replace(finding, rule=reason, hint="")

    def check(name: str) -> tuple[str, ...]:
        parsed = parse(
            first.text,
            project=project,
            variables=variables,
            overrides=overrides,
            environment=name,
            files=beside,
            file=first.name,
        )
        if not isinstance(parsed, ComposeProject):
            findings.extend(map(explain, parsed))
            return ()
        findings.extend(parsed.warnings)
        ignored.extend(parsed.ignored)
        return parsed.environments

    others = check(environment)
    if not environment:
        for name in others:
            check(name)
    return Report(findings=in_order(findings, files), ignored=tuple(dict.fromkeys(ignored)))
