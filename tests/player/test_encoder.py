"""Redacted pictures become samples that hold pixels and nothing else."""

import numpy as np
import pytest

from civicam.core.errors import EncodeError
from civicam.player.encoder import Encoder
from civicam.redaction.picture import Picture
from tests.fakes.pictures import Eye, drawn, luma, nal_types, uncovered


def _coded(encoder: Encoder, count: int, first: int = 0) -> list[bool]:
    return [encoder.encode(uncovered(drawn(number))).is_key for number in range(first, first + count)]


def test_each_picture_gives_a_sample_at_once_that_shows_it() -> None:
    encoder = Encoder(320, 180, fps=15)
    eye = Eye(encoder.setup)
    for number in range(20):
        sample = encoder.encode(uncovered(drawn(number)))
        (frame,) = eye.see(sample)
        assert (sample.pts_90k, sample.wall_ns) == (drawn(number).pts_90k, drawn(number).wall_ns)
        assert np.abs(luma(frame).astype(int) - drawn(number).y).mean() < 4


def test_a_key_comes_every_two_seconds_of_the_pictures_own_time() -> None:
    keys = _coded(Encoder(320, 180, fps=15), 70)
    assert [number for number, is_key in enumerate(keys) if is_key] == [0, 30, 60]


def test_a_key_comes_when_it_is_asked_for() -> None:
    encoder = Encoder(320, 180, fps=15)
    assert _coded(encoder, 3) == [True, False, False]
    encoder.force_key()
    assert _coded(encoder, 3, first=3) == [True, False, False]


@pytest.mark.parametrize("jump", [-1_000_000, 1_000_000])
def test_a_clock_that_jumps_gives_a_key(jump: int) -> None:
    encoder = Encoder(320, 180, fps=15)
    _coded(encoder, 5)
    picture = drawn(5)
    moved = Picture(picture.y, picture.u, picture.v, picture.pts_90k + jump, picture.wall_ns, picture.is_key)
    assert encoder.encode(uncovered(moved)).is_key


def test_only_slices_leave_and_no_settings_of_the_encoder() -> None:
    encoder = Encoder(320, 180, fps=15)
    encoder_data = encoder.setup.sps + b"".join(encoder.setup.pps)
    for number in range(40):
        sample = encoder.encode(uncovered(drawn(number)))
        assert set(nal_types(sample.data)) <= {1, 5}
        encoder_data += sample.data
    assert b"x264" not in encoder_data
    assert b"ref=" not in encoder_data


def test_no_side_data_comes_out_of_the_viewers_decoder() -> None:
    encoder = Encoder(320, 180, fps=15)
    eye = Eye(encoder.setup)
    frames = [frame for number in range(10) for frame in eye.see(encoder.encode(uncovered(drawn(number))))]
    assert len(frames) == 10
    assert [list(frame.side_data) for frame in frames] == [[]] * 10


def test_colours_are_told_as_limited_range_bt_709() -> None:
    encoder = Encoder(320, 180, fps=15)
    (frame,) = Eye(encoder.setup).see(encoder.encode(uncovered(drawn(0))))
    assert (frame.color_range, frame.colorspace) == (1, 1)


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (322, 182), (34, 18)])
def test_any_even_size_is_coded_and_cropped_right(size: tuple[int, int]) -> None:
    encoder = Encoder(*size, fps=15)
    (frame,) = Eye(encoder.setup).see(encoder.encode(uncovered(_grey(*size))))
    assert (frame.width, frame.height) == size == (encoder.setup.width, encoder.setup.height)


def _grey(width: int, height: int) -> Picture:
    half = np.full((height // 2, width // 2), 128, np.uint8)
    return Picture(np.full((height, width), 90, np.uint8), half, half, 0, 0, True)


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(EncodeError, match="make a new encoder"):
        Encoder(320, 180, fps=15).encode(uncovered(drawn(0, 640, 360)))


def test_a_size_that_cannot_be_coded_is_refused() -> None:
    with pytest.raises(EncodeError, match="cannot code 321x180"):
        Encoder(321, 180, fps=15)


def test_a_picture_that_was_not_redacted_does_not_type_check_and_is_refused() -> None:
    encoder = Encoder(320, 180, fps=15)
    with pytest.raises(EncodeError, match="redact it first"):
        # The strict-types gate fails here should the encoder ever take a Picture: the ignore would be unused.
        encoder.encode(drawn(0))  # type: ignore[arg-type]


def test_noise_is_coded_coarser_rather_than_with_more_bits() -> None:
    rng = np.random.default_rng(3)
    encoder = Encoder(320, 180, fps=15)
    size_bytes = 0
    for number in range(60):
        picture = drawn(number)
        picture.y[:] = rng.integers(16, 235, picture.y.shape)
        size_bytes += len(encoder.encode(uncovered(picture)).data)
    assert size_bytes * 8 / 4 < 1.5 * 320 * 180 * 15 * 0.3
