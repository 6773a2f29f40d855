"""Which labels of a container are its image's, and so were set by nobody who may decide on access."""

from __future__ import annotations

from agent.follow.local_host import labels_of_image


def test_what_the_image_has_too_is_the_images() -> None:
    labels = {"team": "web", "tier": "silver", "own": "yes"}
    assert labels_of_image(labels, {"team": "web", "tier": "gold"}) == ("team",)


def test_of_an_image_that_is_not_known_nothing_is_said() -> None:
    assert labels_of_image({"team": "web"}, None) is None
    assert labels_of_image({"team": "web"}, {}) == ()
