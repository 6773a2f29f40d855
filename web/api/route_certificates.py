"""Certificates that routers serve HTTPS with."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel, Field

from cluster.model.server_certificates import CHAIN_BYTES_MAX, KEY_BYTES_MAX
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import PageQuery
from web.middleware.routes import needs
from web.tools import route_certificates
from web.tools.listing import Page, page_of
from web.tools.views import RouteCertificateView


class RouteCertificateBody(BaseModel, extra="forbid"):
    """PEM texts: the host's certificate and then those up to its root, and its private key."""

    certificate: str = Field(min_length=1, max_length=CHAIN_BYTES_MAX, repr=False)
    key: str = Field(min_length=1, max_length=KEY_BYTES_MAX, repr=False)


async def list_certificates(ask: Ask[None, PageQuery]) -> Page[RouteCertificateView]:
    found = await route_certificates.list_route_certificates(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.name,), cursor=ask.query.cursor, limit=ask.query.limit)


async def put_certificate(ask: Ask[RouteCertificateBody, Nothing]) -> RouteCertificateView:
    return await route_certificates.put_route_certificate(
        ask.context,
        ask.call,
        ask.path["name"],
        certificate=ask.body.certificate,
        key=ask.body.key,
    )


async def remove_certificate(ask: Ask[None, Nothing]) -> None:
    await route_certificates.remove_route_certificate(ask.context, ask.call, ask.path["name"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/certificates",
        run=list_certificates,
        access=needs("certificate.read", lambda _: "certificate"),
        summary="The certificates routers serve HTTPS with, without their keys",
        tag="services",
        query=PageQuery,
        answer=Page[RouteCertificateView],
    ),
    Endpoint(
        method="PUT",
        path="/certificates/{name}",
        run=put_certificate,
        access=needs("certificate.put"),
        summary="Keep a certificate with its key, in place of an earlier one",
        tag="services",
        body=RouteCertificateBody,
        answer=RouteCertificateView,
        body_bytes_max=4 * (CHAIN_BYTES_MAX + KEY_BYTES_MAX),
    ),
    Endpoint(
        method="DELETE",
        path="/certificates/{name}",
        run=remove_certificate,
        access=needs("certificate.remove"),
        summary="Forget a certificate",
        tag="services",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
