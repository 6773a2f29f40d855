"""The logins at registries that hosts pull images with. A password goes in and never comes out."""

from __future__ import annotations

from cluster.commands.secrets import PutRegistryCredential, RemoveRegistryCredential
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_password
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
    context: Context, call: Call, registry: str, *, username: str, password: str
) -> RegistryView:
    """Keep a login; every host uses it for that registry's images from now on. Raises Problem.

    Nobody asks the registry: it may be one that only the hosts can reach. A wrong password is told of by the
    next deployment.
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
    await context.authority.perform(call, "registry.login", resource, lambda permit: permit.propose(command))
    with context.surroundings.state.read() as txn:
        stored = records.REGISTRY_CREDENTIALS.get(txn, name)
    if stored is None:
        raise Problem("conflict", f"the login for {name} was removed at the same moment")
    return _view(stored)


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
