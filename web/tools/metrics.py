"""The hosts' live numbers."""

from __future__ import annotations

from cluster.model.inventory import HostLive
from web.auth.call import Call
from web.tools.context import Context
from web.tools.views import HostLiveView, SeriesView


async def get_live(context: Context, call: Call) -> list[HostLiveView]:
    """Return the last ten minutes of every host that answers."""
    await context.authority.require(call, "metrics.read", "metrics")
    return [live_view(host) for host in await context.live.read(patience_s=context.pace.list_patience_s)]


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
