"""The logins at registries that hosts pull images with. A password goes in and never comes out."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.secrets import PutRegistryCredential, RemoveRegistryCredential
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_password
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.secrets import RegistryCredential, check_registry, registry_name
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.views import RegistryView


async def list_registries(context: Context, call: Call) -> list[RegistryView]:
    """Return the logins by registry, without passwords."""
    await context.authority.require(call, "registry.read", "registry")
    with context.surroundings.state.read() as txn:
        return [_view(credential) for credential in records.REGISTRY_CREDENTIALS.scan(txn)]


async def put_registry(
    context: Context, call: Call, registry: str, *, username: str, password: str, check_login: bool = True
) -> RegistryView:
    """Keep a login; every host uses it for that registry's images from now on. Raises Problem (422) when the
    registry lets nobody in with it.

    It is tried from the answering host. One that cannot be tried is kept all the same: other hosts may
    reach the registry, and a wrong password is told of by the next deployment.
    """
    name = registry_name(registry)
    resource = f"registry:{name}"
    await context.authority.require(call, "registry.login", resource)
    _check(name)
    if not username or len(username) > 256:
        raise invalid("username", "must have 1 to 256 characters", value=username[:80])
    try:
        secret = password.encode()
        command = PutRegistryCredential(
            registry=name,
            username=username,
            sealed_password=seal_password(
                secret,
                context.surroundings.cluster.keyring(),
                registry=name,
                username=username,
                nonce=context.surroundings.ids.token_bytes(NONCE_BYTES),
            ),
            changed_by=call.known().name,
        )
    except UnicodeEncodeError:
        raise invalid("password", "is no text that UTF-8 can write") from None
    except ValueError as error:
        raise Problem("invalid", str(error)) from error
    said, problem = await _tried(context, name, username, password) if check_login else (None, None)
    await context.authority.perform(call, "registry.login", resource, lambda permit: permit.propose(command))
    with context.surroundings.state.read() as txn:
        stored = records.REGISTRY_CREDENTIALS.get(txn, name)
    if stored is None:
        raise Problem("conflict", f"the login for {name} was removed at the same moment")
    return replace(_view(stored), said=said, problem=problem)


async def _tried(
    context: Context, registry: str, username: str, password: str
) -> tuple[str | None, str | None]:
    """Return what the registry says, or why it could not be asked."""
    try:
        return await context.surroundings.hosts.check_login(registry, username, password), None
    except HostUnavailable as error:
        return None, _without(password, str(error))
    except HostRefused as error:
        raise Problem(
            "invalid",
            f"{_without(password, str(error))}; nothing was changed",
            hint="check the user and the password or token; to keep it untried: check_login false, or"
            " `tower registry login --no-check`",
        ) from error


def _without(password: str, text: str) -> str:
    """A registry may answer with anything it was sent."""
    return text.replace(password, "...")


async def remove_registry(context: Context, call: Call, registry: str) -> None:
    """Forget a login. Raises Problem (404)."""
    name = registry_name(registry)
    resource = f"registry:{name}"
    await context.authority.require(call, "registry.logout", resource)
    try:
        check_registry(name)
    except ValueError:
        stored = None
    else:
        with context.surroundings.state.read() as txn:
            stored = records.REGISTRY_CREDENTIALS.get(txn, name)
    if stored is None:
        raise Problem(
            "not-found",
            f"there is no login for registry {name[:80]!r}",
            hint="`tower registry list` lists them",
        )
    command = RemoveRegistryCredential(registry=name)
    await context.authority.perform(call, "registry.logout", resource, lambda permit: permit.propose(command))


def _check(name: str) -> None:
    try:
        check_registry(name)
    except ValueError as error:
        raise invalid(
            "registry",
            "is no registry's name",
            value=name[:80],
            hint="the host as images name it, such as ghcr.io, docker.io or registry.example:5000",
        ) from error


def _view(credential: RegistryCredential) -> RegistryView:
    return RegistryView(
        registry=credential.registry,
        username=credential.username,
        changed_at_ms=credential.changed_at_ms,
        changed_by=credential.changed_by,
    )
