"""Every endpoint of the interface."""

from __future__ import annotations

from web.api import (
    administration,
    adoptions,
    alerts,
    analytics,
    anomalies,
    cluster,
    containers,
    deployments,
    environments,
    experiments,
    exports,
    logins,
    logs,
    membership,
    metrics,
    placement,
    rollouts,
    route_certificates,
    routers,
    schedules,
    secrets,
    webhooks,
)
from web.api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *cluster.ENDPOINTS,
    *membership.ENDPOINTS,
    *containers.ENDPOINTS,
    *metrics.ENDPOINTS,
    *analytics.ENDPOINTS,
    *anomalies.ENDPOINTS,
    *logs.ENDPOINTS,
    *deployments.ENDPOINTS,
    *adoptions.ENDPOINTS,
    *environments.ENDPOINTS,
    *rollouts.ENDPOINTS,
    *experiments.ENDPOINTS,
    *schedules.ENDPOINTS,
    *alerts.ENDPOINTS,
    *placement.ENDPOINTS,
    *secrets.ENDPOINTS,
    *routers.ENDPOINTS,
    *route_certificates.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *exports.ENDPOINTS,
    *administration.ENDPOINTS,
    *logins.ENDPOINTS,
)
