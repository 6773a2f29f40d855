"""The hosts' live numbers."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.inventory import HostLive
from web.auth.call import Call
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.live_numbers import HOST
from web.tools.views import HostLiveView, SeriesView
from web.tools.visibility import sight_of


async def get_live(context: Context, call: Call) -> list[HostLiveView]:
    """Return the last ten minutes of every host that answers."""
    await context.authority.admit(call, "metrics.read", "metrics")
    hosts = [live_view(host) for host in await context.live.read(patience_s=context.pace.list_patience_s)]
    sight = sight_of(context, call)
    measures, host_numbers = sight.measures, sight.host_numbers
    if measures is None or host_numbers is None:
        return hosts
    containers, _ = await read_containers(context)
    seen = {(view.node_id, view.id) for view in containers if measures(view)}
    return [
        replace(
            host,
            series=tuple(
                each
                for each in host.series
                if (
                    host_numbers(host.node_id)
                    if each.subject == HOST
                    else (host.node_id, each.subject) in seen
                )
            ),
        )
        for host in hosts
    ]


def live_view(host: HostLive) -> HostLiveView:
    """Return a host's numbers as they are shown."""
    return HostLiveView(
        node_id=host.node_id,
        times_ms=host.times_ms,
        series=tuple(
            SeriesView(subject=series.subject, metric=series.metric, values=series.values)
            for series in host.series
        ),
    )
