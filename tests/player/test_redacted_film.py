"""Redacted films for exports: one for each run of footage of one size, as long as what was recorded."""

import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import CityKey
from civicam.evidence.order import Order
from civicam.evidence.redacted import Coded
from civicam.player.archive_reader import ArchiveReader
from civicam.player.redacted_film import RedactedFilms
from civicam.redaction.settings import RedactionSettings
from civicam.vision.model_store import ModelStore
from tests.fakes.recorded import KEYS, START_NS, Recorded, S

KEY = KEYS[0]
ORDER = Order(
    number="1", city="Khujand", ledger="", operator="", recipient="", case="", window=(START_NS, START_NS + 200 * S),
    cameras=(KEY.camera,), stream=KEY.stream, at_ns=0, is_redacted=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A minute, and another one that begins two minutes after the first has ended."""
    made = Recorded.make(tmp_path_factory.mktemp("films"), [KEY])
    with Catalogue.open(made.path) as catalogue:
        made.record(catalogue, KEY, START_NS + 180 * S)
    return made


@pytest.fixture
def films(recorded: Recorded, tmp_path: Path) -> Iterator[RedactedFilms]:
    reader = ArchiveReader(recorded.path, {"main": recorded.volume}, recorded.keyring)
    store = ModelStore(tmp_path, CityKey(b"k" * 32))
    yield RedactedFilms(reader, store, lambda _: RedactionSettings())
    reader.close()


def seconds(one: Coded) -> tuple[int, int]:
    return one.span[0] // S - START_NS // S, one.span[1] // S - START_NS // S


def times(one: Coded) -> list[float]:
    """When each frame of a film is shown."""
    data = one.init + b"".join(fragment for _, fragment in one.fragments)
    with av.open(io.BytesIO(data), "r") as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def test_each_stretch_is_a_film_and_a_hole_within_one_is_covered(films: RedactedFilms) -> None:
    found = list(
        films.films(KEY, [(START_NS + 20 * S, START_NS + 60 * S), (START_NS + 180 * S, START_NS + 200 * S)], ORDER)
    )
    assert [seconds(one) for one in found] == [(20, 60), (180, 200)]
    shown = times(found[0])
    assert shown[0] == 0
    assert shown[-1] == pytest.approx(39, abs=1.1)
    assert max(after - before for before, after in pairwise(shown)) <= 1.1  # also while nothing came


def test_a_film_is_exactly_of_what_was_asked_for(films: RedactedFilms) -> None:
    (one,) = films.films(KEY, [(START_NS + 3 * S + 500_000_000, START_NS + 5 * S)], ORDER)
    assert one.span == (START_NS + 3 * S + 500_000_000, START_NS + 5 * S)
    (place,) = [place for place, _ in one.fragments]
    assert place == 0


def test_where_nothing_was_recorded_there_is_no_film(films: RedactedFilms) -> None:
    assert list(films.films(KEY, [(START_NS + 100 * S, START_NS + 170 * S)], ORDER)) == []
