"""The archive as it is played: every moment is there, redacted with the scene of its time, or covered."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import CityKey
from civicam.core.errors import PlayerError
from civicam.core.ids import StreamKey
from civicam.footage.reader import SegmentReader
from civicam.player.archive_reader import ArchiveReader, parse_payload
from civicam.player.playback import CodedStretch, Playback, PlaybackLimits, Request, StoredScenes, initialisation
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import FullCover, RedactedPicture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.decoder import Decoder
from civicam.vision.model_store import ModelStore
from tests.fakes.pictures import luma, played, uncovered
from tests.fakes.recorded import KEYS, START_NS, Recorded, S, minute
from tests.fakes.samples import FRAME_NS

KEY = KEYS[0]
SIZE = (64, 48)
FRAME_90K = 6000


class Marking(Redactor):
    """Knows the scene at once, and gives grey as bright as the picture's lower half: its number, without its noise."""

    class _Scene:
        class grid:  # noqa: N801 - as the model's attribute
            width, height = SIZE

    def __init__(self) -> None:
        super().__init__(RedactionSettings())
        self.seen: list[int] = []
        self.learned: list[int] = []

    @property
    def is_warm(self) -> bool:
        return True

    @property
    def model(self) -> "Marking._Scene":  # type: ignore[override]  # as much of it as is asked for
        return self._Scene()

    def learn(self, picture: Picture) -> None:
        self.learned.append(picture.wall_ns)

    def redact(self, picture: Picture) -> RedactedPicture:
        self.seen.append(picture.wall_ns)
        level = int(picture.y[picture.y.shape[0] * 3 // 4].mean())
        half = np.full((SIZE[1] // 2, SIZE[0] // 2), 128, np.uint8)
        return uncovered(replace(picture, y=np.full((SIZE[1], SIZE[0]), level, np.uint8), u=half, v=half))


class Given:
    """Gives `Marking` redactors, and keeps them."""

    def __init__(self) -> None:
        self.made: list[Marking] = []

    def begin(self, key: StreamKey, wall_ns: int) -> Marking:
        self.made.append(Marking())
        return self.made[-1]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded.make(tmp_path_factory.mktemp("playback"), [KEY])


@pytest.fixture
def archive(recorded: Recorded) -> Iterator[ArchiveReader]:
    reader = ArchiveReader(recorded.path, {"main": recorded.volume}, recorded.keyring)
    yield reader
    reader.close()


def asked(start_s: float, end_s: float, speed: float = 1.0) -> Request:
    return Request(KEY, (START_NS + round(start_s * S), START_NS + round(end_s * S)), speed, SIZE)


def frames(made: CodedStretch) -> list[av.VideoFrame]:
    return played(initialisation(SIZE).data, [made.media_segment(0)])


def durations(made: CodedStretch) -> list[int]:
    return [row[0] for row in made.rows]


def _levels() -> list[int]:
    """What `Marking` makes of each frame of the recording's loop."""
    setup, fragments = minute()
    decoder = Decoder()
    decoder.setup(setup)
    found = []
    from civicam.footage.fragment import Fragment
    from civicam.player.archive_reader import samples_of

    for item in fragments[:3]:
        assert isinstance(item, Fragment)
        for sample in samples_of(item):
            found += [int(picture.y[SIZE[1] * 3 // 4].mean()) for picture in decoder.decode(sample)]
    return found


def test_a_stretch_shows_each_recorded_frame_at_its_time(archive: ArchiveReader) -> None:
    redactors = Given()
    made = Playback(archive, redactors).stretch(asked(4, 8))
    shown = frames(made)
    assert len(shown) == 60
    assert sum(durations(made)) == 4 * 90_000
    assert all(abs(length - FRAME_90K) <= 12 for length in durations(made))
    levels = _levels()
    wanted = [levels[number % 90] for number in range(60, 120)]
    assert max(abs(float(luma(frame).mean()) - level) for frame, level in zip(shown, wanted, strict=True)) < 4


def test_a_stretch_that_begins_within_a_gop_begins_with_the_frame_on_the_screen_and_a_key(
    archive: ArchiveReader,
) -> None:
    redactors = Given()
    made = Playback(archive, redactors).stretch(asked(5.03, 6))
    assert durations(made)[0] == round(5.0666667 * 90_000) - round(5.03 * 90_000)
    (redactor,) = redactors.made
    assert abs(redactor.seen[0] - (START_NS + 75 * FRAME_NS)) < 100_000
    assert redactor.learned[-1] < redactor.seen[0]
    assert parse_payload(made.media_segment(0))[2][0].is_key
    assert [row[2] for row in made.rows].count(0x02000000) == 1


def test_what_is_shown_is_learned_from_in_order_and_only_once(archive: ArchiveReader) -> None:
    redactors = Given()
    Playback(archive, redactors, PlaybackLimits(warm_s=20)).stretch(asked(9, 10))
    (redactor,) = redactors.made
    times = redactor.learned + redactor.seen
    assert times == sorted(set(times))
    assert [round((at - START_NS) / S) for at in redactor.learned[:4]] == [0, 2, 4, 6]


def test_the_stretch_that_follows_goes_on_with_the_same_redactor(archive: ArchiveReader) -> None:
    redactors = Given()
    playback = Playback(archive, redactors)
    for start_s in (0, 4, 8):
        playback.stretch(asked(start_s, start_s + 4))
    assert len(redactors.made) == 1
    playback.stretch(asked(20, 24))
    assert len(redactors.made) == 2


def test_what_was_coded_is_given_again_and_no_more_bytes_are_kept_than_may_be(archive: ArchiveReader) -> None:
    redactors = Given()
    playback = Playback(archive, redactors, PlaybackLimits(cache_bytes=1))
    first = playback.stretch(asked(0, 4))
    assert playback.cached_bytes == 0
    playback = Playback(archive, redactors)
    first = playback.stretch(asked(0, 4))
    assert playback.stretch(asked(0, 4)) is first
    assert playback.cached_bytes == first.size_bytes == sum(map(len, first.data))


def test_a_gap_is_covered_for_as_long_as_it_lasts(archive: ArchiveReader) -> None:
    made = Playback(archive, Given()).stretch(asked(32, 36))
    assert durations(made) == [90_000] * 4
    covered = Redactor(RedactionSettings()).cover_all(SIZE, FullCover.NO_PICTURE, 0, 0).picture
    assert max(np.abs(luma(frame).astype(int) - covered.y).mean() for frame in frames(made)) < 5


def test_a_gap_within_a_stretch_is_covered_and_footage_beside_it_is_shown(archive: ArchiveReader) -> None:
    redactors = Given()
    made = Playback(archive, redactors).stretch(asked(28, 32))
    assert sum(durations(made)) == 4 * 90_000
    seen = redactors.made[0].seen
    assert 27.9 <= (seen[0] - START_NS) / S < seen[-1] / S - START_NS / S < 30
    assert len(made.rows) == len(seen) + 2


def test_a_damaged_fragment_is_covered(archive: ArchiveReader) -> None:
    redactors = Given()
    made = Playback(archive, redactors).stretch(asked(20, 24))
    seen = [(at - START_NS) / S for at in redactors.made[0].seen]
    assert sum(durations(made)) == 4 * 90_000
    assert not any(20.7 < at < 21.9 for at in seen)
    assert any(at > 22 for at in seen)


def test_a_fragment_that_does_not_decode_is_covered(archive: ArchiveReader, monkeypatch: pytest.MonkeyPatch) -> None:
    from civicam.player import archive_reader

    real = archive_reader.samples_of

    def spoiled(fragment: object) -> object:
        found = real(fragment)  # type: ignore[arg-type]  # handed on as it came
        is_third = found[0].wall_ns // S == START_NS // S + 6
        return tuple(replace(sample, data=b"\0\0\0\2\x65\0") for sample in found) if is_third else found

    monkeypatch.setattr(archive_reader, "samples_of", spoiled)
    redactors = Given()
    made = Playback(archive, redactors).stretch(asked(4, 8))
    assert max(redactors.made[0].seen) < START_NS + 6 * S
    assert sum(durations(made)) == 4 * 90_000
    assert durations(made)[-1] == 90_000


def test_without_a_model_of_that_time_all_is_covered_and_nothing_is_decoded(
    archive: ArchiveReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Decoder, "decode", unwanted)
    scenes = StoredScenes(ModelStore(tmp_path, CityKey(b"k" * 32)), lambda _: RedactionSettings())
    made = Playback(archive, scenes).stretch(asked(4, 8))
    covered = Redactor(RedactionSettings()).cover_all(SIZE, FullCover.NO_MODEL, 0, 0).picture
    assert len(made.rows) == 4
    assert max(np.abs(luma(frame).astype(int) - covered.y).mean() for frame in frames(made)) < 5


def test_a_model_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, CityKey(b"k" * 32))
    store.save(KEY.camera, START_NS, b"no model")
    redactor = StoredScenes(store, lambda _: RedactionSettings()).begin(KEY, START_NS + S)
    assert not redactor.is_warm


def test_a_picture_of_another_size_than_the_player_was_told_is_covered(archive: ArchiveReader) -> None:
    redactors = Given()
    made = Playback(archive, redactors).stretch(asked(4, 8)._replace(size=(32, 48)))
    assert redactors.made[0].seen == []
    assert sum(durations(made)) == 4 * 90_000


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0, 8.0, 16.0])
def test_at_every_speed_a_stretch_lasts_its_time_over_the_speed(archive: ArchiveReader, speed: float) -> None:
    redactors = Given()
    length_s = min(4 * speed, 20)
    made = Playback(archive, redactors).stretch(asked(0, length_s, speed))
    assert sum(durations(made)) == round(length_s / speed * 90_000)
    assert len(made.rows) <= 30 * length_s / speed + 2


def test_at_high_speeds_only_keys_are_decoded(archive: ArchiveReader) -> None:
    redactors = Given()
    made = Playback(archive, redactors, PlaybackLimits(warm_s=0)).stretch(asked(0, 16, 4.0))
    assert [round((at - START_NS) / S, 2) for at in redactors.made[0].seen] == list(range(0, 16, 2))
    assert [abs(length - 45_000) < 12 for length in durations(made)] == [True] * 8


@pytest.mark.parametrize("wrong", [asked(0, 4, 0.1), asked(0, 4, 17.0), asked(4, 4), asked(5, 4), asked(0, 60)])
def test_what_cannot_be_played_is_refused(archive: ArchiveReader, wrong: Request) -> None:
    with pytest.raises(PlayerError):
        Playback(archive, Given()).stretch(wrong)


def test_a_still_is_what_was_on_the_screen_at_that_moment(archive: ArchiveReader) -> None:
    redactors = Given()
    still = Playback(archive, redactors).still(KEY, START_NS + 75 * FRAME_NS + FRAME_NS // 2)
    assert (still.width, still.height) == SIZE
    assert abs(redactors.made[0].seen[-1] - (START_NS + 75 * FRAME_NS)) < 100_000
    assert Playback(archive, Given()).still(KEY, START_NS + 33 * S).reason is FullCover.NO_PICTURE


def test_the_frames_before_and_after_are_found_across_fragments(archive: ArchiveReader) -> None:
    playback = Playback(archive, Given())
    at_ns = START_NS + 59 * FRAME_NS + FRAME_NS // 2
    for forward, number in [(True, 60), (False, 58)]:
        found = playback.beside(KEY, at_ns, forward=forward)
        assert found is not None
        assert abs(found - (START_NS + number * FRAME_NS)) < 200_000
    assert playback.beside(KEY, START_NS, forward=False) is None


def test_a_fragment_that_was_altered_on_disk_is_covered(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, [KEY])
    with SegmentReader.open(made.file(0)) as reader:
        extent = reader.extents()[1]
    data = bytearray(made.file(0).read_bytes())
    data[extent.offset + extent.size_bytes // 2] ^= 1
    made.file(0).write_bytes(data)
    redactors = Given()
    archive = ArchiveReader(made.path, {"main": made.volume}, made.keyring)
    stretch = Playback(archive, redactors).stretch(asked(1, 5))
    assert sum(durations(stretch)) == 4 * 90_000
    seen = [(at - START_NS) / S for at in redactors.made[0].seen]
    assert not any(1.99 < at < 3.99 for at in seen)
    assert any(at > 4 for at in seen)


def test_several_threads_may_play_at_once(archive: ArchiveReader) -> None:
    playback = Playback(archive, Given())
    found: dict[int, CodedStretch] = {}
    threads = [
        threading.Thread(target=lambda n=n: found.__setitem__(n, playback.stretch(asked(n, n + 1)))) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sum(durations(found[n])) for n in range(6)] == [90_000] * 6
    with Catalogue.open(Path(playback._archive._catalogue.path)) as catalogue:
        assert catalogue.segments(KEY)
