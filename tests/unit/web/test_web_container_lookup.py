"""Containers that are looked up are made into views only where somebody asks about them, and once."""

from __future__ import annotations

import pytest

from cluster.model.ids import NodeId
from cluster.model.inventory import HostInventory, HostView
from tests.support.web_fakes import a_container
from web.tools import containers
from web.tools.containers import ContainerLookup


def test_a_container_is_found_by_its_host_and_id_and_described_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    describe = containers._view

    def noted(container: object, *given: object) -> object:
        made.append(container.name)  # type: ignore[attr-defined]  # it is a container
        return describe(container, *given)  # type: ignore[arg-type]  # as above

    monkeypatch.setattr(containers, "_view", noted)
    web, shop = a_container("web"), a_container("shop")
    host = HostView(
        node_id=NodeId("nd_1"),
        inventory=HostInventory(node_id=NodeId("nd_1"), containers=(web, shop)),
        age_ms=0,
    )
    lookup = ContainerLookup(
        [host, HostView(node_id=NodeId("nd_2"), inventory=None, age_ms=None)], {"nd_1": "h1"}
    )
    assert made == []
    view = lookup.get(("nd_1", shop.id))
    assert view is not None
    assert (view.name, view.node_name) == ("shop", "h1")
    assert lookup.get(("nd_1", shop.id)) is view
    assert lookup.get(("nd_2", shop.id)) is None
    assert lookup.get(("nd_1", "somebody else's")) is None
    assert made == ["shop"]
