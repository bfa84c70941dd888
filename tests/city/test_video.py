from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicam.city.encode import Encoding, encode
from civicam.city.loop import LoopedStream
from civicam.city.picture import Picture, from_rgb
from civicam.city.video import load_video, split_annex_b
from civicam.core.errors import CityError

FOOTAGE = Path(__file__).parents[2].parent / "shared" / "footage"
START = b"\x00\x00\x00\x01"


def gradients(count: int) -> list[Picture]:
    rows = np.arange(96, dtype=np.uint8)[:, None, None]
    columns = np.arange(160, dtype=np.uint8)[None, :, None]
    return [from_rgb(np.repeat(rows + columns + np.uint8(number * 3), 3, axis=2)) for number in range(count)]


def made(folder: Path, b_frames: int = 0) -> Path:
    path = folder / "made.mp4"
    encode(gradients(20), Encoding(160, 96, fps=10, bitrate_kbit_s=200, gop_s=1, b_frames=b_frames), path)
    return path


def decode(stream: LoopedStream, rounds: int = 1) -> list[int | None]:
    """Plays a loop into libav as annex B; returns the times that come out."""
    context = av.VideoCodecContext.create("h264", "r")
    times: list[int | None] = []
    for turn in range(rounds):
        for unit in stream.units:
            nals = ((stream.sps, stream.pps) if unit.is_key else ()) + unit.nals
            packet = av.Packet(b"".join(START + nal for nal in nals))
            packet.pts = unit.pts_90k + turn * stream.duration_90k
            packet.time_base = Fraction(1, 90_000)
            times += [frame.pts for frame in context.decode(packet)]
    times += [frame.pts for frame in context.decode(None)]
    return times


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_coded_file_loops_without_a_lost_or_doubled_frame(b_frames: int, tmp_path: Path) -> None:
    stream = load_video(made(tmp_path, b_frames))
    assert (stream.name, stream.width, stream.height, stream.fps) == ("made", 160, 96, 10.0)
    assert stream.duration_90k == 180_000
    in_order = [unit.pts_90k for unit in stream.units] == sorted(unit.pts_90k for unit in stream.units)
    assert in_order is (b_frames == 0)
    assert [unit.is_key for unit in stream.units].count(True) == 2
    assert decode(stream, rounds=3) == [number * 9_000 for number in range(60)]


def test_nals_are_the_files_own_bytes(tmp_path: Path) -> None:
    path = made(tmp_path)
    stream = load_video(path)
    content = path.read_bytes()
    for nal in (stream.sps, stream.pps, *(nal for unit in stream.units for nal in unit.nals)):
        assert nal in content
        assert nal[0] & 31 not in (7, 8, 9) or nal in (stream.sps, stream.pps)


def test_matroska_and_annex_b_give_the_same_units(tmp_path: Path) -> None:
    stream = load_video(made(tmp_path))
    for suffix in ("mkv", "ts"):
        path = tmp_path / f"made.{suffix}"
        with av.open(str(tmp_path / "made.mp4")) as source, av.open(str(path), "w") as target:
            copy = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
        again = load_video(path)
        assert (again.sps, again.pps) == (stream.sps, stream.pps)
        assert [unit.nals for unit in again.units] == [unit.nals for unit in stream.units]
        assert abs(again.duration_90k - stream.duration_90k) <= 90


def test_another_codec_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "old.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for picture in gradients(3):
            container.mux(stream.encode(picture.frame()))
        container.mux(stream.encode())
    with pytest.raises(CityError, match=r"mpeg4, not H\.264.*libx264"):
        load_video(path)


def test_a_file_that_begins_between_keys_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "cut.mkv"
    with av.open(str(tmp_path / "made.mp4")) as source, av.open(str(path), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None and number >= 3:
                packet.stream = copy
                target.mux(packet)
    with pytest.raises(CityError, match="does not begin with an IDR"):
        load_video(path)


def test_frames_without_times_are_refused(tmp_path: Path) -> None:
    stream = load_video(made(tmp_path))
    path = tmp_path / "raw.h264"
    nals = [stream.sps, stream.pps, *(nal for unit in stream.units for nal in unit.nals)]
    path.write_bytes(b"".join(START + nal for nal in nals))
    with pytest.raises(CityError, match="no times"):
        load_video(path)


def test_missing_empty_and_silent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_bytes(b"not a video" * 100)
    for name in ("none.mp4", "empty.mp4", "text.mp4"):
        with pytest.raises(CityError, match="cannot be read"):
            load_video(tmp_path / name)


class Whole:
    """A good file; its repr is short, for Hypothesis prints it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.content = folder, made(folder).read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("damaged"))


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_damaged_file_is_played_or_refused(whole: "Whole", changes: list[tuple[float, int]]) -> None:
    folder, content = whole.folder, whole.content
    damaged = bytearray(content)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    path = folder / "damaged.mp4"
    path.write_bytes(damaged)
    try:
        stream = load_video(path)
    except CityError:
        return
    assert stream.units[0].is_key
    assert stream.duration_90k > max(unit.pts_90k for unit in stream.units)


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda nal: b"\x00\x00" not in nal and nal[-1] != 0)))
def test_annex_b_splits_at_its_start_codes(nals: list[bytes]) -> None:
    nals = [nal for nal in nals if nal[0]]
    assert split_annex_b(b"".join(START + nal for nal in nals)) == nals


@pytest.mark.parametrize(
    ("name", "frames", "fps", "has_b_frames"),
    [("street-cars-768x432.mp4", 377, 12.5, False), ("people-pausing-768x432.mp4", 1397, 10.0, True)],
)
def test_real_footage_plays_as_it_is(name: str, frames: int, fps: float, has_b_frames: bool) -> None:
    path = FOOTAGE / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    stream = load_video(path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert len(stream.units) == len(packets)
    assert abs(len(stream.units) - frames) < 20
    assert stream.fps == pytest.approx(fps, rel=0.01)
    times = [unit.pts_90k for unit in stream.units]
    assert (times != sorted(times)) is has_b_frames
    assert min(times) == 0
    assert stream.duration_90k == pytest.approx(max(times) + 90_000 / fps, abs=2)
    assert len(set(decode(stream))) >= len(stream.units) - 1
