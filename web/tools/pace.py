"""How long things wait and how often they repeat: one value for a server, shorter in tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds.

    `overview_patience_s` and `list_patience_s`: how long a list of hosts, and one of containers, waits
    for hosts that do not answer. `answers_fresh_s`: how old a list may be that others asked for, too.
    `rollout_wait_s`: how long a deployment waits to name its rollouts, and who asks something of one for
    its answer. `split_wait_s`: how long who shares requests anew waits for the routers. `drain_wait_s`:
    how long a leaving host waits for its replicas to run elsewhere. `coalesce_s`: changes of one topic
    are told together at most this often. `pulse_s`: how often a live connection hears that its host is
    there, whatever else is said; pages take three missed ones for its loss. `webhook_test_s`: how long
    beyond the receiver's own time who tries a webhook waits for what came of it. `terminal_idle_s`: after
    how long without a byte in either direction a command in a container is ended, and `terminal_begin_s`
    how long its caller may take to say which. `progress_s`: how often who waits for a rollout hears how far
    it is. `answer_s`: how long the assistant may take for one answer; `answer_look_s` how often it is
    looked whether anybody still reads it, and `answer_heartbeat_s` after how much silence its reader hears
    that it is being made.
    """

    audit_flush_s: float = 60.0
    overview_patience_s: float = 0.3
    list_patience_s: float = 2.5
    numbers_fresh_s: float = 2.0
    answers_fresh_s: float = 0.25
    rollout_wait_s: float = 3.0
    split_wait_s: float = 5.0
    drain_wait_s: float = 45.0
    stream_heartbeat_s: float = 15.0
    coalesce_s: float = 0.5
    containers_s: float = 2.0
    metrics_s: float = 5.0
    seconds_s: float = 1.0
    pulse_s: float = 2.0
    webhook_test_s: float = 3.0
    socket_heartbeat_s: float = 15.0
    terminal_idle_s: float = 1800.0
    terminal_begin_s: float = 10.0
    progress_s: float = 2.0
    answer_s: float = 180.0
    answer_look_s: float = 0.25
    answer_heartbeat_s: float = 10.0
