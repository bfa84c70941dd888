from pathlib import Path

import av
import pytest

from civicam.city.barcode import read_barcode
from civicam.city.conditions import NIGHT
from civicam.city.draw import Renderer
from civicam.city.encode import Encoding, encode
from civicam.city.library import StreamSpec, make_library, make_streams
from civicam.city.picture import luma_of
from civicam.city.video import load_video
from civicam.core.errors import CityError

SMALL = StreamSpec(Encoding(320, 180, fps=10, bitrate_kbit_s=150, gop_s=1), seconds=3)


def kbit_s(path: Path) -> float:
    stream = load_video(path)
    size = sum(len(nal) for unit in stream.units for nal in unit.nals)
    return size * 8 / 1000 / (stream.duration_90k / 90_000)


def test_streams_are_distinct_whole_and_come_with_their_truth(tmp_path: Path) -> None:
    from civicam.city.truth import read_truth

    told: list[tuple[int, int]] = []
    made = make_library(3, SMALL, 7, tmp_path, lambda done, total: told.append((done, total)))
    assert told[-1] == (90, 90)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len({cached.stream.units for cached in made}) == 3
    for cached in made:
        stream = cached.stream
        assert (stream.width, stream.height, stream.fps, len(stream.units)) == (320, 180, 10.0, 30)
        assert [number for number, unit in enumerate(stream.units) if unit.is_key] == [0, 10, 20]
        truth = list(read_truth(cached.truth))
        assert [frame.frame for frame in truth] == list(range(30))
        assert any(frame.objects for frame in truth)
        with av.open(str(cached.video)) as container:
            numbers = [read_barcode(luma_of(frame)) for frame in container.decode(video=0)]
        assert numbers == list(range(30))
    again = make_streams(3, SMALL, 7, tmp_path, lambda _done, _total: pytest.fail("it was cached"))
    assert again == [cached.stream for cached in made]
    assert not list(tmp_path.glob("*/.making-*"))


def test_the_same_seed_makes_the_same_bytes_anew(tmp_path: Path) -> None:
    first = make_streams(1, SMALL, 7, tmp_path / "a")
    second = make_streams(1, SMALL, 7, tmp_path / "b")
    other = make_streams(1, SMALL, 8, tmp_path / "b")
    assert first == second
    assert first != other


def test_a_cache_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CityError, match="cannot be kept"):
        make_streams(1, SMALL, 7, tmp_path / "file")


@pytest.mark.parametrize(("width", "height", "bitrate", "frames"), [(640, 360, 500, 150), (1920, 1080, 4000, 60)])
def test_the_bitrate_is_held(width: int, height: int, bitrate: int, frames: int, tmp_path: Path) -> None:
    drawn = Renderer("square", 2, width=width, height=height, fps=15, frames=frames, conditions=NIGHT)
    path = tmp_path / "held.mp4"
    encode((drawn.frame(n).picture for n in range(frames)), Encoding(width, height, bitrate_kbit_s=bitrate), path)
    assert kbit_s(path) == pytest.approx(bitrate, rel=0.15)


@pytest.mark.parametrize(
    ("width", "height", "more"),
    [(641, 360, {}), (640, 361, {}), (32, 32, {}), (640, 360, {"fps": 0.0}), (640, 360, {"gop_s": 0.0})],
)
def test_what_cannot_be_coded_is_refused(width: int, height: int, more: dict[str, float]) -> None:
    with pytest.raises(CityError, match="cannot be coded"):
        Encoding(width, height, **more)  # type: ignore[arg-type]  # floats only, by the table above


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    picture = Renderer("square", 2, width=320, height=180, fps=15, frames=1).frame(0).picture
    with pytest.raises(CityError, match="cannot be coded"):
        encode(iter([picture]), Encoding(320, 180), tmp_path / "none" / "x.mp4")
