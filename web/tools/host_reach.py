"""What of its host a container would get hold of, which takes a permission of its own."""

from __future__ import annotations

from cluster.model.service import ServiceSpec, VolumeKind


def reach_into_host(spec: ServiceSpec) -> str | None:
    """Return what of the host a container would get hold of, in words, or None.

    A port the engine chooses is what every routed replica has; a fixed one takes it from the others.
    """
    for volume in spec.volumes:
        if volume.kind is VolumeKind.BIND:
            return f"it mounts {volume.source} of the host"
    for port in spec.ports:
        if port.host_port:
            return f"it takes port {port.host_port} of the host"
    options = spec.options
    if options.is_privileged:
        return "it is privileged, and so has all of the host"
    if options.cap_add:
        return f"it gets the capability {options.cap_add[0]}"
    if options.devices:
        return f"it gets {options.devices[0].source} of the host"
    if options.oom_score_adj < 0:
        return "the host's own processes are to be ended before it when memory runs out"
    if options.log is not None and not options.log.is_local:
        return f"the host's engine is to send its log away with the driver {options.log.name}"
    return None
