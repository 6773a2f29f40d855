"""Every endpoint of the interface."""

from __future__ import annotations

from web.api import accounts, cluster, containers
from web.api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *cluster.ENDPOINTS,
    *accounts.LOGIN_ENDPOINTS,
    *containers.ENDPOINTS,
)
