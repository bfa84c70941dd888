"""Whatever happened to the database's bytes: a clear error, and a repair that finds all footage again."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from civicam.catalogue.catalogue import Catalogue
from civicam.core.errors import CatalogueError
from civicam.upkeep.check import check
from civicam.upkeep.repair import repair
from tests.fakes.recorded import KEYS, START_NS, Recorded, S

NOW_NS = START_NS + 120 * S


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    made = Recorded.make(tmp_path_factory.mktemp("sound"), KEYS[:1])
    connection = sqlite3.connect(made.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return made


def read_all(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        for key in catalogue.streams():
            catalogue.segments(key)
            catalogue.gaps(key)
            catalogue.last_end(key)
            catalogue.coverage(key, (0, NOW_NS))
        catalogue.cameras(removed=True)
        catalogue.completeness((START_NS, NOW_NS))
        catalogue.oldest_segments(9)
        catalogue.totals()
        catalogue.holds()
        catalogue.last_run()


def error_of(action: Callable[[], object]) -> CatalogueError | None:
    try:
        action()
    except CatalogueError as error:
        return error
    return None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    wounds=st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=64)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 2**17)),
)
def test_any_damage_is_an_error_of_ours_and_can_be_repaired(
    sound: Recorded, tmp_path_factory: pytest.TempPathFactory, wounds: list[tuple[int, bytes]], cut: int | None
) -> None:
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(sound.root, folder, dirs_exist_ok=True)
    made = Recorded(folder, type(sound.volume)("main", folder / "main", 0), sound.keyring)
    data = bytearray(made.path.read_bytes())
    for offset, wound in wounds:
        at = offset % len(data)
        data[at : at + len(wound)] = wound
    made.path.write_bytes(bytes(data[:cut]))
    refused = error_of(lambda: read_all(made.path))
    assert refused is None or refused.fix
    kept = error_of(lambda: repair(made.path, [made.volume], made.keyring, deep=False, now_ns=NOW_NS))
    if kept:
        # The damage made it look like somebody else's: then it must not be replaced.
        assert "not replaced" in kept.what
        return
    with Catalogue.open(made.path) as catalogue:
        assert catalogue.segments(KEYS[0]) == sound.segments()
        assert catalogue.faults() == []
        report = check(catalogue, [made.volume], made.keyring, deep=False, now_ns=NOW_NS)
    assert [str(problem) for problem in report.problems] == []
