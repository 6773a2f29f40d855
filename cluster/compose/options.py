"""The engine's settings of a service's containers."""

from __future__ import annotations

import re
from functools import partial

from cluster.compose import vocabulary
from cluster.compose.container import read_words
from cluster.compose.document import Value
from cluster.compose.environment import items_of
from cluster.compose.reader import Keys, Parts, Reader
from cluster.compose.values import (
    parse_capability,
    parse_device,
    parse_extra_host,
    parse_size_bytes,
    parse_ulimit,
)
from cluster.model.container import (
    ContainerOptions,
    Device,
    LogDriver,
    RestartCondition,
    RestartRule,
    Ulimit,
)

_RESTART = re.compile(r"on-failure(?::(?P<attempts>[0-9]{1,6}))?")
_CONDITIONS = {
    "any": RestartCondition.ANY,
    "on-failure": RestartCondition.ON_FAILURE,
    "none": RestartCondition.NONE,
}


def read_options(reader: Reader, keys: Keys, deploy: Keys | None) -> ContainerOptions:
    options = Parts(reader, ContainerOptions)
    read_texts = partial(reader.one_or_each, read=reader.text)
    for key, name, read in (
        ("entrypoint", "entrypoint", partial(read_words, reader)),
        ("user", "user", reader.text),
        ("working_dir", "working_dir", reader.text),
        ("hostname", "hostname", reader.text),
        ("domainname", "domainname", reader.text),
        ("init", "init", reader.flag),
        ("read_only", "is_read_only", reader.flag),
        ("privileged", "is_privileged", reader.flag),
        ("cap_add", "cap_add", partial(_capabilities, reader)),
        ("cap_drop", "cap_drop", partial(_capabilities, reader)),
        ("security_opt", "has_no_new_privileges", partial(_no_new_privileges, reader)),
        ("devices", "devices", partial(reader.each, read=partial(_device, reader))),
        ("group_add", "group_add", reader.texts),
        ("ulimits", "ulimits", partial(_ulimits, reader)),
        ("sysctls", "sysctls", reader.sorted_pairs),
        ("shm_size", "shm_size_bytes", lambda at: reader.measured(at, parse_size_bytes, 0)),
        ("oom_score_adj", "oom_score_adj", reader.count),
        ("stop_signal", "stop_signal", partial(_signal, reader)),
        ("extra_hosts", "extra_hosts", partial(_extra_hosts, reader)),
        ("dns", "dns", read_texts),
        ("dns_search", "dns_search", read_texts),
        ("dns_opt", "dns_options", read_texts),
        ("logging", "log", partial(_logging, reader)),
        ("platform", "platform", reader.text),
        ("restart", "restart", partial(_restart, reader)),
    ):
        options.read(name, keys.value(key), read)
    keys.find("pull_policy", partial(_pull_policy, reader))
    if deploy is not None:
        options.read("restart", deploy.value("restart_policy"), partial(_restart_policy, reader))
    return options.make(keys.at)


def _capabilities(reader: Reader, value: Value) -> tuple[str, ...]:
    return tuple(sorted({parse_capability(text) for text in reader.texts(value)}))


def _no_new_privileges(reader: Reader, value: Value) -> bool:
    is_set = False
    for item in items_of(value):
        text = reader.text(item).replace("=", ":").lower()
        if text in ("no-new-privileges", "no-new-privileges:true"):
            is_set = True
        elif text != "no-new-privileges:false":
            reader.refuse(
                item, "no-new-privileges is supported alone: other options take down walls of the container"
            )
    return is_set


def _device(reader: Reader, value: Value) -> Device | None:
    if not isinstance(value.content, dict):
        text = reader.text(value)
        return reader.built(value, lambda: parse_device(text)) if text else None
    keys = reader.keys(value, vocabulary.DEVICE)
    if keys is None:
        return None
    source = keys.get("source", reader.text, "")
    target = keys.get("target", reader.text, source)
    permissions = keys.get("permissions", reader.text, "rwm")
    return reader.built(value, lambda: Device(source=source, target=target, permissions=permissions))


def _ulimits(reader: Reader, value: Value) -> tuple[Ulimit, ...]:
    found: list[Ulimit] = []
    for name, inner in sorted((reader.mapping(value) or {}).items()):
        limit = _ulimit(reader, name, inner)
        if limit is not None:
            found.append(limit)
    return tuple(found)


def _ulimit(reader: Reader, name: str, value: Value) -> Ulimit | None:
    if not isinstance(value.content, dict):
        text = reader.text(value)
        return reader.built(value, lambda: parse_ulimit(name, text, text)) if text else None
    keys = reader.keys(value, vocabulary.ULIMIT)
    if keys is None:
        return None
    soft, hard = keys.get("soft", reader.text, ""), keys.get("hard", reader.text, "")
    return reader.built(value, lambda: parse_ulimit(name, soft, hard))


def _signal(reader: Reader, value: Value) -> str:
    text = reader.text(value).upper()
    return text if not text or text.isdigit() or text.startswith("SIG") else f"SIG{text}"


def _extra_hosts(reader: Reader, value: Value) -> tuple[tuple[str, str], ...]:
    if isinstance(value.content, dict):
        return tuple(
            (name, address.strip("[]"))
            for name, inner in value.content.items()
            for address in reader.one_or_texts(inner)
        )
    return reader.each(value, lambda item: reader.measured(item, parse_extra_host, None))


def _logging(reader: Reader, value: Value) -> LogDriver | None:
    keys = reader.keys(value, vocabulary.LOGGING)
    if keys is None:
        return None
    name = keys.get("driver", reader.text, "")
    options = keys.items("options", reader.sorted_pairs)
    if not name:
        reader.refuse(value, "driver is missing", "such as driver: json-file or local")
        return None
    return reader.built(value, lambda: LogDriver(name=name, options=options))


def _restart(reader: Reader, value: Value) -> RestartRule:
    # YAML reads a plain `no` as false.
    text = "no" if value.content is False else reader.text(value)
    if text in ("", "always", "unless-stopped"):
        return RestartRule()
    if text == "no":
        return RestartRule(condition=RestartCondition.NONE)
    match = _RESTART.fullmatch(text)
    if match is None:
        reader.refuse(value, "no, on-failure, on-failure:3, always or unless-stopped is expected")
        return RestartRule()
    return RestartRule(condition=RestartCondition.ON_FAILURE, attempts_max=int(match["attempts"] or 0))


def _restart_policy(reader: Reader, value: Value) -> RestartRule:
    rule = Parts(reader, RestartRule)
    keys = reader.keys(value, vocabulary.RESTART_POLICY)
    if keys is None:
        return RestartRule()
    condition = partial(reader.choice, choices=_CONDITIONS, default=RestartCondition.ANY)
    rule.read("condition", keys.value("condition"), condition)
    rule.read("delay_ms", keys.value("delay"), reader.duration_ms)
    rule.read("attempts_max", keys.value("max_attempts"), reader.count)
    rule.read("window_ms", keys.value("window"), reader.duration_ms)
    return rule.make(value)


def _pull_policy(reader: Reader, value: Value) -> None:
    text = reader.text(value)
    if text not in ("always", "missing", "if_not_present", ""):
        reader.refuse(
            value,
            "always, missing or if_not_present is expected: an image is pinned to its digest when it is"
            " deployed, and pulled when the host does not have that",
        )
