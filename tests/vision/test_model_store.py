"""Background models come back whole, for the right moment, or not at all."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicam.core.citykey import CityKey
from civicam.core.errors import RedactionError
from civicam.core.ids import CameraId
from civicam.vision.model_store import ModelStore

CAMERA = CameraId("rudaki-07")
OTHER = CameraId("rudaki-08")
MINUTE_NS = 60 * 1_000_000_000
NOON_NS = 1_772_366_400_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path, CityKey(b"k" * 32))


def test_the_last_model_before_a_moment_is_the_nearest_even_if_one_comes_soon_after(store: ModelStore) -> None:
    for minutes in (0, 10, 20):
        store.save(CAMERA, NOON_NS + minutes * MINUTE_NS, b"model %d" % minutes)
    assert store.nearest(CAMERA, NOON_NS + 19 * MINUTE_NS) == (NOON_NS + 10 * MINUTE_NS, b"model 10")
    assert store.nearest(CAMERA, NOON_NS + 20 * MINUTE_NS) == (NOON_NS + 20 * MINUTE_NS, b"model 20")
    assert store.latest(CAMERA) == (NOON_NS + 20 * MINUTE_NS, b"model 20")
    assert store.nearest(OTHER, NOON_NS) is None


def test_a_model_of_another_day_is_none_and_one_ten_minutes_later_is(store: ModelStore) -> None:
    store.save(CAMERA, NOON_NS, b"model")
    assert store.nearest(CAMERA, NOON_NS + 24 * 60 * MINUTE_NS) is not None
    assert store.nearest(CAMERA, NOON_NS + 24 * 60 * MINUTE_NS + 1) is None
    assert store.nearest(CAMERA, NOON_NS - 10 * MINUTE_NS) is not None
    assert store.nearest(CAMERA, NOON_NS - 10 * MINUTE_NS - 1) is None


def test_another_moment_s_or_camera_s_model_does_not_open(store: ModelStore, tmp_path: Path) -> None:
    store.save(CAMERA, NOON_NS, b"model")
    (file,) = (tmp_path / CAMERA).iterdir()
    (tmp_path / OTHER).mkdir()
    (tmp_path / OTHER / file.name).write_bytes(file.read_bytes())
    file.rename(file.with_name(f"{NOON_NS + 1:020d}.model"))
    assert store.latest(CAMERA) is None
    assert store.latest(OTHER) is None
    assert store.damaged == 2


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_altered_files_are_passed_over_and_counted(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("models")
    store = ModelStore(root, CityKey(b"k" * 32))
    store.save(CAMERA, NOON_NS, b"older")
    store.save(CAMERA, NOON_NS + 1, b"newer")
    path = root / CAMERA / f"{NOON_NS + 1:020d}.model"
    broken = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(broken) - 1))
    if data.draw(st.booleans()):
        broken[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del broken[at:]
    path.write_bytes(bytes(broken))
    with pytest.raises(RedactionError):
        store.load(CAMERA, NOON_NS + 1)
    assert store.latest(CAMERA) == (NOON_NS, b"older")
    assert store.damaged == 1


def test_old_models_are_forgotten_and_foreign_files_left_alone(store: ModelStore, tmp_path: Path) -> None:
    store.save(CAMERA, NOON_NS, b"older")
    store.save(CAMERA, NOON_NS + MINUTE_NS, b"newer")
    foreign = tmp_path / CAMERA / "notes.txt"
    foreign.write_text("mine")
    assert store.forget_before(NOON_NS + 1) == 1
    assert store.nearest(CAMERA, NOON_NS) == (NOON_NS + MINUTE_NS, b"newer")
    assert foreign.exists()


def test_a_disk_that_takes_nothing_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / CAMERA).write_text("a file where a folder should be")
    with pytest.raises(RedactionError, match="cannot be kept"):
        ModelStore(tmp_path, CityKey(b"k" * 32)).save(CAMERA, NOON_NS, b"model")


def test_only_this_user_may_read_models(store: ModelStore, tmp_path: Path) -> None:
    store.save(CAMERA, NOON_NS, b"model")
    (file,) = (tmp_path / CAMERA).iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert b"model" not in file.read_bytes()
