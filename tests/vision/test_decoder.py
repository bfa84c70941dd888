"""Samples become pictures, in order, each with its time; what is broken becomes an error and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicam.camera.sample import Sample
from civicam.core.errors import DecodeError
from civicam.redaction.picture import Picture
from civicam.vision.decoder import MOST_PIXELS, Decoder
from tests.fakes.samples import encoded
from tests.vision.coded import coded

SETUP, SAMPLES = encoded(60, gop=15)


def decoded(samples: list[Sample]) -> tuple[Decoder, list[Picture]]:
    decoder = Decoder()
    decoder.setup(SETUP)
    pictures: list[Picture] = []
    for sample in samples:
        try:
            pictures += decoder.decode(sample)
        except DecodeError:
            continue
    return decoder, pictures


def test_each_sample_is_a_picture_at_once_with_the_sample_s_times() -> None:
    decoder = Decoder()
    decoder.setup(SETUP)
    for number, sample in enumerate(SAMPLES):
        (picture,) = decoder.decode(sample)
        assert (picture.pts_90k, picture.wall_ns) == (sample.pts_90k, sample.wall_ns)
        assert picture.is_key == (number % 15 == 0)
        assert picture.size == (160, 96)
        assert picture.u.shape == picture.v.shape == (48, 80)
    assert not decoder.flush()


def test_pictures_look_like_what_was_drawn() -> None:
    _, pictures = decoded(list(SAMPLES))
    # The lower half is one grey that grows by one a frame; 16 to 235 stand for 0 to 255.
    greys = [float(np.median(picture.y[60:])) for picture in pictures]
    assert greys == pytest.approx([16 + 219 * number / 255 for number in range(60)], abs=3)


def test_frames_out_of_order_are_put_in_order_from_the_second_group_on() -> None:
    setup, samples = encoded(90, gop=30, b_frames=2)
    decoder = Decoder()
    decoder.setup(setup)
    at = next(n for n in range(1, len(samples)) if samples[n].pts_90k < samples[n - 1].pts_90k)
    for sample in samples[:at]:
        decoder.decode(sample)
    with pytest.raises(DecodeError, match="reorders"):
        decoder.decode(samples[at])
    pictures = [picture for sample in samples[at + 1 :] for picture in decoder.decode(sample)] + decoder.flush()
    assert decoder.errors == 1
    assert [picture.pts_90k for picture in pictures] == sorted(
        sample.pts_90k for sample in samples if sample.pts_90k >= 30 * 6000
    )


def test_nothing_comes_before_a_key() -> None:
    _, pictures = decoded(list(SAMPLES[5:]))
    assert [picture.pts_90k for picture in pictures] == [sample.pts_90k for sample in SAMPLES[15:]]


def test_after_a_broken_sample_nothing_comes_before_the_next_key() -> None:
    broken = replace(SAMPLES[20], data=b"\0\0\0\5\x65\0\0\0\0")
    decoder, pictures = decoded([*SAMPLES[:20], broken, *SAMPLES[21:]])
    assert decoder.errors == 1
    assert [p.pts_90k for p in pictures] == [s.pts_90k for s in (*SAMPLES[:20], *SAMPLES[30:])]


def test_parameter_sets_that_ask_for_too_much_memory_are_refused() -> None:
    decoder = Decoder()
    with pytest.raises(DecodeError, match="too large"):
        decoder.setup(replace(SETUP, width=MOST_PIXELS, height=2))
    assert not decoder.decode(SAMPLES[0])


@pytest.mark.parametrize("size", [(162, 98), (160, 90)], ids=["cropped by 14", "cropped by 6"])
def test_pictures_are_cropped_as_the_stream_says(size: tuple[int, int]) -> None:
    setup, samples = encoded(4, size=size)
    decoder = Decoder()
    decoder.setup(setup)
    assert [picture.size for sample in samples for picture in decoder.decode(sample)] == [size] * 4


@pytest.mark.parametrize("full", [False, True], ids=["limited range", "full range"])
def test_black_is_16_and_white_is_235_whatever_range_the_camera_uses(full: bool) -> None:
    lumas = [np.full((96, 160), level, np.uint8) for level in ((0, 255) if full else (16, 235))]
    setup, samples = coded(lumas, full_range=full)
    decoder = Decoder()
    decoder.setup(setup)
    pictures = [picture for sample in samples for picture in decoder.decode(sample)]
    assert [int(np.median(picture.y)) for picture in pictures] == pytest.approx([16, 235], abs=1)


def test_planes_are_the_picture_s_own() -> None:
    _, pictures = decoded(list(SAMPLES))
    first = pictures[0].y.copy()
    for picture in pictures[1:]:
        picture.y[:] = 0
    assert np.array_equal(pictures[0].y, first)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_altered_and_cut_samples_give_pictures_or_decode_errors(data: st.DataObject) -> None:
    samples = list(SAMPLES[:30])
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(samples) - 1))
        broken = bytearray(samples[number].data)
        at = data.draw(st.integers(0, len(broken)))
        if at < len(broken) and data.draw(st.booleans()):
            broken[at] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del broken[at:]
        samples[number] = replace(samples[number], data=bytes(broken))
    _, pictures = decoded(samples)
    known = {sample.pts_90k: sample.wall_ns for sample in samples}
    assert all(known[picture.pts_90k] == picture.wall_ns for picture in pictures)
