"""A learned scene survives being stored, and nothing else is taken for one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.errors import RedactionError
from civicam.redaction.background import BackgroundModel
from civicam.redaction.picture import Picture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Grid
from civicam.redaction.snapshot import model_from_bytes, model_to_bytes

SETTINGS = RedactionSettings(bootstrap_s=10.0)
S = 1_000_000_000


def street(second: float) -> Picture:
    """The same slope of light at any time, with a little noise."""
    rng = np.random.default_rng(round(second * 10))
    rows, columns = np.mgrid[:180, :320]
    y = (50 + (rows + columns) * 120 // 500 + rng.integers(0, 3, (180, 320))).astype(np.uint8)
    half = np.full((90, 160), 120, np.uint8)
    return Picture(y, half, half, round(second * 90_000), round(second * S), False)


def somebody(second: float) -> Picture:
    picture = street(second)
    y = picture.y.copy()
    y[60:120, 100:130] = 230
    return replace(picture, y=y)


def warm() -> Redactor:
    redactor = Redactor(SETTINGS)
    for number in range(60):
        redactor.learn(street(number * 0.5))
    assert redactor.is_warm
    return redactor


def test_a_scene_taken_up_again_shows_at_once_what_it_knows_and_covers_what_it_does_not() -> None:
    before = warm()
    assert before.model is not None
    data = model_to_bytes(before.model)
    assert data is not None
    after = Redactor(SETTINGS)
    after.adopt(model_from_bytes(data, SETTINGS))
    for redactor in (before, after):
        shown = redactor.redact(street(30.0))
        assert shown.reason is None
        assert shown.covered.mean() < 0.05
        covered = redactor.redact(somebody(30.5))
        assert covered.reason is None
        assert np.ptp(covered.picture.y[64:116, 104:126]) == 0


def test_a_cold_model_gives_nothing() -> None:
    assert model_to_bytes(BackgroundModel(SETTINGS, Grid(320, 180))) is None


def test_what_was_cut_off_or_altered_is_refused() -> None:
    model = warm().model
    assert model is not None
    data = model_to_bytes(model)
    assert data is not None
    for wrong in (b"", data[: len(data) // 2], data[:-1], b"x" + data[1:]):
        with pytest.raises(RedactionError):
            model_from_bytes(wrong, SETTINGS)


@given(st.binary(max_size=200))
def test_noise_is_no_scene(data: bytes) -> None:
    with pytest.raises(RedactionError):
        model_from_bytes(data, SETTINGS)
