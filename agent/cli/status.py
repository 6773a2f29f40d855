"""`tower status`: is the cluster well, and how much more can it lose?"""

from __future__ import annotations

import argparse

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.node import print_nodes
from agent.cli.output import print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    verbs.add_parser("status", help="the state of the cluster, and how many hosts it can lose")


def run(args: argparse.Namespace) -> int:
    status = connect(args).get("/cluster")
    if getattr(args, "json", False):
        print_json(status)
        return DONE
    leader = status["leader"] or "none: nothing can be changed until a majority of voters is back"
    print(f"cluster    {status['name']} ({status['cluster_id']})")
    print(f"leader     {leader}")
    log = f"committed {status['commit_index']}, applied {status['applied_index']}"
    print(f"raft       term {status['term']}, {log}")
    quorum = status["quorum"]
    print(
        f"quorum     {quorum['reachable']} of {quorum['voters']} voters answer, {quorum['needed']} are needed"
    )
    print(f"           {quorum['advice']}")
    print(f"answered   by {status['node']}, {status['read_level']}\n")
    print_nodes(status["nodes"])
    return DONE
