"""A city that recorded, for the tests of the web."""

from pathlib import Path

import pytest

from tests.fakes.recorded import Recorded


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a city that recorded a minute; nobody changes it."""
    folder = tmp_path_factory.mktemp("city")
    Recorded.make(folder)
    return folder
