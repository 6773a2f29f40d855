"""Certificates the dashboard and the interface are served with."""

from __future__ import annotations

from http import HTTPStatus

from cluster.model.server_certificates import CHAIN_BYTES_MAX, KEY_BYTES_MAX
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.route_certificates import RouteCertificateBody
from web.api.schemas import PageQuery
from web.middleware.routes import needs
from web.tools import web_certificates
from web.tools.listing import Page, page_of
from web.tools.web_certificates import WebCertificateView


async def list_certificates(ask: Ask[None, PageQuery]) -> Page[WebCertificateView]:
    found = await web_certificates.list_web_certificates(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.name,), cursor=ask.query.cursor, limit=ask.query.limit)


async def put_certificate(ask: Ask[RouteCertificateBody, Nothing]) -> WebCertificateView:
    return await web_certificates.put_web_certificate(
        ask.context,
        ask.call,
        ask.path["name"],
        certificate=ask.body.certificate,
        key=ask.body.key,
    )


async def remove_certificate(ask: Ask[None, Nothing]) -> None:
    await web_certificates.remove_web_certificate(ask.context, ask.call, ask.path["name"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/web-certificates",
        run=list_certificates,
        access=needs("certificate.read", lambda _: "certificate"),
        summary="The certificates the dashboard is served with, without their keys",
        tag="settings",
        query=PageQuery,
        answer=Page[WebCertificateView],
    ),
    Endpoint(
        method="PUT",
        path="/web-certificates/{name}",
        run=put_certificate,
        access=needs("certificate.serve-dashboard"),
        summary="Serve the dashboard with a certificate under the names it is for, on every host",
        tag="settings",
        body=RouteCertificateBody,
        answer=WebCertificateView,
        body_bytes_max=4 * (CHAIN_BYTES_MAX + KEY_BYTES_MAX),
    ),
    Endpoint(
        method="DELETE",
        path="/web-certificates/{name}",
        run=remove_certificate,
        access=needs("certificate.stop-serving-dashboard"),
        summary="Serve its names with the cluster's own certificate again",
        tag="settings",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
