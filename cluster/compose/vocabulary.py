"""Every key that is known, mapping by mapping: what it takes, what it means, or why it is not taken.

The parser refuses what is not here, and the published JSON schema is made from it, so the two cannot differ
in their keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cluster.model.metric_limits import LIMITED_METRICS
from cluster.model.placing import Failover
from cluster.model.strategy import InconclusiveAction, Strategy

Schema: TypeAlias = dict[str, Any]

# Where a text with a variable stands for anything, its own form is not known before it is replaced.
VARIABLE = r"\$"


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one kind of mapping. Keys that begin with `x-` are free where `is_open`."""

    name: str
    known: Mapping[str, Schema]
    ignored: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    is_open: bool = False


# What a value may be: each makes a fragment of the schema.


def _about(schema: Schema, description: str, default: object = None) -> Schema:
    about = {**schema, "description": description}
    return about if default is None else {**about, "default": default}


def text(description: str, default: str | None = None) -> Schema:
    return _about({"type": ["string", "number", "boolean"]}, description, default)


def duration(description: str, default: str | None = None) -> Schema:
    return _about({"$ref": "#/$defs/duration"}, description, default)


def size(description: str) -> Schema:
    return _about({"$ref": "#/$defs/size"}, description)


def count(description: str, low: int, high: int, default: int | None = None) -> Schema:
    pattern = f"^[0-9]{{1,9}}$|{VARIABLE}"
    schema = {"type": ["integer", "string"], "minimum": low, "maximum": high, "pattern": pattern}
    return _about(schema, description, default)


def flag(description: str, default: bool | None = None) -> Schema:
    return _about({"type": ["boolean", "string"], "pattern": VARIABLE}, description, default)


def rate(description: str, default: str | None = None) -> Schema:
    return _about({"$ref": "#/$defs/rate"}, description, default)


def choice(description: str, *values: str | bool, default: object = None) -> Schema:
    schema = {"anyOf": [{"enum": list(values)}, {"type": "string", "pattern": VARIABLE}]}
    return _about(schema, description, default)


def of(kind: str, description: str, default: object = None) -> Schema:
    """What `$defs` has under `kind`, a section or a form."""
    return _about({"$ref": f"#/$defs/{kind}"}, description, default)


def many(item: Schema | str, description: str, default: object = None) -> Schema:
    items = {"$ref": f"#/$defs/{item}"} if isinstance(item, str) else item
    return _about({"type": "array", "items": items}, description, default)


_FORM = {"type": ["string", "number", "boolean"]}

FORMS: Mapping[str, Schema] = {
    "duration": {
        "type": "string",
        "pattern": f"^([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d))+$|{VARIABLE}",
        "examples": ["30s", "1m30s", "500ms"],
    },
    "size": {
        "type": ["string", "integer"],
        "minimum": 0,
        "pattern": f"^[0-9]+(\\.[0-9]+)?\\s*[kKmMgGtT]?[iI]?[bB]?$|{VARIABLE}",
        "examples": ["512M", "2G"],
    },
    "rate": {
        "type": ["string", "number"],
        "minimum": 0,
        "maximum": 1,
        "pattern": f"^[0-9]+(\\.[0-9]+)?%$|^(0?\\.[0-9]+|0|1(\\.0*)?)$|{VARIABLE}",
        "examples": ["1%", 0.01],
    },
    "weight": {
        "type": ["number", "string"],
        "minimum": 0.1,
        "maximum": 100,
        "pattern": f"^[0-9]+(\\.[0-9])?%?$|{VARIABLE}",
        "description": "Percent of the requests",
    },
    "headroom": {
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": 90,
        "pattern": f"^[0-9]{{1,2}}%?$|{VARIABLE}",
    },
    "percent": {
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": 1000,
        "pattern": f"^[0-9]{{1,4}}%?$|{VARIABLE}",
        "examples": ["70%", 70],
    },
    "words": {
        "description": "Words, or a line that is split into words as a shell does",
        "anyOf": [_FORM, {"type": "array", "items": _FORM}],
    },
    "list": {"anyOf": [_FORM, {"type": "array", "items": _FORM}]},
    "pairs": {
        "description": "NAME: value, or a list of NAME=value",
        "anyOf": [
            {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
            {"type": "array", "items": {"type": "string"}},
        ],
    },
    "hosts": {
        "description": "name: address, or a list of name:address or name=address",
        "anyOf": [
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/list"}},
            {"type": "array", "items": {"type": "string"}},
        ],
    },
    "ports": {"type": "array", "items": {"anyOf": [_FORM, {"$ref": "#/$defs/port"}]}},
    "volumes": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/volume"}]}},
    "env_files": {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/env_file"}]}},
        ]
    },
    "file_references": {
        "type": "array",
        "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/file_reference"}]},
    },
    "ulimits": {
        "type": "object",
        "additionalProperties": {
            "anyOf": [{"type": ["integer", "string"]}, {"$ref": "#/$defs/ulimit"}],
        },
    },
    "dependencies": {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/dependency"}},
        ]
    },
    "steps": {
        "description": "Shares of the requests, rising; 100 follows by itself",
        "type": "array",
        "minItems": 1,
        "maxItems": 32,
        "items": {"anyOf": [{"$ref": "#/$defs/weight"}, {"$ref": "#/$defs/step"}]},
    },
    "analysis_or_off": {"anyOf": [{"const": False}, {"$ref": "#/$defs/analysis"}]},
    "services": {"type": "object", "additionalProperties": {"$ref": "#/$defs/service"}},
    "secrets": {"type": "object", "additionalProperties": {"$ref": "#/$defs/secret"}},
    "configs": {"type": "object", "additionalProperties": {"$ref": "#/$defs/config"}},
    "environments": {"type": "object", "additionalProperties": {"$ref": "#/$defs/environment"}},
}

_RESOLVE = "resolve it first: docker compose config"
_LIMITS = "use mem_limit, cpus, pids_limit or deploy.resources"
_ISOLATION = "it would take down a wall between the container and its host"

TOP = Section(
    "top",
    {
        "name": text("The project: services are project.service. Default: the folder's name"),
        "services": of("services", "What is to run"),
        "secrets": of("secrets", "Secrets of the cluster that services use"),
        "configs": of("configs", "Configs of the cluster that services use, or their content"),
        "x-tower-environments": of(
            "environments", "What differs in each environment; laid over the file when it is deployed there"
        ),
    },
    ignored={
        "version": "the Compose Specification has no versions any more",
        "volumes": "named volumes are made on the host that needs them; options are not supported yet",
        "networks": "services of one project share one network on each host",
    },
    refused={"include": _RESOLVE, "models": "models are not run by this cluster"},
    is_open=True,
)

ENVIRONMENT = Section(
    "environment",
    {
        "services": of("services", "Keys of services, merged over the file's own"),
        "secrets": of("secrets", "Secrets, merged over the file's own"),
        "configs": of("configs", "Configs, merged over the file's own"),
    },
    ignored={
        "requires": "which environment comes before is set with the environment itself",
        "soak": "how long a version must have been well before is set with the environment itself",
        "windows": "when an environment may be changed is set with the environment itself",
    },
    is_open=True,
)

_SERVICE_KNOWN: Mapping[str, Schema] = {
    "image": text("The image to run. It is pinned to its digest when it is deployed"),
    "command": of("words", "In place of the image's command"),
    "entrypoint": of("words", "In place of the image's entrypoint"),
    "environment": of("pairs", "Environment variables; they win over env_file"),
    "env_file": of("env_files", "Files of variables beside this file; `tower deploy` sends them along"),
    "ports": of("ports", "Ports on the host. A service with a route needs none"),
    "expose": many(_FORM, "Ports other containers of the project use"),
    "volumes": of("volumes", "Named volumes, host paths and memory"),
    "tmpfs": of("list", "Directories in memory, such as /run:size=64m,mode=1777"),
    "secrets": of("file_references", "Secrets as files, by default /run/secrets/NAME"),
    "configs": of("file_references", "Configs as files, by default /NAME"),
    "healthcheck": of("healthcheck", "How the container says that it is well"),
    "deploy": of("deploy", "How many, where, with what limits, and how they are updated"),
    "scale": count("As deploy.replicas", 0, 1000),
    "labels": of("pairs", "Labels of the containers"),
    "stop_grace_period": duration("How long a container may take to end before it is killed", "10s"),
    "stop_signal": text("The signal that asks it to end", "SIGTERM"),
    "restart": text("no, on-failure[:n], always or unless-stopped; as deploy.restart_policy", "always"),
    "user": text("Who its processes are: name or uid, with :group if need be"),
    "group_add": many(_FORM, "More groups of its processes"),
    "working_dir": text("Where its process begins"),
    "hostname": text("Its host name"),
    "domainname": text("Its domain name"),
    "init": flag("A small first process that reaps others and passes on signals"),
    "read_only": flag("Its root file system cannot be written", default=False),
    "cap_drop": many(_FORM, "Capabilities it does not get, such as ALL"),
    "cap_add": many(_FORM, "Capabilities it gets besides; needs the permission service.deploy-host-access"),
    "privileged": flag("All of the host; needs the permission service.deploy-host-access", default=False),
    "devices": many(
        {"anyOf": [_FORM, {"$ref": "#/$defs/device"}]},
        "Devices of the host; needs the permission service.deploy-host-access",
    ),
    "security_opt": many(
        {"enum": ["no-new-privileges", "no-new-privileges:true", "no-new-privileges:false"]},
        "no-new-privileges: its processes get no more rights than they begin with",
    ),
    "ulimits": of("ulimits", "Limits of its processes"),
    "sysctls": of("pairs", "Kernel settings it has for itself: net.*, fs.mqueue.*, and of kernel.* some"),
    "shm_size": size("Size of /dev/shm"),
    "extra_hosts": of("hosts", "More names in its /etc/hosts"),
    "dns": of("list", "Its name servers"),
    "dns_search": of("list", "Its search domains"),
    "dns_opt": of("list", "Options of its resolver"),
    "logging": of("logging", "Where the engine puts what it prints"),
    "mem_limit": size("As deploy.resources.limits.memory"),
    "mem_reservation": size("As deploy.resources.reservations.memory"),
    "cpus": text("As deploy.resources.limits.cpus"),
    "pids_limit": count("As deploy.resources.limits.pids", 1, 2**22),
    "oom_score_adj": _about(
        {
            "type": ["integer", "string"],
            "minimum": -1000,
            "maximum": 1000,
            "pattern": f"^-?[0-9]+$|{VARIABLE}",
        },
        "How soon the kernel ends it when memory runs out; below 0 needs service.deploy-host-access",
        0,
    ),
    "platform": text("Which of an image's platforms, such as linux/arm64. Default: the host's own"),
    "pull_policy": choice(
        "An image is pulled when the host does not have its digest", "always", "missing", "if_not_present"
    ),
    "depends_on": of("dependencies", "Services to be begun first; they are not waited for"),
    "x-tower": of("x-tower", "What Compose has no words for: route, strategy, hooks, singletons"),
}

SERVICE = Section(
    "service",
    _SERVICE_KNOWN,
    ignored={
        "annotations": "they speak to other runtimes than the engine's own",
        "attach": "logs are collected from every container",
        "build": "images come from a registry: build and push first",
        "container_name": "names are made from service, revision and replica: revisions run side by side",
        "develop": "files are not watched on a cluster",
        "networks": "services of one project share one network on each host",
        "pull_refresh_after": "an image is pinned to its digest, which does not change",
        "stdin_open": "replicas have no terminal",
        "tty": "replicas have no terminal",
    },
    refused={
        "blkio_config": "not supported",
        "cgroup": _ISOLATION,
        "cgroup_parent": "the engine chooses it",
        "cpu_count": _LIMITS,
        "cpu_percent": _LIMITS,
        "cpu_period": _LIMITS,
        "cpu_quota": _LIMITS,
        "cpu_rt_period": _LIMITS,
        "cpu_rt_runtime": _LIMITS,
        "cpu_shares": _LIMITS,
        "cpuset": _LIMITS,
        "credential_spec": "not supported",
        "device_cgroup_rules": "use devices",
        "extends": _RESOLVE,
        "external_links": "containers outside the project cannot be linked",
        "gpus": "not supported",
        "ipc": _ISOLATION,
        "isolation": "not supported",
        "label_file": "give labels",
        "links": "services reach each other by name in the project's network",
        "mac_address": "two replicas cannot have one address",
        "mem_swappiness": _LIMITS,
        "memswap_limit": _LIMITS,
        "models": "models are not run by this cluster",
        "network_mode": "only the project's own network is supported: replicas of two revisions could not be"
        " told apart on the host's; publish the ports it needs",
        "oom_kill_disable": "a container that cannot be ended would take its host with it",
        "pid": _ISOLATION,
        "post_start": "use x-tower.hooks.post_deploy, or the image's own start",
        "pre_stop": "requests are drained before a container is asked to end; x-tower.drain says how long",
        "profiles": f"every service of a file is deployed; {_RESOLVE}",
        "provider": "services are containers here",
        "runtime": "not supported",
        "storage_opt": "not supported",
        "use_api_socket": _ISOLATION,
        "userns_mode": _ISOLATION,
        "uts": _ISOLATION,
        "volumes_from": "volumes of other containers are not shared between hosts",
    },
    is_open=True,
)

HEALTHCHECK = Section(
    "healthcheck",
    {
        "test": of("words", 'Such as ["CMD", "/health"]; a text is run by a shell; ["NONE"] turns it off'),
        "interval": duration("Time between two checks", "30s"),
        "timeout": duration("How long one may take", "30s"),
        "retries": count("Failures in a row until it is unhealthy", 1, 1000, 3),
        "start_period": duration("Time to start in, in which failures do not count", "0s"),
        "start_interval": duration("Time between two checks while it starts (Docker 25 and newer)"),
        "disable": flag("Without the image's own check", default=False),
    },
)

PORT = Section(
    "port",
    {
        "target": count("Port in the container", 1, 65535),
        "published": count("Port on the host; left out: any free one", 0, 65535),
        "protocol": choice("Its protocol", "tcp", "udp", "sctp", default="tcp"),
        "host_ip": text("Address of the host it is bound to. Default: all"),
    },
    ignored={
        "mode": "a port is on the hosts that have a replica",
        "name": "it has no effect",
        "app_protocol": "it has no effect",
    },
    required=("target",),
)

VOLUME = Section(
    "volume",
    {
        "type": choice("What it is", "volume", "bind", "tmpfs", default="volume"),
        "source": text("Name of the volume, or path on the host"),
        "target": text("Path in the container"),
        "read_only": flag("It cannot be written", default=False),
        "volume": of("volume_options", "Of a named volume"),
        "tmpfs": of("tmpfs_options", "Of memory"),
    },
    refused={
        "bind": "the host's path must be there, and is mounted as it is",
        "consistency": "it means something on a Mac only",
        "image": "not supported",
    },
    required=("target",),
)
VOLUME_OPTIONS = Section(
    "volume_options",
    {"nocopy": flag("A new volume does not begin with the image's files", default=False)},
    refused={"subpath": "not supported", "labels": "not supported"},
)
TMPFS_OPTIONS = Section(
    "tmpfs_options",
    {
        "size": size("Default: half of the host's memory"),
        "mode": text("Permissions in octal", "1777"),
    },
)

ENV_FILE = Section(
    "env_file",
    {
        "path": text("Beside the Compose file"),
        "required": flag("Whether it must be there", default=True),
        "format": choice("raw: values as they are, without quotes or variables", "raw"),
    },
    required=("path",),
)

FILE_REFERENCE = Section(
    "file_reference",
    {
        "source": text("Name at the top of this file"),
        "target": text("Path in the container, or its name in the default place"),
        "uid": text("Its owner", "0"),
        "gid": text("Its group", "0"),
        "mode": text("Permissions in octal; nothing may be writable", "0444"),
    },
    required=("source",),
)

SECRET = Section(
    "secret",
    {
        "external": _about({"const": True}, "It is in the cluster: tower secret put"),
        "name": text("Its name in the cluster. Default: the key"),
        "x-tower": of("file_version", "Which version"),
    },
    ignored={"labels": "a secret has no labels"},
    refused={
        "file": "a secret is not read from a file at deployment: store it with `tower secret put`, and write"
        " external: true",
        "environment": "a secret is not taken from a variable: store it with `tower secret put`, and write"
        " external: true",
        "driver": "not supported",
        "driver_opts": "not supported",
        "template_driver": "not supported",
    },
    is_open=True,
)
CONFIG = Section(
    "config",
    {
        "external": _about({"const": True}, "It is in the cluster: tower config put"),
        "name": text("Its name in the cluster. Default: the key; with content or file: project_key"),
        "content": text("Its content, variables replaced"),
        "file": text("A file beside this one with its content; `tower deploy` sends it along"),
        "x-tower": of("file_version", "Which version of an external one"),
    },
    ignored={"labels": "a config has no labels"},
    refused={
        "environment": "write content: ${NAME}",
        "template_driver": "not supported",
    },
    is_open=True,
)
FILE_VERSION = Section(
    "file_version", {"version": count("Stay with this version. Default: the newest", 1, 2**31 - 1)}
)

DEVICE = Section(
    "device",
    {
        "source": text("On the host, such as /dev/fuse"),
        "target": text("In the container. Default: as on the host"),
        "permissions": text("Of r, w and m", "rwm"),
    },
    required=("source",),
)
ULIMIT = Section(
    "ulimit",
    {
        "soft": _about({"type": ["integer", "string"]}, "What holds at first; -1 is unlimited"),
        "hard": _about({"type": ["integer", "string"]}, "How far it may be raised; -1 is unlimited"),
    },
    required=("soft", "hard"),
)
LOGGING = Section(
    "logging",
    {
        "driver": text(
            "json-file, local, journald or none; others send the log away with the engine's rights and need"
            " the permission service.deploy-host-access"
        ),
        "options": of("pairs", "Options of the driver, such as max-size: 10m"),
    },
)
DEPENDENCY = Section(
    "dependency",
    {
        "condition": choice(
            "Not waited for: services are begun in this order",
            "service_started",
            "service_healthy",
            "service_completed_successfully",
        ),
        "required": flag("Whether it must be in the file", default=True),
        "restart": flag("It has no effect", default=False),
    },
)

DEPLOY = Section(
    "deploy",
    {
        "replicas": count("How many", 0, 1000, 1),
        "mode": choice("Always a number of replicas", "replicated", default="replicated"),
        "update_config": of("update_config", "How a new revision takes the place of the old one"),
        "rollback_config": of("rollback_config", "How fast the old revision comes back"),
        "restart_policy": of("restart_policy", "What follows when a container ends"),
        "placement": of("placement", "On which hosts"),
        "resources": of("resources", "Limits and reservations"),
        "labels": of("pairs", "Labels of the service; its containers do not get them"),
    },
    ignored={"endpoint_mode": "a route reaches every replica, and a name in the project's network does"},
    is_open=True,
)
UPDATE_CONFIG = Section(
    "update_config",
    {
        "parallelism": count("Replicas at once; 0: all", 0, 1000, 1),
        "order": choice(
            "start-first: the new one serves before the old one stops. A fixed host port, or one replica that"
            " writes to a volume, is stop-first by itself",
            "start-first",
            "stop-first",
            default="start-first",
        ),
        "delay": duration("Pause between two batches", "0s"),
        "monitor": duration("How long a new replica must stay healthy", "10s"),
        "failure_action": choice("When it fails", "rollback", "pause", "continue", default="rollback"),
        "max_failure_ratio": rate("Share of replicas that may fail for good", "0%"),
    },
)
ROLLBACK_CONFIG = Section(
    "rollback_config",
    {"parallelism": count("Replicas at once; 0: all", 0, 1000, 0)},
    ignored={
        "order": "a roll-back has the order of the update",
        "delay": "a roll-back does not pause",
        "monitor": "what served before is not watched anew",
        "failure_action": "a roll-back that fails pauses and tells people",
        "max_failure_ratio": "a roll-back that fails pauses and tells people",
    },
)
RESTART_POLICY = Section(
    "restart_policy",
    {
        "condition": choice("When it is started again", "any", "on-failure", "none", default="any"),
        "delay": duration("Time before each attempt. Default: growing"),
        "max_attempts": count("How many within the window; 0: no limit", 0, 1_000_000, 0),
        "window": duration("Time in which attempts are counted. Default: ever"),
    },
)
PLACEMENT = Section(
    "placement",
    {
        "constraints": many(
            _FORM, "Rules every host meets, such as node.labels.tier==app or node.hostname!=db1"
        ),
        "preferences": many("preference", "Over what replicas are spread, the most important first"),
        "max_replicas_per_node": count("Most replicas on one host; 0: any number", 0, 1000, 0),
    },
)
PREFERENCE = Section(
    "preference", {"spread": text("An attribute, such as node.labels.zone")}, required=("spread",)
)
RESOURCES = Section(
    "resources",
    {
        "limits": of("limits", "What a replica cannot exceed"),
        "reservations": of("reservations", "What a host must have free for a replica"),
    },
)
LIMITS = Section(
    "limits",
    {
        "cpus": text("Cores, such as 0.5"),
        "memory": size("Memory, such as 512M"),
        "pids": count("Processes and threads", 1, 2**22),
    },
)
RESERVATIONS = Section(
    "reservations",
    {"cpus": text("Cores, such as 0.25"), "memory": size("Memory, such as 256M")},
    refused={
        "devices": "devices are not counted; use devices and placement.constraints",
        "generic_resources": "not supported; use placement.constraints",
        "pids": "pids is a limit",
    },
)

TOWER = Section(
    "x-tower",
    {
        "route": of("route", "Which requests go to this service"),
        "strategy": choice(
            "rolling: replica by replica. blue-green: all new ones beside the old, then the switch. canary:"
            " rising shares of the requests, judged at each",
            *Strategy,
            default="rolling",
        ),
        "rolling": of("rolling", "Of strategy rolling, in place of update_config's parallelism"),
        "blue_green": of("blue_green", "Of strategy blue-green"),
        "canary": of("canary", "Of strategy canary"),
        "analysis": of("analysis_or_off", "What makes the new revision worse; false: nothing does"),
        "start_deadline": duration("A replica's time to become healthy, its image being there", "2m"),
        "pull_deadline": duration("Time to pull the image", "10m"),
        "progress_deadline": duration("Longest time without progress; then the rollout has failed", "10m"),
        "retries": count("Further attempts of a replica, on another host if there is one", 0, 100, 1),
        "drain": of("drain", "What open requests get before the old container is stopped"),
        "singleton": choice(
            "Never two at once. true: starts elsewhere when the lost host has surely stopped its own. manual:"
            " only when a person says so",
            True,
            False,
            "strict",
            "manual",
            default=False,
        ),
        "failover": choice(
            "When its host is lost. auto: elsewhere, unless its volume is there. restart: also then, with an"
            " empty volume. none: it waits for its host",
            *Failover,
            default="auto",
        ),
        "pin_host": text("Name or id of the one host it may be on"),
        "placement": of("tower_placement", "More rules on hosts"),
        "hooks": of("hooks", "Commands around a deployment, in a container of the new revision"),
        "scaling": of("scaling", "Between two bounds, as many replicas as there is to do"),
        "watch": of("watch", "Follow what the image's tag means, and deploy that when it is old enough"),
    },
)
ROUTE = Section(
    "route",
    {
        "host": text("Host name of the requests, such as shop.example.com or *.example.com"),
        "path": text("What their path begins with; the longest one gets the request", "/"),
        "port": count("Port in the container", 1, 65535),
        "health": text('Path that answers 2xx or 3xx when a replica can serve; "tcp": it accepts', "/"),
        "health_path": text("As health"),
        "sticky": choice(
            "What keeps a person on one revision, and with cookie on one replica",
            "none",
            "cookie",
            "address",
            default="none",
        ),
        "tls": choice(
            "off: HTTP only. on: also HTTPS where there is a certificate. redirect: HTTP is sent to HTTPS",
            "off",
            "on",
            "redirect",
            False,
            True,
            default="off",
        ),
        "slow_start": duration("How long a new replica's share takes to grow", "0s"),
    },
    required=("host", "port"),
)
ROLLING = Section(
    "rolling",
    {
        "max_surge": count("Replicas above the wanted number; start-first", 0, 1000, 1),
        "max_unavailable": count("Replicas below the wanted number; stop-first", 0, 1000, 0),
    },
)
STEP = Section(
    "step",
    {
        "weight": of("weight", "Percent of the requests"),
        "for": duration("How long it is held at least"),
        "pause": choice("approve: a person lets it go on from here", "approve"),
    },
    required=("weight",),
)
BLUE_GREEN = Section(
    "blue_green",
    {
        "steps": of("steps", "Steps of the switch", [10, 100]),
        "switch_steps": of("steps", "As steps"),
        "preview_replicas": count("Replicas until the switch; 0: as many as the service has", 0, 1000, 0),
        "auto_promote": flag("false: a person approves the switch", default=True),
        "approve_timeout": duration("How long a person is waited for; then it is given up", "8h"),
        "monitor": duration("How long it is watched after the switch", "5m"),
        "keep_blue": duration("How long the old revision is kept running after the switch", "10m"),
    },
)
CANARY = Section(
    "canary",
    {
        "steps": of("steps", "Shares of the requests, each held 5 minutes", [5, 10, 25, 50, 100]),
        "approve_timeout": duration("How long a person is waited for; then it is given up", "8h"),
        "keep": duration("How long the old revision is kept running at the end", "0s"),
        "analysis": of("analysis_or_off", "As x-tower.analysis"),
        "min_requests": count("As analysis.min_requests", 0, 10**9),
        "warmup": duration("As analysis.warmup"),
        "on_inconclusive": choice("As analysis.on_inconclusive", *InconclusiveAction),
    },
)
ANALYSIS = Section(
    "analysis",
    {
        "budget": rate(
            "Chance that a rollout of an identical revision is rolled back, all tests together", "1%"
        ),
        "warmup": duration("A replica's first time, which is not judged", "1m"),
        "min_requests": count("Fewest requests of the new revision before a share is passed", 0, 10**9, 50),
        "on_inconclusive": choice(
            "When there is too little to judge by", *InconclusiveAction, default="pause"
        ),
        "silence": duration("How long a judge without figures is waited for; then it is undone", "5m"),
        "min_effect": rate("Least failure rate that matters", "0.2%"),
        "margin": rate("How much worse it may still be when a step ends, by its interval", "1%"),
        "error_rate": rate("Most failed requests"),
        "success_rate": rate("Fewest successful requests"),
        "latency": of("latency", "Longest answers"),
        "errors": of("errors", "Another form of error_rate"),
        "metrics": many("metric_limit", "Limits on what is measured of each replica"),
    },
)
_QUANTITY = {"type": ["number", "string"], "pattern": f"^[0-9.]+ *([A-Za-z%]+(/s)?)?$|{VARIABLE}"}
METRIC_LIMIT = Section(
    "metric_limit",
    {
        "metric": choice("What is measured, as tower metrics has it", *LIMITED_METRICS),
        "max": _about(_QUANTITY, "Most of any replica, in the metric's unit: 512MiB, 80%, 250ms"),
        "min": _about(_QUANTITY, "Least of any replica"),
        "ratio_max": _about(
            {"type": ["number", "string"], "minimum": 1, "pattern": f"^[0-9.]+$|{VARIABLE}"},
            "Most of the mean of the new replicas against that of the old ones at the same time",
        ),
        "for": duration("How long it is past the limit; not of what counts events", "1m"),
    },
    required=("metric",),
)
LATENCY = Section(
    "latency",
    {
        "p50": duration("Median"),
        "p95": duration("95th percentile"),
        "p99": duration("99th percentile"),
        "ratio": _about(
            {"type": ["number", "string"], "minimum": 1, "pattern": f"^[0-9.]+$|{VARIABLE}"},
            "95th percentile against the old revision's",
        ),
        "max_p95_ratio": _about(
            {"type": ["number", "string"], "minimum": 1, "pattern": f"^[0-9.]+$|{VARIABLE}"}, "As ratio"
        ),
    },
    ignored={"alpha": "one budget is divided over all tests: analysis.budget"},
)
ERRORS = Section(
    "errors",
    {"max_rate": rate("As analysis.error_rate")},
    ignored={"alpha": "one budget is divided over all tests: analysis.budget"},
)
DRAIN = Section(
    "drain",
    {
        "timeout": duration("For requests", "30s"),
        "websockets": duration("For open WebSockets, in all. Default: as timeout"),
    },
)
TOWER_PLACEMENT = Section(
    "tower_placement",
    {
        "apart_from": of("list", "Services that are never on the same host: names, or project.name"),
        "headroom": of("headroom", "What reservations leave of a host, in percent", 10),
    },
)
SCALING = Section(
    "scaling",
    {
        "min": count("Fewest replicas", 1, 1000, 1),
        "max": count("Most replicas", 1, 1000),
        "cpu": of("percent", "Of a replica's limit, else its reservation, else one core"),
        "memory": of("percent", "Of a replica's limit, else its reservation"),
        "requests_per_second": count("Of one replica; needs a route", 1, 1_000_000),
        "latency_p95": duration("95th percentile of all answers; needs a route"),
        "up_window": duration("How long more have to be needed before there are more, at most 60s", "0s"),
        "down_window": duration("How long fewer have to be enough before there are fewer", "5m"),
        "tolerance": of("percent", "How far from a target nothing changes", "10%"),
        "step_up": of("percent", "Most replicas added at once, in percent of those there are", "100%"),
        "step_down": of("percent", "Most replicas taken away at once", "50%"),
        "cooldown": duration("Between two changes", "15s"),
    },
    required=("max",),
)
WATCH = Section(
    "watch",
    {
        "tag": choice("follow: a new image under the same tag is deployed", "follow", default="follow"),
        "every": duration("How often its registry is asked", "15m"),
        "min_age": duration("How long the tag has to mean the same before it is deployed", "24h"),
        "window": of("watch_window", "When it may be deployed, beside the cluster's change windows"),
        "strategy": choice("Of these deployments, instead of the service's own", *Strategy),
    },
)
WATCH_WINDOW = Section(
    "watch_window",
    {
        "cron": text("When the window opens: minute, hour, day of the month, month, day of the week"),
        "duration": duration("How long it is open"),
        "timezone": text("Of cron, such as Europe/Berlin", "UTC"),
    },
    required=("cron", "duration"),
)
HOOKS = Section(
    "hooks",
    {
        "pre_deploy": many("hook", "Before the new revision serves; one that fails ends the deployment"),
        "post_deploy": many("hook", "After the last replica serves"),
    },
)
HOOK = Section(
    "hook",
    {
        "command": of("words", "What is run, after the image's entrypoint"),
        "timeout": duration("How long it may take", "5m"),
        "retry": flag("Run it again elsewhere when its host is lost", False),
    },
    required=("command",),
)

SECTIONS: tuple[Section, ...] = (
    TOP, ENVIRONMENT, SERVICE, HEALTHCHECK, PORT, VOLUME, VOLUME_OPTIONS, TMPFS_OPTIONS,
    ENV_FILE, FILE_REFERENCE, SECRET, CONFIG, FILE_VERSION, DEVICE, ULIMIT, LOGGING, DEPENDENCY, DEPLOY,
    UPDATE_CONFIG, ROLLBACK_CONFIG, RESTART_POLICY, PLACEMENT, PREFERENCE, RESOURCES, LIMITS,
    RESERVATIONS, TOWER, ROUTE, ROLLING, STEP, BLUE_GREEN, CANARY, ANALYSIS, METRIC_LIMIT, LATENCY, ERRORS,
    DRAIN, TOWER_PLACEMENT, SCALING, HOOKS, HOOK, WATCH, WATCH_WINDOW,
)  # fmt: skip
