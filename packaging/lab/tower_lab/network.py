"""The bridge, and one network namespace with an `eth0` per endpoint, made with iproute2."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from tower_lab.plan import Endpoint, Plan, mac_of
from tower_lab.processes import in_namespace, kill_all
from tower_lab.programs import attempt, run


def networks_in_use() -> list[ipaddress.IPv4Network]:
    """Every IPv4 network this machine routes (all tables) or has an address in; the default route is none."""
    found = set()
    for route in _ip_json("-4", "route", "show", "table", "all"):
        destination = str(route.get("dst", "default"))
        if destination != "default":
            found.add(ipaddress.IPv4Network(destination, strict=False))
    for interface in _ip_json("-4", "address", "show"):
        for address in interface.get("addr_info", ()):
            found.add(ipaddress.IPv4Network(f"{address['local']}/{address['prefixlen']}", strict=False))
    return sorted(network for network in found if network.prefixlen > 0)


def bridge_exists(name: str) -> bool:
    """True when this machine has an interface called `name`."""
    return attempt(["ip", "link", "show", "dev", name]).returncode == 0


def make_bridge(plan: Plan) -> None:
    """Make the bridge with the machine's own address on it; nothing changes when it is there."""
    if not bridge_exists(plan.bridge):
        # Without an address of its own a bridge takes the lowest of its ports': as hosts come and go it would
        # change, and the others would send to the old one until their ARP caches expire.
        address = mac_of(plan.gateway)
        kind = ["type", "bridge", "stp_state", "0", "forward_delay", "0"]
        run(["ip", "link", "add", plan.bridge, "address", address, *kind])
        _without_addresses_of_its_own(plan.bridge)
    run(["ip", "address", "replace", f"{plan.gateway}/{plan.subnet.prefixlen}", "dev", plan.bridge])
    run(["ip", "link", "set", plan.bridge, "up"])
    # A Docker daemon of the machine's own drops what is forwarded, and bridged packets pass iptables where
    # bridge-nf-call-iptables is 1 (the kernel's default once br_netfilter is there).
    if attempt(["iptables", "-w", "-C", *_forward_rule(plan)]).returncode != 0:
        run(["iptables", "-w", "-I", *_forward_rule(plan)])


def remove_bridge(plan: Plan) -> None:
    """Remove the bridge and its rule, where they are."""
    while attempt(["iptables", "-w", "-D", *_forward_rule(plan)]).returncode == 0:
        pass
    attempt(["ip", "link", "delete", plan.bridge])


def _forward_rule(plan: Plan) -> list[str]:
    same_bridge = ["-i", plan.bridge, "-o", plan.bridge]
    return ["FORWARD", *same_bridge, "-m", "comment", "--comment", f"lab {plan.prefix}", "-j", "ACCEPT"]


def attach(endpoint: Endpoint) -> None:
    """Make the endpoint's network namespace: `eth0` on the bridge, a default route through the machine.

    Whatever was left under its names is removed first.
    """
    detach(endpoint)
    namespace = endpoint.namespace
    run(["ip", "netns", "add", namespace])
    pair = ["type", "veth", "peer", "name", "eth0", "address", endpoint.mac, "netns", namespace]
    run(["ip", "link", "add", endpoint.link, *pair])
    _without_addresses_of_its_own(endpoint.link)
    run(["ip", "link", "set", endpoint.link, "master", endpoint.bridge, "up"])
    batch = (
        "link set lo up\n"
        f"address add {endpoint.address}/{endpoint.prefix_length} dev eth0\n"
        "link set eth0 up\n"
        f"route add default via {endpoint.gateway}\n"
    )
    run(["ip", "-n", namespace, "-batch", "-"], stdin=batch)


def _without_addresses_of_its_own(link: str) -> None:
    """No link-local IPv6 address, where there is IPv6: browsers break off what they do at each address that
    this machine gets or loses."""
    attempt(["ip", "link", "set", link, "addrgenmode", "none"])


def detach(endpoint: Endpoint) -> None:
    """End every process in the endpoint's namespace and remove it with its link, where they are."""
    unplug(endpoint)
    kill_all(
        lambda: in_namespace("net", endpoint.namespace_file), f"{endpoint.name}: processes in its network"
    )
    attempt(["ip", "link", "delete", endpoint.link])
    if endpoint.namespace_file.exists():
        run(["ip", "netns", "delete", endpoint.namespace])


def unplug(endpoint: Endpoint) -> None:
    """Take the link down: nothing the endpoint sends arrives, not even that it closes its connections."""
    attempt(["ip", "link", "set", endpoint.link, "down"])


def is_attached(endpoint: Endpoint) -> bool:
    """True when namespace and link are there and the link is up."""
    if not endpoint.namespace_file.exists():
        return False
    shown = attempt(["ip", "-json", "link", "show", "dev", endpoint.link])
    if shown.returncode != 0:
        return False
    interface = json.loads(shown.stdout)[0]
    return interface.get("master") == endpoint.bridge and "UP" in interface.get("flags", ())


def left_over(prefix: str) -> list[str]:
    """Interfaces and network namespaces there are with the names of the lab `prefix`."""
    found = []
    for interface in _ip_json("link", "show"):
        name = str(interface["ifname"])
        if name == f"{prefix}0" or name.startswith(f"{prefix}-"):
            found.append(f"interface {name}")
    for namespace in _ip_json("netns", "list"):
        if str(namespace["name"]).startswith(f"{prefix}-"):
            found.append(f"network namespace {namespace['name']}")
    return found


def _ip_json(*arguments: str) -> list[dict[str, Any]]:
    text = run(["ip", "-json", *arguments]).strip()
    found: list[dict[str, Any]] = json.loads(text) if text else []
    # iproute2 prints [{}] for what it has nothing to say about.
    return [entry for entry in found if entry]
