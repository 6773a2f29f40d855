"""What a node's directory holds, and what is left of it."""

from __future__ import annotations

from pathlib import Path

from agent.node.directory import NodeDirectory


def a_directory(path: Path) -> NodeDirectory:
    directory = NodeDirectory(path)
    for part in (directory.log, directory.state, directory.history, directory.samples):
        part.mkdir(parents=True)
        (part / "file").write_text("x")
    directory.anomalies.write_text("x")
    return directory


def test_what_an_earlier_member_measured_goes_and_the_rest_stays(tmp_path: Path) -> None:
    directory = a_directory(tmp_path)
    directory.forget_measured()
    directory.forget_measured()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "state"]


def test_a_node_that_has_left_keeps_nothing(tmp_path: Path) -> None:
    directory = a_directory(tmp_path)
    directory.wipe()
    assert list(tmp_path.iterdir()) == []
