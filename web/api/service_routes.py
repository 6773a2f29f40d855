"""What leads to services, and how far it is in force."""

from __future__ import annotations

from web.api.endpoint import Ask, Endpoint
from web.api.schemas import PageQuery
from web.middleware.routes import needs
from web.tools.listing import Page, page_of
from web.tools.service_routes import ServiceRouteView, list_routes, route_key


async def get_routes(ask: Ask[None, PageQuery]) -> Page[ServiceRouteView]:
    found = await list_routes(ask.context, ask.call)
    return page_of(found, key=route_key, cursor=ask.query.cursor, limit=ask.query.limit)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/routes",
        run=get_routes,
        access=needs("service.read", lambda _: "service"),
        summary="The routes of services, by host name and path",
        tag="services",
        query=PageQuery,
        answer=Page[ServiceRouteView],
    ),
)
