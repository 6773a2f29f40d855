"""Flags of the verbs that read this host's settings, and the reading."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.failures import CommandFailed, UsageWrong

if TYPE_CHECKING:
    from agent.config import LoadedSettings

_SHORT_FORMS = {
    "data_dir": "node.data_dir",
    "node_name": "node.name",
    "advertise": "node.advertise_address",
    "log_level": "log.level",
}


def add_settings_flags(parser: argparse.ArgumentParser) -> None:
    """Add --config, --set and the short forms of the settings most often given."""
    group = parser.add_argument_group("settings of this host")
    group.add_argument("--config", metavar="FILE", help="instead of /etc/control-tower/tower.toml")
    group.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="one setting, such as listen.api=0.0.0.0:8443; see `tower config example`",
    )
    group.add_argument("--data-dir", metavar="DIR", help="node.data_dir")
    group.add_argument("--node-name", metavar="NAME", help="node.name")
    group.add_argument("--advertise", metavar="ADDRESS", help="node.advertise_address")
    group.add_argument("--log-level", metavar="LEVEL", help="log.level")


def load(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> LoadedSettings:
    """Return this host's settings; every problem with them is in the failure's text."""
    # pydantic takes a quarter of a second to import, so only verbs that need settings pay for it.
    from agent.config import ConfigError, load_settings

    file = args.config or environment.get("TOWER_CONFIG", "")
    try:
        return load_settings(
            file=Path(file) if file else None,
            environment=environment,
            flags=_flags(args),
            host_name=os.uname().nodename,
        )
    except ConfigError as error:
        count = len(error.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        raise _SettingsWrong(
            f"{head} in the settings\n{error}", hint="`tower config example` lists all"
        ) from error


class _SettingsWrong(UsageWrong):
    """Status 2, which tells systemd not to start the agent again: waiting does not mend settings."""


def _flags(args: argparse.Namespace) -> dict[str, str]:
    flags = {}
    for name, key in _SHORT_FORMS.items():
        if (value := getattr(args, name, None)) is not None:
            flags[key] = value
    for assignment in args.set:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageWrong(f"--set {assignment}: there is no '='", hint="such as --set log.level=debug")
        flags[key.strip()] = value
    return flags


def app_module() -> Any:
    """Return the composition root, imported only by the verbs that run in this process."""
    import importlib

    from agent.host.native_memory import keep_numpy_to_one_thread
    from agent.host.standing_objects import without_collections

    keep_numpy_to_one_thread()
    try:
        with without_collections():
            return importlib.import_module("agent.app")
    except ModuleNotFoundError as error:
        raise CommandFailed(f"this installation is incomplete: {error}") from error
