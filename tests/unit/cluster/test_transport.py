"""Frames, addresses and certificate identities, without a network."""

import pytest

from cluster.raft.session import FrameError, FrameReader
from cluster.raft.tls import IdentityError, peer_identity
from cluster.raft.transport import parse_address


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def test_frames_are_cut_from_a_stream_however_it_is_chopped() -> None:
    bodies = [b"first", b"", b"x" * 300, b"last"]
    stream = framed(*bodies)
    for step in (1, 3, 7, 64, len(stream)):
        reader = FrameReader(1000)
        taken = []
        for start in range(0, len(stream), step):
            reader.feed(stream[start : start + step])
            taken += reader.take()
        assert taken == bodies


def test_taking_one_frame_leaves_the_next() -> None:
    reader = FrameReader(1000)
    reader.feed(framed(b"hello", b"message"))
    assert reader.take(1) == [b"hello"]
    assert reader.take() == [b"message"]


def test_a_frame_over_the_limit_is_refused_before_its_body_arrives() -> None:
    reader = FrameReader(1000)
    reader.feed((1001).to_bytes(4, "big"))
    with pytest.raises(FrameError, match="1001 bytes; at most 1000"):
        reader.take()


def test_a_length_is_never_negative() -> None:
    reader = FrameReader(1000)
    reader.feed(b"\xff\xff\xff\xff")
    with pytest.raises(FrameError, match="4294967295"):
        reader.take()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:7445", ("10.0.0.1", 7445)),
        ("h1.example", ("h1.example", 7444)),
        ("h1.example:0", ("h1.example", 0)),
        ("[2001:db8::1]:7445", ("2001:db8::1", 7445)),
        ("[2001:db8::1]", ("2001:db8::1", 7444)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":7444", "h1:", "h1:port", "h1:65536", "h1:-1", "2001:db8::1", "h1:٤"])
def test_a_wrong_address_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)


def certificate(*uris: str, common_name: str = "") -> dict[str, object]:
    return {
        "subjectAltName": tuple(("URI", uri) for uri in uris),
        "subject": ((("commonName", common_name),),) if common_name else (),
        "notAfter": "Jan  1 00:00:10 1970 GMT",
    }


def test_a_certificate_names_its_node_and_its_cluster() -> None:
    identity = peer_identity(certificate("tower://node/n1", "tower://cluster/c1", "https://other"))
    assert (identity.node_id, identity.cluster_id, identity.not_after_ms) == ("n1", "c1", 10_000)


def test_the_common_name_is_the_node_when_no_uri_names_one() -> None:
    assert peer_identity(certificate("tower://cluster/c1", common_name="n1")).node_id == "n1"


@pytest.mark.parametrize(
    "uris",
    [
        ("tower://cluster/c1",),
        ("tower://node/n1",),
        ("tower://node/n1", "tower://node/n2", "tower://cluster/c1"),
        ("tower://node/n1", "tower://cluster/c1", "tower://cluster/c2"),
        ("tower://node/", "tower://cluster/c1"),
        ("tower://node/n1", "tower://cluster/"),
    ],
)
def test_a_certificate_that_names_none_or_several_is_no_identity(uris: tuple[str, ...]) -> None:
    with pytest.raises(IdentityError, match="must name one"):
        peer_identity(certificate(*uris))
