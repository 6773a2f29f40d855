"""What of images, volumes and networks may go, and the plan that says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.cleanup import (
    ITEMS_MAX,
    Pin,
    PlanToken,
    canonical,
    fingerprint,
    judge_image,
    judge_network,
    judge_volume,
)
from cluster.model.resources import ResourceKind
from tests.support.identity_builders import NOW_MS
from tests.support.resource_fakes import a_network, a_user, a_volume, an_image

DIGEST = "sha256:" + "ab" * 32
PIN = Pin(service_id="shop.web", revision=4, reference="registry.example/shop:1")


@pytest.mark.parametrize(
    ("written", "listed"),
    [
        ("nginx", "nginx:latest"),
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/acme/app", "acme/app:latest"),
        ("registry:5000/app", "registry:5000/app:latest"),
        ("registry:5000/app:1", "registry:5000/app:1"),
        (f"registry:5000/app:1@{DIGEST}", f"registry:5000/app@{DIGEST}"),
        (f"index.example/app@{DIGEST}", f"index.example/app@{DIGEST}"),
    ],
)
def test_a_reference_is_compared_as_engines_list_it(written: str, listed: str) -> None:
    assert canonical(written) == listed
    assert canonical(listed) == listed


@pytest.mark.parametrize("state", ["running", "exited", "created", "paused"])
def test_what_a_container_uses_stays_whatever_the_container_does(state: str) -> None:
    user = a_user("web", state=state)
    words = "used by web" if state == "running" else f"used by web ({state})"
    assert judge_image(an_image("app:1", user), (), now_ms=NOW_MS).why == words
    assert judge_volume(a_volume("data", user), {}, is_named=True).why == words
    assert judge_network(a_network("net", user), {}).why == words


def test_of_many_users_a_few_are_named() -> None:
    users = [a_user(f"web-{number}") for number in range(5)]
    assert judge_image(an_image("app:1", *users), (), now_ms=NOW_MS).why == (
        "used by web-0, web-1, web-2 and 2 more"
    )


def test_an_image_that_a_service_could_go_back_to_stays() -> None:
    verdict = judge_image(an_image("registry.example/shop:1"), (PIN,), now_ms=NOW_MS)
    assert (verdict.may_go, verdict.why) == (False, "needed to go back to shop.web revision 4")
    assert judge_image(an_image("registry.example/shop:2"), (PIN,), now_ms=NOW_MS).may_go


def test_an_image_is_known_by_its_digest_when_its_tag_has_moved_on() -> None:
    pin = Pin(service_id="shop.web", revision=4, reference=f"registry.example/shop@{DIGEST}", is_wanted=True)
    image = an_image("", digests=(f"registry.example/shop@{DIGEST}",))
    assert judge_image(image, (pin,), now_ms=NOW_MS).why == "wanted by shop.web revision 4"


def test_young_and_named_images_stay_where_that_was_asked_for() -> None:
    image = an_image("app:1", created_at_ms=NOW_MS - 1000)
    assert not judge_image(image, (), now_ms=NOW_MS, older_than_ms=2000).may_go
    assert judge_image(image, (), now_ms=NOW_MS, older_than_ms=500).may_go
    assert not judge_image(image, (), now_ms=NOW_MS, only_untagged=True).may_go
    assert judge_image(an_image(""), (), now_ms=NOW_MS, only_untagged=True).may_go


def test_layers_that_other_images_have_too_free_nothing() -> None:
    image = an_image("app:1", size_bytes=100, shared_bytes=60)
    assert judge_image(image, (), now_ms=NOW_MS).bytes == 40


def test_a_volume_goes_only_when_it_is_named_and_no_service_has_data_in_it() -> None:
    volume = a_volume("shop_data", size_bytes=9)
    assert not judge_volume(volume, {}, is_named=False).may_go
    assert judge_volume(volume, {}, is_named=True).may_go
    kept = judge_volume(volume, {"shop_data": "shop.db"}, is_named=True)
    assert (kept.may_go, kept.why) == (False, "it holds data of service shop.db")


def test_networks_of_the_engine_of_a_swarm_and_of_services_stay() -> None:
    assert not judge_network(a_network("bridge", is_built_in=True), {}).may_go
    assert not judge_network(a_network("overlay", scope="swarm"), {}).may_go
    assert not judge_network(a_network("tower-shop"), {"tower-shop": "shop"}).may_go
    assert judge_network(a_network("old_default"), {}).may_go


@given(st.frozensets(st.binary(min_size=8, max_size=8), max_size=20))
def test_a_plan_reads_back_from_its_token(prints: frozenset[bytes]) -> None:
    token = PlanToken.of(prints)
    assert PlanToken.read(token.text()) == token


@given(st.text(max_size=50))
def test_a_text_that_is_no_token_is_refused_and_breaks_nothing(text: str) -> None:
    try:
        token = PlanToken.read(text)
    except ValueError:
        return
    assert PlanToken.read(token.text()) == token


def test_a_token_of_too_many_things_is_refused() -> None:
    prints = (number.to_bytes(8) for number in range(ITEMS_MAX + 1))
    with pytest.raises(ValueError, match="not the token"):
        PlanToken.read(PlanToken.of(prints).text())


def test_a_thing_is_another_one_on_another_host_of_another_kind_and_with_other_names() -> None:
    prints = {
        fingerprint(ResourceKind.IMAGE, "nd_1", "a", ("x", "y")),
        fingerprint(ResourceKind.IMAGE, "nd_2", "a", ("x", "y")),
        fingerprint(ResourceKind.VOLUME, "nd_1", "a", ("x", "y")),
        fingerprint(ResourceKind.IMAGE, "nd_1", "a", ("x",)),
    }
    assert len(prints) == 4
    assert fingerprint(ResourceKind.IMAGE, "nd_1", "a", ("y", "x")) in prints
