"""`civicam status`, and who holds a city."""

import json
from pathlib import Path

import pytest

from civicam.app import LockHolder, lock_holder, recorder_lock
from civicam.config import DataFolder
from civicam.core.errors import ConfigError
from tests.fakes.command_line import civicam


@pytest.fixture
def data(tmp_path: Path) -> str:
    folder = str(tmp_path / "city")
    assert civicam("init", "--data", folder).status == 0
    return folder


def test_it_tells_a_recorder_from_a_repair_and_from_neither(data: str) -> None:
    place = DataFolder(Path(data))
    assert lock_holder(place) is None
    assert json.loads(civicam("status", "--data", data, "--json").text)["recorder"] == "stopped"
    with recorder_lock(place, is_repair=True):
        assert lock_holder(place) == LockHolder(is_repair=True, address="")
        assert json.loads(civicam("status", "--data", data, "--json").text)["recorder"] == "stopped for a repair"
        assert "the recorder is stopped for a repair" in civicam("status", "--data", data).text
        with pytest.raises(ConfigError, match="recorded or repaired already"), recorder_lock(place):
            pass
    with recorder_lock(place) as say:
        say("http://127.0.0.1:1")
        assert lock_holder(place) == LockHolder(is_repair=False, address="http://127.0.0.1:1")
        assert json.loads(civicam("status", "--data", data, "--json").text)["recorder"] == "running"
