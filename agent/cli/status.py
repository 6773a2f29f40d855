"""`tower status`: is the cluster well, and how much more can it lose?"""

from __future__ import annotations

import argparse
from collections import Counter

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.node import print_nodes
from agent.cli.output import print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    verbs.add_parser("status", help="the state of the cluster, and how many hosts it can lose")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    status = client.get("/cluster")
    if getattr(args, "json", False):
        print_json(status)
        return DONE
    names = {node["id"]: node["name"] for node in status["nodes"]}
    leader_id = status["leader_id"]
    leader = names.get(leader_id, leader_id) or "none: nothing can be changed until a majority is back"
    quorum = status["quorum"]
    log = f"committed {status['commit_index']}, applied {status['applied_index']}"
    print(f"cluster  {status['name'] or status['cluster_id']}")
    print(f"leader   {leader}")
    print(f"raft     term {status['term']}, {log}")
    print(f"quorum   {quorum['healthy']} of {quorum['voters']} voters are well; {quorum['advice']}")
    if status.get("disk_full"):
        print("disk     full on the host that answers: it accepts no writes until there is room")
    alerts = Counter(each["state"] for each in client.items("/alerts"))
    told = ", ".join(f"{alerts[state]} {state}" for state in ("firing", "acknowledged") if alerts[state])
    print(f"alerts   {told}: `tower alerts` says what is wrong" if told else "alerts   none")
    print()
    print_nodes(status["nodes"])
    return DONE
