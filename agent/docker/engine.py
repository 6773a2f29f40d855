"""The Docker Engine behind `ContainerEngine`: requests with a time-out, failures in our words.

aiodocker's typed calls do what a container is told to do. What is read goes through its
`_do_query`, because the public calls merge standard output and error, queue events without bound,
guess the registry wrongly for a login, cannot name a platform, and keep a connection whose answer
they do not understand. The dependency is pinned to a minor version, and the contract suite runs
against a real engine.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import aiodocker
import aiohttp
from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError

from agent.docker import inspect, render
from agent.docker.failures import login_refusal, pull_refusal, refusal, tidy
from agent.docker.log_frames import LogDemultiplexer
from agent.docker.made_from import made_from
from agent.docker.references import DOCKER_HUB, ImageReference, is_image_id, parse_reference
from agent.ports import (
    Container,
    ContainerDetail,
    ContainerNotFound,
    ContainerSpec,
    ContainerUsage,
    EngineDiskUsage,
    EngineEvent,
    EngineInfo,
    EngineRefused,
    EngineUnavailable,
    Image,
    ImageNotFound,
    LogLine,
    MadeFrom,
    NameConflict,
    Network,
    PullProgress,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
    RemoteImage,
    Volume,
)

OLDEST_API = (1, 41)
"""Docker 20.10. Older engines are refused."""

NEWEST_API = (1, 51)
"""The newest API this adapter was written against; a newer engine is spoken to in this one."""

CONNECT_TIMEOUT_S = 5.0
GRACE_DEFAULT_S = 10
"""What the engine gives a container that does not say how long its stop may take."""

REMOVE_TIMEOUT_S = 60.0
"""A volume of many small files, or an image of many layers, takes its time."""
DISK_USAGE_TIMEOUT_S = 60.0

CONNECTIONS_MAX = 512
DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"
"""What the engine calls Docker Hub where a login is concerned, and nowhere else."""
JSON_LINE_BYTES_MAX = 4 * 1024 * 1024

_UNREACHABLE = 900  # aiodocker's status for "cannot connect"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_SIGNAL = re.compile(r"(?:SIG)?[A-Z0-9+-]{1,12}|\d{1,2}")

# What changes an inventory. Health checks run as execs, so a host with many would send several
# events a second that change nothing; the filter keeps those in the engine.
_EVENT_FILTER = {
    "type": ["container", "image", "volume", "network", "daemon"],
    "event": [
        *("create", "start", "restart", "stop", "die", "kill", "oom", "pause", "unpause", "rename", "update"),
        *("destroy", "health_status", "pull", "tag", "untag", "delete", "import", "load", "remove", "prune"),
        *("connect", "disconnect", "reload"),
    ],
}


class DockerEngine:
    """`ContainerEngine` over the Unix socket of a Docker Engine; see the protocol for each method.

    Made without connecting. The API version is negotiated at the first call, and again after the
    engine was away, because it may have been upgraded meanwhile.
    """

    def __init__(
        self,
        socket: str,
        *,
        request_timeout_s: float = 20.0,
        pull_timeout_s: float = 600.0,
        pull_stall_timeout_s: float = 60.0,
    ) -> None:
        self._socket = socket
        self._request_timeout_s = request_timeout_s
        self._pull_timeout_s = pull_timeout_s
        self._pull_stall_timeout_s = pull_stall_timeout_s
        self._client: aiodocker.Docker | None = None
        self._connector: aiohttp.UnixConnector | None = None
        self._api_version = ""
        # The engine looks for the name and then makes the network: two calls at once make two of one name,
        # and no container can join either by its name any more.
        self._making_network = asyncio.Lock()

    async def close(self) -> None:
        client, connector = self._client, self._connector
        self._client = self._connector = None
        if client is not None:
            await client.close()
        if connector is not None:
            await connector.close()

    # ---- what there is ------------------------------------------------------------------------

    async def info(self) -> EngineInfo:
        async with self._request("info") as docker:
            return inspect.parse_info(await _json(docker, "info"), api_version=self._api_version)

    async def containers(self) -> tuple[Container, ...]:
        async with self._request("the list of containers") as docker:
            return inspect.parse_containers(await _json(docker, "containers/json", params={"all": True}))

    async def images(self) -> tuple[Image, ...]:
        async with self._request("the list of images") as docker:
            return inspect.parse_images(await _json(docker, "images/json"))

    async def volumes(self) -> tuple[Volume, ...]:
        async with self._request("the list of volumes") as docker:
            return inspect.parse_volumes(await _json(docker, "volumes"))

    async def networks(self) -> tuple[Network, ...]:
        async with self._request("the list of networks") as docker:
            return inspect.parse_networks(await _json(docker, "networks"))

    async def inspect(self, container: str) -> ContainerDetail:
        async with self._on(container, "to inspect") as handle:
            return inspect.parse_container(await _json(handle.docker, f"containers/{container}/json"))

    async def made_from(self, container: str) -> MadeFrom:
        async with self._on(container, "to inspect") as handle:
            found = await _json(handle.docker, f"containers/{container}/json")
            try:
                image = await _json(handle.docker, f"images/{found['Image']}/json")
            except DockerError as error:
                if error.status != 404:
                    raise
                # It was removed by force: everything counts as the container's own then.
                image = {}
            return made_from(found, image)

    async def image(self, ref: str) -> Image:
        if not is_image_id(ref):
            ref = str(_reference(ref))
        async with self._request(f"image {ref}") as docker:
            return inspect.parse_image(await _json(docker, f"images/{ref}/json"))

    # ---- the life of a container --------------------------------------------------------------

    async def create(self, spec: ContainerSpec) -> str:
        if not _NAME.fullmatch(spec.name):
            raise EngineRefused(f"{spec.name!r} is not a container name: {_NAME_RULE}", status=400)
        # Twice: a container that held the name may be gone by the time it is looked at.
        for _ in range(2):
            try:
                return await self._create(spec)
            except EngineRefused as error:
                if error.status != 409:
                    raise
                conflict = error
            try:
                existing = await self.inspect(spec.name)
            except ContainerNotFound:
                continue
            raise NameConflict(str(conflict), existing=existing) from conflict
        raise EngineRefused(f"the name {spec.name} is held by a container being removed", status=409)

    async def _create(self, spec: ContainerSpec) -> str:
        params = {"name": spec.name}
        if spec.platform:
            params["platform"] = spec.platform
        async with self._request(f"to create {spec.name}") as docker:
            reply = await _json(
                docker, "containers/create", "POST", params=params, body=render.render_container(spec)
            )
            made = str(reply["Id"])
            try:
                for network, aliases in list(spec.networks.items())[1:]:
                    await _json(
                        docker,
                        f"networks/{network}/connect",
                        "POST",
                        body={"Container": made, "EndpointConfig": render.render_endpoint(aliases)},
                    )
            except DockerError:
                await docker.containers.container(made).delete(force=True)
                raise
            return made

    async def start(self, container: str) -> None:
        async with self._on(container, "to start") as handle:
            await handle.start()

    async def stop(self, container: str, *, grace_s: int | None = None) -> None:
        allowed_s = await self._stop_timeout_s(container, grace_s)
        async with self._on(container, "to stop", timeout_s=allowed_s) as handle:
            await handle.stop(t=grace_s)

    async def restart(self, container: str, *, grace_s: int | None = None) -> None:
        allowed_s = await self._stop_timeout_s(container, grace_s)
        async with self._on(container, "to restart", timeout_s=allowed_s) as handle:
            await handle.restart(t=grace_s)

    async def _stop_timeout_s(self, container: str, grace_s: int | None) -> float:
        if grace_s is None:
            own_grace_s = (await self.inspect(container)).stop_grace_s
            grace_s = GRACE_DEFAULT_S if own_grace_s is None else own_grace_s
        return max(0, grace_s) + self._request_timeout_s

    async def pause(self, container: str) -> None:
        try:
            async with self._on(container, "to pause") as handle:
                await handle.pause()
        except EngineRefused as error:
            if "already paused" not in str(error):
                raise

    async def unpause(self, container: str) -> None:
        try:
            async with self._on(container, "to unpause") as handle:
                await handle.unpause()
        except EngineRefused as error:
            # The second is the runtime's: the engine had not heard yet that it runs again.
            if not any(words in str(error) for words in ("is not paused", "cannot resume a running process")):
                raise

    async def kill(self, container: str, *, signal: str = "SIGKILL") -> None:
        if not _SIGNAL.fullmatch(signal):
            raise EngineRefused(f"{signal!r} is not a signal, such as SIGTERM or 15", status=400)
        async with self._on(container, f"to signal {signal}") as handle:
            await handle.kill(signal=signal)

    async def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        try:
            async with self._on(container, "to remove") as handle:
                await handle.delete(force=force, v=volumes)
        except ContainerNotFound:
            return
        except EngineRefused as error:
            if "already in progress" not in str(error):
                raise
            await self._wait_removed(container)

    async def _wait_removed(self, container: str) -> None:
        try:
            async with self._on(container, "to be removed") as handle:
                await handle.wait(condition="removed")
        except ContainerNotFound:
            return

    async def ensure_network(self, name: str, *, labels: Mapping[str, str]) -> str:
        if not _NAME.fullmatch(name):
            raise EngineRefused(f"{name!r} is not a network name: {_NAME_RULE}", status=400)
        async with self._making_network:
            known = await self._networks_called(name)
            if known:
                return known[0]
            async with self._request(f"to create network {name}") as docker:
                try:
                    made = await _json(
                        docker,
                        "networks/create",
                        "POST",
                        body={
                            "Name": name,
                            "Driver": "bridge",
                            "CheckDuplicate": True,
                            "Labels": dict(labels),
                        },
                    )
                    return str(made["Id"])
                except DockerError as error:
                    if error.status != 409:
                        raise
            # Another program made it just now.
            made_elsewhere = await self._networks_called(name)
        if not made_elsewhere:
            raise EngineRefused(f"network {name} was there and is gone again; try again", status=409)
        return made_elsewhere[0]

    async def _networks_called(self, name: str) -> list[str]:
        """The networks of that name, by id. Of more than one, those that nobody uses are removed."""
        found = [network.id for network in await self.networks() if network.name == name]
        for network in tuple(found):
            if len(found) == 1:
                break
            # The engine refuses to remove one that a container is in.
            with suppress(EngineRefused):
                await self.remove_network(network)
                found.remove(network)
        return found

    # ---- what is not needed any more ----------------------------------------------------------

    async def remove_image(self, image: str) -> None:
        name = image if is_image_id(image) else str(_reference(image))
        await self._delete(f"images/{name}", f"to remove image {image}", timeout_s=REMOVE_TIMEOUT_S)

    async def remove_volume(self, name: str) -> None:
        _check_name(name, "volume")
        await self._delete(f"volumes/{name}", f"to remove volume {name}", timeout_s=REMOVE_TIMEOUT_S)

    async def remove_network(self, network: str) -> None:
        _check_name(network, "network")
        await self._delete(f"networks/{network}", f"to remove network {network}")

    async def _delete(self, path: str, what: str, *, timeout_s: float | None = None) -> None:
        try:
            async with self._request(what, timeout_s=timeout_s) as docker:
                await _json(docker, path, "DELETE")
        except EngineRefused as error:
            if error.status != 404:
                raise

    async def disk_usage(self) -> EngineDiskUsage:
        async with self._request("what takes up room", timeout_s=DISK_USAGE_TIMEOUT_S) as docker:
            return inspect.parse_disk_usage(await _json(docker, "system/df"))

    # ---- images from registries ---------------------------------------------------------------

    async def pull(
        self,
        ref: str,
        *,
        auth: RegistryAuth | None = None,
        platform: str = "",
        on_progress: Callable[[PullProgress], None] | None = None,
        timeout_s: float | None = None,
    ) -> Image:
        reference = _reference(ref)
        params = {"fromImage": reference.repository, "tag": reference.version}
        if platform:
            params["platform"] = platform
        allowed_s = timeout_s if timeout_s is not None else self._pull_timeout_s
        try:
            async with asyncio.timeout(allowed_s):
                await self._pull(reference, params, auth, on_progress)
        except TimeoutError as error:
            raise PullRefused(
                f"cannot pull {reference}: not done within {allowed_s:g} s",
                status=0,
                reason=PullRefusedReason.STALLED,
            ) from error
        image = await self.image(ref)
        # Docker 20.10 takes an image without a choice of platforms whatever platform it is for.
        if platform and image.platform and not image.platform.startswith(platform):
            raise PullRefused(
                f"cannot pull {reference}: it is for {image.platform}, not for {platform}",
                status=0,
                reason=PullRefusedReason.PLATFORM,
            )
        return image

    async def _pull(
        self,
        reference: ImageReference,
        params: Mapping[str, Any],
        auth: RegistryAuth | None,
        on_progress: Callable[[PullProgress], None] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        refuse = _pull_translator(reference, auth)
        stalled = PullRefused(
            f"cannot pull {reference}: no progress for {self._pull_stall_timeout_s:g} s",
            status=0,
            reason=PullRefusedReason.STALLED,
        )
        try:
            async with (
                asyncio.timeout(self._pull_stall_timeout_s) as stall,
                self._stream(
                    "images/create",
                    "POST",
                    params=params,
                    headers=_auth_headers(auth, reference),
                    # The engine is silent while it asks the registry.
                    timeout_s=self._pull_stall_timeout_s + self._request_timeout_s,
                    refuse=refuse,
                ) as response,
            ):
                async for line in _json_lines(response):
                    stall.reschedule(loop.time() + self._pull_stall_timeout_s)
                    if "error" in line or "errorDetail" in line:
                        detail = line.get("errorDetail") or {}
                        raise refuse(0, str(detail.get("message") or line.get("error") or ""))
                    if on_progress is not None:
                        on_progress(inspect.parse_progress(line))
        except TimeoutError as error:
            raise stalled from error

    async def resolve_digest(self, ref: str, *, auth: RegistryAuth | None = None) -> str:
        reference = _reference(ref)
        if reference.digest:
            return reference.digest
        async with self._request(
            f"digest of {reference}", refuse=_pull_translator(reference, auth)
        ) as docker:
            reply = await _json(
                docker, f"distribution/{reference}/json", headers=_auth_headers(auth, reference)
            )
            return str(reply["Descriptor"]["digest"])

    async def check_login(self, auth: RegistryAuth) -> str:
        def refuse(status: int, message: str) -> EngineRefused:
            return login_refusal(auth.server, status, message, username=auth.username)

        server = DOCKER_HUB_LOGIN if auth.server == DOCKER_HUB else auth.server
        body = {"username": auth.username, "password": auth.password, "serveraddress": server}
        async with self._request(f"the login at {auth.server}", refuse=refuse) as docker:
            headers = {"Content-Type": "application/json"}
            reply = await _json(docker, "auth", "POST", body=body, headers=headers)
            return tidy(str((reply or {}).get("Status") or "login succeeded"))

    async def remote_image(self, ref: str, *, auth: RegistryAuth | None = None) -> RemoteImage:
        reference = _reference(ref)
        async with self._request(f"image {reference}", refuse=_pull_translator(reference, auth)) as docker:
            reply = await _json(
                docker, f"distribution/{reference}/json", headers=_auth_headers(auth, reference)
            )
            return inspect.parse_remote_image(reply)

    # ---- streams ------------------------------------------------------------------------------

    async def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        follow: bool = False,
    ) -> AsyncIterator[LogLine]:
        params: dict[str, Any] = {
            "stdout": True,
            "stderr": True,
            "timestamps": True,
            "follow": follow,
            "tail": "all" if tail is None else str(max(0, tail)),
        }
        if since_ms is not None:
            params["since"] = _seconds(since_ms)
        if until_ms is not None:
            params["until"] = _seconds(until_ms)
        tty = (await self.inspect(container)).tty
        demultiplexer = LogDemultiplexer(tty=tty)
        async with self._stream(f"containers/{container}/logs", params=params) as response:
            async for data in response.content.iter_any():
                for line in demultiplexer.feed(data):
                    yield line
        for line in demultiplexer.finish():
            yield line

    async def events(self, *, since_ms: int | None = None) -> AsyncIterator[EngineEvent]:
        params: dict[str, Any] = {"filters": json.dumps(_EVENT_FILTER)}
        if since_ms is not None:
            params["since"] = _seconds(since_ms)
        async with self._stream("events", params=params) as response:
            async for line in _json_lines(response):
                yield inspect.parse_event(line)
        raise EngineUnavailable("Docker ended its event stream: it is stopping or restarting")

    async def usage(self, container: str) -> ContainerUsage:
        async with self._on(container, "to measure") as handle:
            return inspect.parse_usage(
                await _json(
                    handle.docker,
                    f"containers/{handle.id}/stats",
                    params={"stream": False, "one-shot": True},
                )
            )

    # ---- the seam -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _request(
        self,
        what: str,
        *,
        timeout_s: float | None = None,
        refuse: Callable[[int, str], EngineRefused] = refusal,
    ) -> AsyncIterator[aiodocker.Docker]:
        """Run one request: a client whose version is negotiated, a time-out, failures translated."""
        allowed_s = self._request_timeout_s if timeout_s is None else timeout_s
        with _translated(self._socket, refuse, on_unavailable=self._forget_version):
            try:
                async with asyncio.timeout(allowed_s):
                    yield await self._negotiated()
            except TimeoutError as error:
                raise EngineUnavailable(
                    f"Docker did not answer within {allowed_s:g} s ({what}); is it hanging?"
                ) from error

    @asynccontextmanager
    async def _on(
        self, container: str, what: str, *, timeout_s: float | None = None
    ) -> AsyncIterator[DockerContainer]:
        """As `_request`, for one container whose name may safely stand in a path."""
        _check_name(container)
        async with self._request(f"{what} {container}", timeout_s=timeout_s) as docker:
            yield docker.containers.container(container)

    @asynccontextmanager
    async def _stream(
        self,
        path: str,
        method: str = "GET",
        *,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        refuse: Callable[[int, str], EngineRefused] = refusal,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a reply that is read as it comes. The time-out is for its beginning only."""
        allowed_s = self._request_timeout_s if timeout_s is None else timeout_s
        with _translated(self._socket, refuse, on_unavailable=self._forget_version):
            response: aiohttp.ClientResponse | None = None
            try:
                try:
                    async with asyncio.timeout(allowed_s):
                        docker = await self._negotiated()
                        response = await docker._do_query(
                            path, method, params=dict(params), headers=headers, timeout=_NO_TOTAL_TIMEOUT
                        )
                except TimeoutError as error:
                    raise EngineUnavailable(
                        f"Docker did not begin to answer within {allowed_s:g} s ({path}); is it hanging?"
                    ) from error
                yield response
            finally:
                # Not release(): that would wait for the end of a stream that has none.
                if response is not None:
                    response.close()

    async def _negotiated(self) -> aiodocker.Docker:
        if self._client is None:
            # A connection per request costs a tenth of a millisecond. A kept one may have died with a
            # restart of the engine, which a request that changes something could not be repeated over.
            self._connector = aiohttp.UnixConnector(self._socket, limit=CONNECTIONS_MAX, force_close=True)
            self._client = aiodocker.Docker(
                # With a connector of ours the address is only the base of request URLs.
                url="unix://localhost",
                connector=self._connector,
                timeout=_NO_TOTAL_TIMEOUT,
            )
        if not self._api_version:
            async with asyncio.timeout(self._request_timeout_s):
                reply = await _json(self._client, "version", versioned_api=False)
            chosen = choose_api_version(
                str(reply.get("ApiVersion", "")),
                str(reply.get("MinAPIVersion", "")),
                engine=str(reply.get("Version", "?")),
            )
            self._client.api_version = f"v{chosen}"
            self._api_version = chosen
        return self._client

    def _forget_version(self) -> None:
        self._api_version = ""

    # What the adapters beside this one go through, so that time-outs and failures are the same everywhere.
    request, on, stream = _request, _on, _stream

    @property
    def request_timeout_s(self) -> float:
        """How long an answer may take."""
        return self._request_timeout_s

    async def address(self) -> tuple[str, str]:
        """Return the engine's socket and the API version to speak there. Raises as every request does."""
        async with self._request("its version"):
            return self._socket, self._api_version


_NO_TOTAL_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
_NAME_RULE = "letters, digits, '_', '.' and '-', starting with a letter or digit"


def choose_api_version(newest: str, oldest: str, *, engine: str) -> str:
    """Return the API version to speak with an engine that offers `oldest` to `newest`.

    Raises EngineRefused for an engine older than Docker 20.10.
    """
    offered, floor = _version(newest), _version(oldest)
    if offered < OLDEST_API:
        raise EngineRefused(
            f"Docker {engine} is too old: it speaks API {newest or '?'}, Control Tower needs "
            f"{_dotted(OLDEST_API)} (Docker 20.10) or newer",
            status=0,
        )
    return _dotted(max(min(offered, NEWEST_API), floor))


def _version(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _check_name(name: str, kind: str = "container") -> None:
    if _NAME.fullmatch(name):
        return
    failure = ContainerNotFound if kind == "container" else EngineRefused
    raise failure(f"{name!r} is not a {kind} id or name: {_NAME_RULE}", status=404)


def _reference(ref: str) -> ImageReference:
    reference = parse_reference(ref)
    if reference is None:
        raise ImageNotFound(
            f"{ref!r} is not an image reference, such as nginx:1.27 or registry.example.com/app@sha256:...",
            status=400,
        )
    return reference


def _auth_headers(auth: RegistryAuth | None, reference: ImageReference) -> dict[str, str]:
    if auth is None:
        return {}
    return {"X-Registry-Auth": render.render_auth(auth, registry=reference.registry)}


def _pull_translator(
    reference: ImageReference, auth: RegistryAuth | None
) -> Callable[[int, str], EngineRefused]:
    def translate(status: int, message: str) -> EngineRefused:
        return pull_refusal(
            str(reference),
            status,
            message,
            registry=reference.registry,
            username="" if auth is None else auth.username,
        )

    return translate


def _seconds(at_ms: int) -> str:
    return f"{at_ms // 1000}.{at_ms % 1000:03d}000000"


@contextmanager
def _translated(
    socket: str, refuse: Callable[[int, str], EngineRefused], on_unavailable: Callable[[], None]
) -> Iterator[None]:
    """Turn what the libraries raise inside the block into our failures.

    The block holds requests and the parsing of replies, nothing else: a value or type that is not
    as the API documents (another engine behind the socket, a proxy's error page) is its fault.
    """
    try:
        yield
    except EngineUnavailable:
        on_unavailable()
        raise
    except DockerError as error:
        if error.status != _UNREACHABLE:
            raise refuse(error.status, error.message) from error
        on_unavailable()
        raise EngineUnavailable(_why_unreachable(socket, error)) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        on_unavailable()
        is_cut = isinstance(error, aiohttp.ClientPayloadError)
        reason = "it ended in the middle of an answer" if is_cut else tidy(str(error))
        raise EngineUnavailable(f"the connection to Docker at {socket} broke off: {reason}") from error
    except (inspect.ReplyMalformed, ValueError, TypeError, LookupError, AttributeError) as error:
        raise EngineRefused(
            f"what answers at {socket} does not speak the Docker API as documented: {tidy(str(error))}",
            status=0,
        ) from error


def _why_unreachable(socket: str, error: DockerError) -> str:
    cause = getattr(error.__context__, "os_error", None)
    number = cause.errno if isinstance(cause, OSError) else None
    match number:
        case errno.ENOENT:
            return f"there is no Docker socket at {socket}: is Docker installed and running?"
        case errno.ECONNREFUSED:
            return f"Docker is not running: nothing listens on {socket}"
        case errno.EACCES | errno.EPERM:
            return f"no permission to use {socket}: run the agent as root or in the group of the socket"
        case _:
            return f"cannot reach Docker at {socket}: {tidy(str(error.__context__ or error.message))}"


async def _json(
    docker: aiodocker.Docker,
    path: str,
    method: str = "GET",
    *,
    params: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    versioned_api: bool = True,
) -> Any:
    """Return the JSON of an answer, None when it has no content."""
    response = await docker._do_query(
        path,
        method,
        params=dict(params) if params else None,
        data=json.dumps(body) if body is not None else None,
        headers=headers,
        versioned_api=versioned_api,
    )
    try:
        content = await response.read()
    finally:
        response.close()
    return json.loads(content) if content.strip() else None


json_of = _json


async def _json_lines(response: aiohttp.ClientResponse) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the JSON objects of a stream, one a line, of bounded length."""
    buffer = bytearray()
    async for data in response.content.iter_any():
        buffer += data
        *lines, rest = buffer.split(b"\n")
        buffer = bytearray(rest)
        if len(buffer) > JSON_LINE_BYTES_MAX:
            raise inspect.ReplyMalformed("a line of the stream is longer than 4 MiB")
        for line in lines:
            if line.strip():
                yield json.loads(line)
    if buffer.strip():
        yield json.loads(buffer)
