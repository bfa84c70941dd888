"""A scene as bytes: what comes back is the scene, and anything else is refused."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.errors import RedactionError
from civicam.redaction.background import BackgroundModel
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Grid
from tests.redaction.place import Place

SETTINGS = RedactionSettings(bootstrap_s=60)


def kept() -> tuple[Place, bytes]:
    place = Place(64, 48)
    model = BackgroundModel(SETTINGS, Grid(64, 48))
    for at_s in range(0, 80, 2):
        model.see(place.picture(at_s))
    return place, model.to_bytes()


PLACE, BYTES = kept()


def test_a_scene_that_comes_back_is_known_at_once() -> None:
    model = BackgroundModel.from_bytes(BYTES, SETTINGS)
    assert model.is_warm
    assert model.see(PLACE.picture(100)).cells.mean() < 0.05
    assert model.see(PLACE.picture(101, (16, 16, 32, 40))).cells[3, 3]


def test_who_stood_before_a_restart_is_covered_after_it_and_the_time_goes_on() -> None:
    model = BackgroundModel.from_bytes(BYTES, SETTINGS)
    for at_s in range(100, 1100, 2):
        model.see(PLACE.picture(at_s, (16, 16, 32, 40)))
    again = BackgroundModel.from_bytes(model.to_bytes(), SETTINGS)
    assert model.scene is not None
    assert again.scene is not None
    assert np.abs(again.scene.stays_s - model.scene.stays_s).max() <= 1
    assert again.scene.stays_s.max() > 900
    assert again.see(PLACE.picture(1101, (16, 16, 32, 40))).cells[3, 3]


def test_a_cold_model_cannot_be_kept() -> None:
    with pytest.raises(RedactionError, match="not known yet"):
        BackgroundModel(SETTINGS, Grid(64, 48)).to_bytes()


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RedactionError):
        BackgroundModel.from_bytes(data, SETTINGS)


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_the_size_only(at: int, by: int) -> None:
    data = bytearray(BYTES)
    data[at] ^= by
    with pytest.raises(RedactionError):
        BackgroundModel.from_bytes(bytes(data), SETTINGS)


@given(st.integers(0, len(BYTES) - 1))
def test_a_cut_off_scene_is_refused(length: int) -> None:
    with pytest.raises(RedactionError):
        BackgroundModel.from_bytes(BYTES[:length], SETTINGS)


@pytest.mark.parametrize("length", [0, 10, 64 << 20])
def test_bytes_that_unpack_to_more_or_less_than_a_scene_are_refused(length: int) -> None:
    packed = zlib.compress(bytes(length), 1)
    declared = struct.unpack_from("<I", BYTES, 14)[0]
    head = struct.pack("<4sHHHII", b"CVBG", 2, 64, 48, zlib.crc32(packed), declared)
    with pytest.raises(RedactionError, match="do not unpack"):
        BackgroundModel.from_bytes(head + packed, SETTINGS)
