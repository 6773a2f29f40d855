"""Compose files in tests: only what matters is written down."""

from __future__ import annotations

from typing import Any

from cluster.compose import ComposeProject, ComposeService, Finding, parse


def a_file(service: str = "", *, top: str = "") -> str:
    """A file with one service `web` of image nginx:1, more keys of it, and more keys at the top."""
    keys = "".join(f"    {line}\n" for line in service.strip("\n").splitlines())
    return f"name: shop\n{top}services:\n  web:\n    image: nginx:1\n{keys}"


def accepted(text: str, **given: Any) -> ComposeProject:
    project = parse(text, **given)
    assert isinstance(project, ComposeProject), project
    return project


def the_service(text: str, **given: Any) -> ComposeService:
    (service,) = accepted(text, **given).services
    return service


def refused(text: str, **given: Any) -> tuple[Finding, ...]:
    findings = parse(text, **given)
    assert not isinstance(findings, ComposeProject)
    assert findings
    return findings
