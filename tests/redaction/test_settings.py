"""Settings that cannot be used are refused, with what is wrong with them."""

from typing import Any

import pytest

from civicam.core.errors import RedactionError
from civicam.redaction.settings import Cover, RedactionSettings

TRIANGLE = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cover", "blur"),
        ("cover_yuv", (0, 128, 128)),
        ("cover_yuv", (96, 128)),
        ("cover_yuv", (96, 128, 241)),
        ("masks", (((0.0, 0.0), (1.0, 1.0)),)),
        ("masks", (((0.0, 0.0), (1.0, 1.0), (2.0, 0.0)),)),
        ("masks", [TRIANGLE]),
        ("always", (((0.0, 0.0), (1.0,), (0.0, 1.0)),)),
        ("always", (((0.0, 0.0), (float("nan"), 0.5), (0.0, 1.0)),)),
        ("always", (TRIANGLE,) * 65),
        ("stays_s", 60),
        ("hold_s", 0),
        ("tau_s", float("inf")),
        ("bootstrap_s", True),
        ("deviations", "4"),
        ("most_changed", 1.5),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: Any) -> None:
    with pytest.raises(RedactionError, match=name):
        RedactionSettings(**{name: value})


def test_nobody_can_choose_that_30_minutes_of_standing_still_are_enough_to_be_shown() -> None:
    assert RedactionSettings().stays_s > 1800
    with pytest.raises(RedactionError, match="stays_s"):
        RedactionSettings(stays_s=1799)


def test_settings_of_a_city_are_taken() -> None:
    settings = RedactionSettings(cover=Cover.PIXELATE, masks=(TRIANGLE,), always=(TRIANGLE,))
    assert settings.cover is Cover.PIXELATE
