"""`civicam init`: a city is made whole, or not at all."""

from pathlib import Path

import pytest

from tests.fakes.command_line import civicam


@pytest.mark.parametrize(
    ("name", "environment"), [("", {}), ("x" * 81, {}), ("Khujand", {"CIVICAM_RECORDER__SEGMENT_S": "many"})]
)
def test_settings_that_cannot_be_used_leave_nothing_behind(
    tmp_path: Path, name: str, environment: dict[str, str]
) -> None:
    folder = tmp_path / "city"
    said = civicam("init", "--name", name, "--data", str(folder), environment=environment)
    assert said.status == 2
    assert "mistake in the settings" in said.text
    assert not folder.exists()
    assert civicam("init", "--name", "Khujand", "--data", str(folder)).status == 0
    assert civicam("status", "--data", str(folder)).status == 0


def test_a_city_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    assert civicam("init", "--data", str(tmp_path)).status == 0
    before = (tmp_path / "city.key").read_bytes()
    assert civicam("init", "--data", str(tmp_path)).status == 2
    assert (tmp_path / "city.key").read_bytes() == before
