"""Secrets, configs, and logins at registries."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from cluster.model.secrets import CONTENT_BYTES_MAX, FileKind, registry_name
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import ConfigQuery, FileBody, FileQuery, PageQuery, RegistryBody
from web.middleware.routes import needs
from web.tools import registries, secrets
from web.tools.listing import Page, page_of
from web.tools.secrets import GivenContent
from web.tools.views import ConfigView, RegistryView, StoredFileView

FILE_BODY_BYTES_MAX = 6 * CONTENT_BYTES_MAX + 4096
"""JSON writes a control character in six."""


async def list_secrets(ask: Ask[None, PageQuery]) -> Page[StoredFileView]:
    return await _list(ask, FileKind.SECRET)


async def put_secret(ask: Ask[FileBody, FileQuery]) -> StoredFileView:
    return await _put(ask, FileKind.SECRET)


async def remove_secret(ask: Ask[None, FileQuery]) -> None:
    await _remove(ask, FileKind.SECRET)


async def list_configs(ask: Ask[None, PageQuery]) -> Page[StoredFileView]:
    return await _list(ask, FileKind.CONFIG)


async def put_config(ask: Ask[FileBody, FileQuery]) -> StoredFileView:
    return await _put(ask, FileKind.CONFIG)


async def remove_config(ask: Ask[None, FileQuery]) -> None:
    await _remove(ask, FileKind.CONFIG)


async def get_config(ask: Ask[None, ConfigQuery]) -> ConfigView:
    return await secrets.get_config(
        ask.context,
        ask.call,
        ask.path["name"],
        environment=ask.query.environment,
        version=ask.query.version,
    )


async def list_registries(ask: Ask[None, PageQuery]) -> Page[RegistryView]:
    found = await registries.list_registries(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.registry,), cursor=ask.query.cursor, limit=ask.query.limit)


async def put_registry(ask: Ask[RegistryBody, Nothing]) -> RegistryView:
    return await registries.put_registry(
        ask.context,
        ask.call,
        ask.path["registry"],
        username=ask.body.username,
        password=ask.body.password,
        check_login=ask.body.check_login,
    )


async def remove_registry(ask: Ask[None, Nothing]) -> None:
    await registries.remove_registry(ask.context, ask.call, ask.path["registry"])


async def _list(ask: Ask[None, PageQuery], kind: FileKind) -> Page[StoredFileView]:
    found = await secrets.list_files(ask.context, ask.call, kind)
    return page_of(
        found,
        key=lambda view: (view.name, view.environment),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )


async def _put(ask: Ask[FileBody, FileQuery], kind: FileKind) -> StoredFileView:
    body = ask.body
    return await secrets.put_file(
        ask.context,
        ask.call,
        kind,
        ask.path["name"],
        environment=ask.query.environment,
        given=GivenContent(
            value=body.value, value_base64=body.value_base64, generate_bytes=body.generate_bytes
        ),
    )


async def _remove(ask: Ask[None, FileQuery], kind: FileKind) -> None:
    await secrets.remove_file(
        ask.context, ask.call, kind, ask.path["name"], environment=ask.query.environment
    )


def _registry(parameters: Mapping[str, str]) -> str:
    return f"registry:{registry_name(parameters['registry'])}"


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/secrets",
        run=list_secrets,
        access=needs("secret.read", lambda _: "secret"),
        summary="The secrets, by name, without their values",
        tag="secrets",
        query=PageQuery,
        answer=Page[StoredFileView],
    ),
    Endpoint(
        method="PUT",
        path="/secrets/{name}",
        run=put_secret,
        access=needs("secret.put"),
        summary="Keep a new version of a secret; its value is never shown again",
        tag="secrets",
        body=FileBody,
        query=FileQuery,
        answer=StoredFileView,
        body_bytes_max=FILE_BODY_BYTES_MAX,
        problems=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path="/secrets/{name}",
        run=remove_secret,
        access=needs("secret.remove"),
        summary="Forget a secret, unless something in use has it",
        tag="secrets",
        query=FileQuery,
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/configs",
        run=list_configs,
        access=needs("config.read", lambda _: "config"),
        summary="The configs, by name, without their contents",
        tag="secrets",
        query=PageQuery,
        answer=Page[StoredFileView],
    ),
    Endpoint(
        method="GET",
        path="/configs/{name}",
        run=get_config,
        access=needs("config.inspect"),
        summary="A config with its content",
        tag="secrets",
        query=ConfigQuery,
        answer=ConfigView,
        problems=("not-found",),
        is_kept=False,
    ),
    Endpoint(
        method="PUT",
        path="/configs/{name}",
        run=put_config,
        access=needs("config.put"),
        summary="Keep a new version of a config",
        tag="secrets",
        body=FileBody,
        query=FileQuery,
        answer=StoredFileView,
        body_bytes_max=FILE_BODY_BYTES_MAX,
        problems=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path="/configs/{name}",
        run=remove_config,
        access=needs("config.remove"),
        summary="Forget a config, unless something in use has it",
        tag="secrets",
        query=FileQuery,
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/registries",
        run=list_registries,
        access=needs("registry.read", lambda _: "registry"),
        summary="The logins at registries, without their passwords",
        tag="registries",
        query=PageQuery,
        answer=Page[RegistryView],
    ),
    Endpoint(
        method="PUT",
        path="/registries/{registry}",
        run=put_registry,
        access=needs("registry.login", _registry),
        summary="Keep the login that hosts pull a registry's images with",
        tag="registries",
        body=RegistryBody,
        answer=RegistryView,
    ),
    Endpoint(
        method="DELETE",
        path="/registries/{registry}",
        run=remove_registry,
        access=needs("registry.logout", _registry),
        summary="Forget the login of a registry",
        tag="registries",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
