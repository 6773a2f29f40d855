"""The sentences that the dashboard shows in Italian: each that is made has one, and none is left without it.

Sentences are English where they are kept and sent; `web/ui/src/lib/sentences/it` has what the dashboard shows
instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.architecture.repository import PACKAGES, ROOT, python_files
from tests.architecture.sentence_templates import Found, templates_in
from web.tools.catalog import REGISTRY

ITALIAN = ROOT / "web" / "ui" / "src" / "lib" / "sentences" / "it"
# Words that stand in placeholders: no module makes them as sentences.
WORDS = "words.json"

# What makes sentences for people. A directory is all of its modules.
COVERED = (
    "agent/docker/access.py",
    "agent/docker/engine.py",
    "agent/docker/exec_session.py",
    "agent/docker/failures.py",
    "agent/docker/made_from.py",
    "agent/docker/settings.py",
    "agent/execute/adopting.py",
    "agent/execute/creating.py",
    "agent/execute/fence.py",
    "agent/execute/health.py",
    "agent/execute/hooks.py",
    "agent/execute/probing.py",
    "agent/execute/pulling.py",
    "agent/execute/replacing.py",
    "agent/execute/restarting.py",
    "agent/follow/assignments_replica.py",
    "agent/follow/container_desk.py",
    "agent/follow/engine_failures.py",
    "agent/follow/heartbeat.py",
    "agent/follow/hooks.py",
    "agent/follow/keeper_link.py",
    "agent/follow/lease.py",
    "agent/follow/leave.py",
    "agent/follow/local_host.py",
    "agent/follow/local_logs.py",
    "agent/follow/local_resources.py",
    "agent/follow/log_collector.py",
    "agent/follow/readiness.py",
    "agent/follow/removal.py",
    "agent/follow/routing.py",
    "agent/follow/stored_files.py",
    "agent/leader/alert_numbers.py",
    "agent/leader/autoscaling.py",
    "agent/leader/driver.py",
    "agent/leader/image_watch.py",
    "agent/leader/scheduling.py",
    "agent/notify/identity_providers.py",
    "agent/notify/sender.py",
    "agent/peers/client.py",
    "agent/peers/container_client.py",
    "agent/router/absent.py",
    "agent/router/choosing.py",
    "agent/router/haproxy/router.py",
    "agent/router/manual.py",
    "agent/router/traefik/router.py",
    "cluster/autoscale",
    "cluster/compose",
    "cluster/failover",
    "cluster/logs/events.py",
    "cluster/logs/pattern.py",
    "cluster/model/outbound.py",
    "cluster/placement",
    "cluster/raft/membership.py",
    "cluster/raft/raft_thread.py",
    "cluster/raft/replicator.py",
    "cluster/rbac",
    "cluster/readiness",
    "cluster/rollout",
    "cluster/schedule",
    "cluster/state_machine",
    "cluster/survey",
    "web/api/conditions.py",
    "web/auth",
    "web/live/connection.py",
    "web/live/hub.py",
    "web/live/log_lines.py",
    "web/live/terminal.py",
    "web/middleware/authentication.py",
    "web/middleware/authorization.py",
    "web/middleware/bodies.py",
    "web/middleware/errors.py",
    "web/middleware/idempotency.py",
    "web/middleware/rate_limit.py",
    "web/tools",
)

# Of those directories, what says nothing to the dashboard, or not in Italian yet.
LEFT_OUT = {
    r"_tools|/toolsets|/catalog|web/tools/planning|/untrusted|/answer_size|/portable_schema": (
        "said to programs"
    ),
    r"/analytics_\w+|/diagnosis\w*|/clearing|/resource_sight|/markers|web/tools/cluster": (
        "comes with translations"
    ),
    r"web/tools/metric_import": "said to programs",
}

# Packages of which nothing is covered, so that a new one is thought of.
NOT_COVERED = {
    "the command line and what starts an agent, in English": (
        "agent",
        "agent/cli",
        "agent/config",
        "agent/keeper",
        "agent/keys",
        "agent/node",
        "cluster",
        "cluster/identity",
        "web",
    ),
    "comes with translations": (
        "cluster/alerts",
        "cluster/analytics",
        "cluster/cleanup",
        "cluster/diagnosis",
    ),
    "said to programs, or by parts of the cluster to each other": (
        "agent/export",
        "agent/router/haproxy",
        "agent/router/traefik",
        "cluster/commands",
        "cluster/history",
        "cluster/metrics",
        "cluster/store",
        "web/assistant",
        "web/mcp",
    ),
    "not in Italian yet": (
        "agent/collect",
        "agent/host",
        "agent/logbook",
        "cluster/audit",
    ),
}

# Found like sentences, and none that the dashboard shows.
EXCEPTIONS = {
    "what answers of Docker are recognised by": (
        "Already exists",
        "Pull complete",
        "cannot resume a running process",
        "dial tcp|no such host|connection refused|i/o timeout|request canceled|network is unreachable|EOF$"
        r"|connection reset|Client\.Timeout|no route to host|deadline exceeded",
        "is not paused",
        "login succeeded",
        "no matching manifest for|does not match the specified platform|no match for platform"
        "|image operating system",
        "no space left on device|disk quota exceeded",
        "pull access denied|no basic auth credentials|unauthorized|authentication required|denied:"
        "|incorrect username or password|403 Forbidden",
        "toomanyrequests|rate limit|429 Too Many Requests",
        "x509|tls:|certificate|server gave HTTP response to HTTPS client",
    ),
    "what answers of the validator are recognised by": (
        "^(String|List|Dictionary) should have",
        "^Extra inputs are not permitted$",
        "^Field required$",
        "^Input should be",
        "^String should have at least 1 character$",
        "^Value error",
        "greater than or equal to",
        "less than or equal to",
    ),
    "written in a language of machines": (
        r"(//|@|-h |--host[= ]){0}(?![\w.-])",
        "-eo pid,ppid,user,pcpu,pmem,rss,etime,stat,args",
        "Basic {0}",
        "Bearer {0}",
        "Connection: close",
        "GET {0} HTTP/1.1",
        "Host: {0}",
        "M{0} {1}h{2}v1h-{3}z",
        "POST {0} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        "Content-Type: application/json\r\nContent-Length: {1}\r\n\r",
        "User-Agent: control-tower",
        "^[0-9.]+ *([A-Za-z%]+(/s)?)?$|{0}",
        "command -v bash || command -v zsh || command -v ash || command -v sh",
        "get-deploy-status with service={0}",
        "{0} TiB",
    ),
    "said by one part of the cluster to another, which acts on it": (
        "a batch of {0} names one subject twice",
        "command {0} of client {1} is as old as forgotten commands: whether it took effect before is not"
        " known, or its sender's clock is behind",
        "command {0} of client {1} is more than {2} behind its newest, {3}: whether it took effect before is"
        " not known",
        "exchange {0} of {1} is kept already",
        "not a membership: expected [voters, learners, removed]",
        "not a membership: expected pairs of id and address",
        "only the leader may do this: the command names no leader's term",
        "samples of {0} from {1} on: recorded up to {2} already",
        "samples of {0} up to {1}: more than {2} s ahead of the cluster's time, {3}; set the host's clock",
        "samples of {0} up to {1}: older than anything that is kept ({2} days)",
        "samples of {0}: there are {1} sources, the most there may be; use the name of an earlier import",
        "subject {0} of {1} is not known: define it",
        "term {0} cannot be taken up by a command of leader term {1}, proposed in term {2}",
        "term {0} is over: {1} leads since term {2}",
        "the command names leader term {0}, but was proposed in term {1}",
        "the leader of term {0} has not taken up its duties: TakeLeadership comes first",
        "the leader of term {0} was replaced: {1} leads since term {2}",
        "{0} {1} of {2} cannot be measured: there are {3} subjects with a history, the most there may be;"
        " those gone for 30 days are being forgotten",
    ),
    "what an alert that was told wrongly would be refused with": (
        "it was told already",
        "only what fires is told",
        "the end of what was not told, or is not over, is not told",
        "what fires does not wait again",
        "what was not told cannot be told again",
    ),
    "what the audit alone keeps, such as how a login was proved": (
        "CSRF token {0}",
        "a code of it was shown",
        "a recovery code",
        "exit code unknown",
        "identity provider {0} says who it is",
        "sign-in {0}",
        "the password and {0} are right",
        "the password is right",
        "the password is right, and a code of the new authenticator",
        "the refresh token is right",
        "the setup token was shown",
    ),
}

# What the dashboard takes for one placeholder: nobody could say where their values part.
_RUN = re.compile(r"\{\d+\}(?:\s?\{\d+\})*")


def test_every_sentence_has_an_italian_one() -> None:
    known = {template for sentences in catalogues().values() for template in sentences} | exceptions()

    missing = [found for found in made() if found.template not in known]

    assert not missing, (
        "say it in Italian in web/ui/src/lib/sentences/it, or name it as an exception:\n"
        + "\n".join(f"{found.path}:{found.line}: {found.template!r}" for found in missing)
    )


def test_no_italian_sentence_is_left_of_one_that_nobody_makes() -> None:
    templates = {found.template for found in made()}

    stale = [
        f"{name}: {template!r}"
        for name, sentences in catalogues().items()
        if name != WORDS
        for template in sentences
        if template not in templates
    ]

    assert not stale, "nothing makes these any more:\n" + "\n".join(stale)
    assert not exceptions() - templates, "nothing makes these exceptions any more"


def test_a_package_is_covered_or_named() -> None:
    named = {package for packages in NOT_COVERED.values() for package in packages}
    covered = {str(path.parent.relative_to(ROOT)) for path in _modules()}

    saying = {str(path.parent.relative_to(ROOT)) for path in python_files(*PACKAGES) if found_in(path)}

    assert saying - covered == named - covered, "put them into COVERED or NOT_COVERED"


def test_a_sentence_is_in_one_catalogue() -> None:
    seen: dict[str, str] = {}
    twice = []
    for name, sentences in catalogues().items():
        for template in sentences:
            if template in seen:
                twice.append(f"{name} and {seen[template]}: {template!r}")
            seen[template] = name

    assert not twice, "\n".join(twice)


def test_italian_sentences_have_the_placeholders_of_the_english_ones() -> None:
    wrong = [
        f"{name}: {english!r}: {italian!r}"
        for name, sentences in catalogues().items()
        for english, italian in sentences.items()
        if set(_RUN.findall(english)) != set(_RUN.findall(italian))
        or english.startswith(" ") != italian.startswith(" ")
    ]

    assert not wrong, "\n".join(wrong)


def test_a_sentence_is_found_with_what_varies_in_it() -> None:
    source = '''
        """A docstring of several words."""
        log.info("a line for the log of %s", name)
        reason = f"replica {ordinal} on {host} waits" + (f" for {why}" if why else "")
        words = f"{count} container{'s' if count > 1 else ''} move"
        if reason == "compared with some words":
            raise ValueError("a defect of the program")
        "; ".join(["and", f"; {more} more are listed: "])
    '''

    found = {each.template for each in templates_in(Path("x.py"), "if True:" + source)}

    assert found == {
        "replica {0} on {1} waits{2}",
        " for {0}",
        "{0} containers move",
        "{0} container move",
        "{0} more are listed",
    }


@cache
def made() -> tuple[Found, ...]:
    """Every sentence of the modules that are covered."""
    return tuple(found for path in _modules() for found in found_in(path))


@cache
def found_in(path: Path) -> tuple[Found, ...]:
    """The sentences of one module."""
    return tuple(templates_in(path.relative_to(ROOT), path.read_text(encoding="utf-8")))


def _modules() -> Iterator[Path]:
    for path in python_files(*COVERED):
        if not any(re.search(f"(?:{pattern})\\.py$", str(path)) for pattern in LEFT_OUT):
            yield path


@cache
def catalogues() -> dict[str, dict[str, str]]:
    """What each file has, English to Italian."""
    return {
        path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(ITALIAN.glob("*.json"))
    }


def exceptions() -> set[str]:
    return {template for templates in EXCEPTIONS.values() for template in templates}


def test_every_tool_that_the_assistant_calls_has_an_italian_title() -> None:
    words = json.loads((ITALIAN / WORDS).read_text())
    assert sorted({tool.title for tool in REGISTRY.tools} - words.keys()) == []
