"""The cluster's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields

from cluster.commands.settings import PutSetting
from cluster.model.assistant import ASSISTANT_PREFIX, assistant_rules, default_assistant_values
from cluster.model.metrics_retention import METRICS_PREFIX, default_values, metric_retention
from cluster.model.outbound import ALLOWED_NETWORKS_SETTING, parse_networks
from cluster.model.plans import PLANS_PREFIX, default_plan_values, plan_rules
from cluster.model.second_factors import SECOND_FACTOR_SETTING, SecondFactorPolicy, second_factor_policy
from cluster.model.settings import ClusterSettings, Setting, cluster_settings
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.tools.context import Context
from web.tools.references import is_key
from web.tools.views import SettingView

_CLUSTER_PREFIX = "cluster."
_AUTH_PREFIX = "auth."
_DEFAULTS = {
    **{f"{_CLUSTER_PREFIX}{item.name}": str(item.default) for item in fields(ClusterSettings)},
    **default_values(),
    **default_plan_values(),
    **default_assistant_values(),
    ALLOWED_NETWORKS_SETTING: "",
    SECOND_FACTOR_SETTING: SecondFactorPolicy.OPTIONAL.value,
}
_GROUPS: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    _CLUSTER_PREFIX: cluster_settings,
    METRICS_PREFIX: metric_retention,
    _AUTH_PREFIX: second_factor_policy,
    PLANS_PREFIX: plan_rules,
    ASSISTANT_PREFIX: assistant_rules,
}
"""Settings that are looked at together, by how their keys begin: what raises ValueError for wrong ones."""


async def list_settings(context: Context, call: Call) -> list[SettingView]:
    """Return the settings by key: those that are set, and those that have a default."""
    await context.authority.require(call, "setting.read", "setting")
    with context.surroundings.state.read() as txn:
        stored = {setting.key: setting for setting in records.SETTINGS.scan(txn)}
    keys = sorted(_DEFAULTS.keys() | {key for key, setting in stored.items() if setting.value is not None})
    return [_view(key, stored.get(key)) for key in keys]


async def get_setting(context: Context, call: Call, key: str) -> SettingView:
    """Return one setting. Raises Problem (404)."""
    await context.authority.require(call, "setting.read", f"setting:{key}")
    with context.surroundings.state.read() as txn:
        stored = records.SETTINGS.get(txn, key) if is_key(key) else None
    if stored is None and key not in _DEFAULTS:
        raise Problem(
            "not-found", f"there is no setting {key[:80]!r}", hint="GET /api/v1/settings lists them"
        )
    return _view(key, stored)


async def put_setting(
    context: Context, call: Call, key: str, *, value: str | None, expected_version: int | None
) -> SettingView:
    """Set a setting, or with null give it its default again. Raises Problem."""
    resource = f"setting:{key}"
    await context.authority.require(call, "setting.write", resource)
    _check(context, key, value)
    try:
        command = PutSetting(key=key, value=value, expected_version=expected_version)
    except ValueError as error:
        raise Problem(
            "invalid", str(error), errors=(FieldError(field="key", rule=str(error), value=key[:80]),)
        ) from error
    await context.authority.perform(call, "setting.write", resource, lambda permit: permit.propose(command))
    with context.surroundings.state.read() as txn:
        return _view(key, records.SETTINGS.get(txn, key))


def _check(context: Context, key: str, value: str | None) -> None:
    if key == ALLOWED_NETWORKS_SETTING and value is not None:
        try:
            parse_networks(value)
        except ValueError as error:
            raise Problem(
                "invalid", str(error), errors=(FieldError(field="value", rule=str(error)),)
            ) from error
    prefix = next((each for each in _GROUPS if key.startswith(each)), None)
    if prefix is None:
        return
    if key not in _DEFAULTS or not is_key(key):
        known = ", ".join(sorted(each for each in _DEFAULTS if each.startswith(prefix)))
        rule = f"there is no such setting; there are {known}"
        raise Problem("invalid", f"{key[:80]}: {rule}", errors=(FieldError(field="key", rule=rule),))
    with context.surroundings.state.read() as txn:
        values = records.setting_values(txn, prefix)
    values.pop(key, None)
    if value is not None:
        values[key] = value
    try:
        _GROUPS[prefix](values)
    except ValueError as error:
        raise Problem("invalid", str(error), errors=(FieldError(field="value", rule=str(error)),)) from error


def _view(key: str, setting: Setting | None) -> SettingView:
    return SettingView(
        key=key,
        value=None if setting is None else setting.value,
        default=_DEFAULTS.get(key),
        version=0 if setting is None else setting.version,
        changed_at_ms=None if setting is None else setting.changed_at_ms,
    )
