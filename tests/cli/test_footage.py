"""`civicam footage list` and `civicam hold`: what was due is counted, and nothing else."""

import json
from pathlib import Path

import pytest

from civicam.app import City
from civicam.catalogue.models import Camera, Segment
from civicam.config import DataFolder
from civicam.core.ids import CameraId, StreamKey, StreamName
from tests.fakes.command_line import civicam
from tests.fakes.recorded import START_NS, S
from tests.fakes.register import REGISTER

KEY = StreamKey(CameraId("a"), StreamName.MAIN)
WINDOW = ("--from", "2026-03-01T00:00:00", "--to", "2026-03-01T00:04:00")


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Two minutes of held footage that is due no longer, then two of which one is missing."""
    folder = tmp_path / "city"
    assert civicam("init", "--data", str(folder)).status == 0
    with City.open(DataFolder(folder)).catalogue() as catalogue:
        catalogue.add_camera(Camera(KEY.camera, "a", {KEY.stream: "rtsp://h/"}, None, "x", START_NS, None, REGISTER))
        rows = [
            Segment(KEY, START_NS + at * 60 * S, START_NS + (at + 1) * 60 * S, 1, "main", 10, 1, 1, b"d" * 32)
            for at in (0, 1, 2)
        ]
        catalogue.record(rows)
        catalogue.add_hold(KEY.camera, (START_NS, START_NS + S), "case 4", now_ns=START_NS)
        assert catalogue.expire(rows[:2]) == rows[1:2]
    return str(folder)


def test_held_footage_that_is_due_no_longer_hides_no_gap(data: str) -> None:
    found = json.loads(civicam("footage", "list", "--data", data, *WINDOW, "--json").text)
    assert (found["due_ns"], found["playable_ns"], found["not_due_ns"]) == (120 * S, 60 * S, 60 * S)
    said = civicam("footage", "list", "--data", data, *WINDOW).text
    assert "1 min 0 s playable, 50.00 % of what was due" in said
    assert "1 min 0 s more is there and was not due" in said


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_hold_needs_a_reason(data: str, reason: str) -> None:
    said = civicam("hold", "add", "a", *WINDOW, "--reason", reason, "--data", data)
    assert said.status == 2
    assert "reason" in said.text
    assert "case 4" in civicam("hold", "list", "--data", data).text


def test_brackets_in_a_reason_are_shown_as_they_are(data: str) -> None:
    assert civicam("hold", "add", "a", *WINDOW, "--reason", "case [/5]", "--data", data).status == 0
    assert "case [/5]" in civicam("hold", "list", "--data", data).text
