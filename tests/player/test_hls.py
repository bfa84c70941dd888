"""The playlists of a stretch: the same segments for every camera, and what is missing is told."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.citykey import CityKey
from civicam.core.errors import PlayerError
from civicam.core.ids import CameraId
from civicam.player.archive_reader import ArchiveReader
from civicam.player.hls import Slot, moment, playlist, slot_windows, slots
from civicam.player.playback import Playback, Request, StoredScenes, initialisation, media_90k
from civicam.redaction.settings import RedactionSettings
from civicam.vision.model_store import ModelStore
from tests.fakes.recorded import KEYS, START_NS, Recorded, S


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveReader]:
    made = Recorded.make(tmp_path_factory.mktemp("hls"))
    reader = ArchiveReader(made.path, {"main": made.volume}, made.keyring)
    yield reader
    reader.close()


def at(start_s: float, end_s: float) -> tuple[int, int]:
    return START_NS + round(start_s * S), START_NS + round(end_s * S)


SPEEDS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0, 16.0])


@given(st.integers(0, 10**6), st.integers(1, 10**6), SPEEDS)
def test_segments_lie_end_to_end_and_are_cut_at_the_same_moments_whatever_the_start(
    start_ms: int, length_ms: int, speed: float
) -> None:
    window = START_NS + start_ms * 1_000_000, START_NS + (start_ms + length_ms) * 1_000_000
    windows = slot_windows(window, speed)
    assert (windows[0][0], windows[-1][1]) == window
    assert [one[1] for one in windows[:-1]] == [one[0] for one in windows[1:]]
    slot_ns = round(4 * speed * S)
    assert all(start % slot_ns == 0 for start, _ in windows[2:])
    assert all(end - start == slot_ns for start, end in windows[2:-1])


def test_the_first_segment_is_short_so_that_a_seek_shows_something_soon() -> None:
    assert [(a - START_NS, b - START_NS) for a, b in slot_windows(at(5, 14), 1)] == [
        (5 * S, 6 * S), (6 * S, 8 * S), (8 * S, 12 * S), (12 * S, 14 * S),
    ]  # fmt: skip


@given(SPEEDS, st.integers(1, 100_000))
def test_what_the_playlist_says_of_durations_adds_up(speed: float, length_ms: int) -> None:
    window = START_NS + 333_000_000, START_NS + 333_000_000 + length_ms * 1_000_000
    text = playlist([Slot(one, (64, 48), False) for one in slot_windows(window, speed)], speed)
    total_s = sum(float(found) for found in re.findall(r"#EXTINF:([0-9.]+),", text))
    assert abs(total_s - length_ms / 1000 / speed) < 0.001
    target = int(re.search(r"TARGETDURATION:(\d+)", text)[1])  # type: ignore[index]  # it is there
    assert all(round(float(found)) <= target for found in re.findall(r"#EXTINF:([0-9.]+),", text))


def test_a_playlist_reads_as_rfc_8216_says(archive: ArchiveReader) -> None:
    lines = playlist(slots(archive, KEYS[0], at(4, 12))).splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in lines
    assert lines.count('#EXT-X-MAP:URI="playback.mp4?size=64x48"') == 1
    assert lines[lines.index('#EXT-X-MAP:URI="playback.mp4?size=64x48"') + 1] == (
        "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T00:00:04.000000Z"
    )
    assert [line.split("?")[0] for line in lines if not line.startswith("#")] == ["playback.m4s"] * 3


def test_cameras_have_the_same_segments_at_the_same_times(archive: ArchiveReader) -> None:
    first, second = (playlist(slots(archive, key, at(3, 28))) for key in KEYS)
    assert first == second


def test_a_gap_is_told_and_what_follows_is_discontinuous(archive: ArchiveReader) -> None:
    found = slots(archive, KEYS[0], at(24, 44))
    assert [one.window for one in found if one.is_gap] == [at(32, 36)]
    lines = playlist(found).splitlines()
    gap = lines.index("#EXT-X-GAP")
    assert lines[gap - 3] == "#EXT-X-DISCONTINUITY"
    assert lines.count("#EXT-X-DISCONTINUITY") == 2
    assert sum(not line.startswith("#") for line in lines) == len(found)


def test_a_stretch_without_footage_is_all_gap(archive: ArchiveReader) -> None:
    found = slots(archive, KEYS[0], (START_NS - 100 * S, START_NS - 90 * S))
    assert all(one.is_gap for one in found)


def test_a_change_of_size_is_a_new_initialisation() -> None:
    lines = playlist([Slot(at(0, 4), (64, 48), False), Slot(at(4, 8), (32, 18), False)]).splitlines()
    changed = lines.index('#EXT-X-MAP:URI="playback.mp4?size=32x18"')
    assert lines[changed - 1] == "#EXT-X-DISCONTINUITY"


@pytest.mark.parametrize(("window", "speed"), [((5, 5), 1.0), ((6, 5), 1.0), ((0, 10**15), 1.0), ((0, 10), 17.0),
                                               ((0, 10), 0.1), ((0, 10), float("nan")), ((-5, 10), 1.0)])  # fmt: skip
def test_what_cannot_be_played_is_refused(window: tuple[int, int], speed: float) -> None:
    with pytest.raises(PlayerError):
        slot_windows(window, speed)
    with pytest.raises(PlayerError):
        playlist([])


def test_moments_are_written_to_the_microsecond() -> None:
    assert moment(START_NS + 1_234_567_891) == "2026-03-01T00:00:01.234567Z"


def test_a_player_of_another_make_plays_a_stretch_with_a_gap_in_it(archive: ArchiveReader, tmp_path: Path) -> None:
    """libav's, from files; the addresses' queries become names."""
    playback = Playback(archive, StoredScenes(ModelStore(tmp_path / "scenes", CityKey(b"k" * 32)), _settings))
    found = slots(archive, KEYS[0], at(25, 45))
    text = playlist(found)
    for number, slot in enumerate(found):
        made = playback.stretch(Request(KEYS[0], slot.window, 1.0, slot.size))
        start_90k = media_90k(slot.window[0] - found[0].window[0], 1.0)
        (tmp_path / f"{number}.m4s").write_bytes(made.media_segment(start_90k))
        text = re.sub(r"^playback\.m4s\?.*$", f"{number}.m4s", text, count=1, flags=re.MULTILINE)
    text = text.replace("playback.mp4?size=64x48", "init.mp4")
    (tmp_path / "init.mp4").write_bytes(initialisation((64, 48)).data)
    (tmp_path / "list.m3u8").write_text(text)
    with av.open(str(tmp_path / "list.m3u8"), options={"allowed_extensions": "ALL"}) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert times == sorted(set(times))
    # All is covered, for no scene is known: a frame a second. It knows no EXT-X-GAP, and plays what is there instead.
    assert times == [float(second) for second in range(20)]


def _settings(_: CameraId) -> RedactionSettings:
    return RedactionSettings()
