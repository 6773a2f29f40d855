"""What a Compose file says of a container, as the container itself finds it on a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.docker.engine import DockerEngine
from agent.execute.replica import Replica, container_spec
from agent.ports import ContainerDetail, EngineRefused
from cluster.compose import ComposeProject, parse
from cluster.model.ids import NodeId
from cluster.model.service import AssignmentKey
from tests.support.lab import Lab, lab

__all__ = ["lab"]

pytestmark = pytest.mark.lab

IMAGE = "demo/busybox:1"
ADDRESS = "10.0.0.1"


@pytest.fixture
async def engine(lab: Lab) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(str(lab.host("h1").docker_socket))
    await made.pull(IMAGE)
    yield made
    for container in await made.containers():
        await made.remove(container.id, force=True, volumes=True)
    await made.close()


async def created(engine: DockerEngine, keys: str, script: str) -> str:
    """The container of a service of `keys` that runs `script`, as an agent makes it."""
    indented = "".join(f"    {line}\n" for line in keys.splitlines())
    text = f"name: shop\nservices:\n  web:\n    image: {IMAGE}\n{indented}"
    project = parse(text)
    assert isinstance(project, ComposeProject), project
    (service,) = project.services
    key = AssignmentKey(service_id=service.service_id, revision=1, ordinal=0, node_id=NodeId("nd_1"))
    replica = Replica(key=key, cluster_id="c", project="shop", name="web", spec=service.spec)
    await engine.ensure_network(replica.network, labels={})
    spec = container_spec(replica, token=1, address=ADDRESS)
    # The script is the test's, whatever the file says is run.
    command = ("-c", script) if spec.entrypoint is not None else ("sh", "-c", script)
    # Once is enough: a service's container is started again when its script has ended.
    return await engine.create(replace(spec, command=command, restart_policy="no"))


async def found_by(engine: DockerEngine, keys: str, script: str) -> list[str]:
    """The lines that `script` prints in a container of a service of `keys`."""
    container = await created(engine, keys, script)
    await engine.start(container)
    lines = [line.text async for line in engine.logs(container, follow=True)]
    await engine.remove(container, force=True, volumes=True)
    return lines


async def inspected(engine: DockerEngine, keys: str) -> ContainerDetail:
    container = await created(engine, keys, "sleep 600")
    return await engine.inspect(container)


async def test_a_container_is_who_and_where_its_file_says(engine: DockerEngine) -> None:
    lines = await found_by(
        engine,
        'user: "1000:1001"\ngroup_add: [44]\nworking_dir: /tmp\nhostname: box\nentrypoint: [sh]',
        "id -u; id -g; id -G; pwd; hostname",
    )
    assert lines == ["1000", "1001", "1001 44", "/tmp", "box"]


async def test_its_first_process_is_the_one_that_reaps_where_that_is_wanted(engine: DockerEngine) -> None:
    script = "cat /proc/1/comm; true"
    assert await found_by(engine, "init: true", script) == ["docker-init"]
    assert await found_by(engine, "init: false", script) == ["sh"]


async def test_its_root_cannot_be_written_but_its_memory_and_volumes_can(engine: DockerEngine) -> None:
    lines = await found_by(
        engine,
        "read_only: true\ntmpfs: ['/run:size=2m,mode=0711']\nvolumes: ['data:/data']",
        "touch /x 2>/dev/null || echo refused; touch /run/a /data/a && echo written; stat -c %a /run;"
        " df -k /run | tail -1 | tr -s ' ' | cut -d' ' -f2",
    )
    assert lines == ["refused", "written", "711", "2048"]


async def test_its_capabilities_and_privileges_are_those_of_its_file(engine: DockerEngine) -> None:
    script = "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status | tr -s '\\t' ' '"
    bare = await found_by(engine, "cap_drop: [ALL]\nsecurity_opt: [no-new-privileges]", script)
    assert bare == ["CapEff: 0000000000000000", "NoNewPrivs: 1"]
    one = await found_by(engine, "cap_drop: [ALL]\ncap_add: [NET_RAW]", script)
    assert one == ["CapEff: 0000000000002000", "NoNewPrivs: 0"]


async def test_a_privileged_container_is_asked_for_as_such(engine: DockerEngine) -> None:
    # It is not started: a machine that is a container itself cannot give it all capabilities.
    assert (await inspected(engine, "privileged: true")).privileged


async def test_its_limits_are_those_of_its_file(engine: DockerEngine) -> None:
    lines = await found_by(
        engine,
        "ulimits: {nofile: {soft: 512, hard: 1024}, nproc: 99}\nshm_size: 8m\noom_score_adj: 200\n"
        "sysctls: {net.core.somaxconn: 77, kernel.shm_rmid_forced: 1}",
        "ulimit -Sn; ulimit -Hn; ulimit -u; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2;"
        " cat /proc/self/oom_score_adj /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced",
    )
    assert lines == ["512", "1024", "99", "8192", "200", "77", "1"]


async def test_its_resources_are_those_of_its_file(engine: DockerEngine) -> None:
    detail = await inspected(
        engine, "deploy: {resources: {limits: {cpus: '0.5', memory: 64M, pids: 20}}}\nstop_signal: SIGINT"
    )
    assert (detail.cpu_limit, detail.memory_limit_bytes, detail.pids_limit) == (0.5, 64 << 20, 20)
    assert detail.stop_signal == "SIGINT"


async def test_it_finds_the_names_of_its_file(engine: DockerEngine) -> None:
    lines = await found_by(
        engine,
        "extra_hosts: ['db:10.9.9.9']\ndns: 10.0.0.2\ndns_search: [shop.example]\ndns_opt: ['ndots:3']\n"
        "domainname: shop.example",
        "grep db /etc/hosts | tr -s '\\t' ' '; grep -E '^(search|options)' /etc/resolv.conf",
    )
    assert lines[0] == "10.9.9.9 db"
    assert lines[1] == "search shop.example"
    assert "ndots:3" in lines[2]


async def test_it_has_the_devices_of_its_file(engine: DockerEngine) -> None:
    lines = await found_by(engine, "devices: ['/dev/null:/dev/extra:r']", "stat -c %F /dev/extra")
    assert lines == ["character special file"]


async def test_its_log_goes_where_its_file_says(engine: DockerEngine) -> None:
    detail = await inspected(engine, "logging: {driver: local, options: {max-size: 1m}}")
    assert detail.log_driver == "local"


async def test_a_setting_the_engine_does_not_take_is_refused_in_its_words(engine: DockerEngine) -> None:
    with pytest.raises(EngineRefused, match="nosuch"):
        await created(engine, "logging: {driver: nosuch}", "true")


async def test_an_image_for_another_platform_is_refused(engine: DockerEngine) -> None:
    with pytest.raises(EngineRefused):
        await created(engine, "platform: linux/s390x", "true")
