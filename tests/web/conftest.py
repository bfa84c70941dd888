"""Tests of the web are coroutines: each runs on an event loop of its own."""

from pathlib import Path

import pytest

from tests.fakes.recorded import Recorded
from tests.player.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a city that recorded a minute; nobody changes it."""
    folder = tmp_path_factory.mktemp("city")
    Recorded.make(folder)
    return folder
