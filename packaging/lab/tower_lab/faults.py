"""The packet rules of a host's faults, as input for iptables-restore: pure, and one atomic change per table.

Docker owns the filter table of a host. Cuts sit where Docker has nothing and where packets of the host and of
its containers both pass: raw/PREROUTING for what comes in, mangle/POSTROUTING for what goes out.
"""

from __future__ import annotations

from tower_lab.plan import Plan
from tower_lab.state import Cut, Delay, Direction

IN_CHAIN = "LAB-CUT-IN"
OUT_CHAIN = "LAB-CUT-OUT"
LINK_CHAIN = "LAB-LINK"
# What a link's proxy marks its own connections with, so that they are not sent back to it.
PROXY_MARK = 0x7457
_PROXY_PORT = 64000


def proxy_port(peer_number: int) -> int:
    """The port on which a host's proxy for the link to host h`peer_number` listens."""
    return _PROXY_PORT + peer_number


def render_chains() -> str:
    """Make the chains of a fresh host and send packets through them."""
    hooks = (
        ("raw", IN_CHAIN, (f"-A PREROUTING -i eth0 -j {IN_CHAIN}",)),
        ("mangle", OUT_CHAIN, (f"-A POSTROUTING -o eth0 -j {OUT_CHAIN}",)),
        ("nat", LINK_CHAIN, (f"-A PREROUTING -p tcp -j {LINK_CHAIN}", f"-A OUTPUT -p tcp -j {LINK_CHAIN}")),
    )
    return "".join(_table(table, chain, rules) for table, chain, rules in hooks)


def render_cuts(cuts: tuple[Cut, ...], plan: Plan) -> str:
    """Replace a host's cuts."""
    incoming = [_drop(IN_CHAIN, "-s", cut, plan) for cut in cuts if cut.direction is not Direction.FROM]
    outgoing = [_drop(OUT_CHAIN, "-d", cut, plan) for cut in cuts if cut.direction is not Direction.TO]
    return _table("raw", IN_CHAIN, incoming) + _table("mangle", OUT_CHAIN, outgoing)


def render_delays(delays: tuple[Delay, ...], plan: Plan, ports: dict[str, int]) -> str:
    """Send a host's new TCP connections to the peers of `delays` to the proxies that listen on `ports`."""
    rules = [
        f"-A {LINK_CHAIN} -d {plan.address_of(delay.peer)}/32 -p tcp "
        f"-m mark ! --mark {PROXY_MARK:#x} -j REDIRECT --to-ports {ports[delay.peer]}"
        for delay in delays
    ]
    return _table("nat", LINK_CHAIN, rules)


def _drop(chain: str, side: str, cut: Cut, plan: Plan) -> str:
    words = [f"-A {chain}"]
    if cut.peer is not None:
        words.append(f"{side} {plan.address_of(cut.peer)}/32")
    if cut.loss_percent < 100.0:
        words.append(f"-m statistic --mode random --probability {cut.loss_percent / 100:.6f}")
    return " ".join([*words, "-j DROP"])


def _table(name: str, chain: str, rules: list[str] | tuple[str, ...]) -> str:
    # Naming a chain of ours empties it; with --noflush all others keep their rules.
    return "\n".join([f"*{name}", f":{chain} - [0:0]", *rules, "COMMIT"]) + "\n"
