"""What somebody wants exported, and whether that can be."""

from dataclasses import dataclass
from typing import Final

from civicam.access.decide import HOUR_NS
from civicam.access.requests import PURPOSE
from civicam.core.errors import RequestError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.evidence.order import MOST_NS, Area

LONGEST_LINK_NS: Final = 14 * 24 * HOUR_NS
_MOST_SHOWN: Final = 250_000
"""In millionths of the picture: a place that shows somebody is no larger than a quarter of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants exported.

    Attributes:
        grant: under which grant.
        cameras: of which of its cameras.
        window: which stretch of it.
        recipient: who will have it.
        lasts_ns: how long the link holds.
        is_redacted: what moves is covered.
        shown: where a redacted one shows who asked.
        covered: where it covers what redaction takes for the scene.
    """

    grant: int
    cameras: frozenset[CameraId]
    window: Span
    recipient: str
    lasts_ns: int
    is_redacted: bool = False
    shown: tuple[Area, ...] = ()
    covered: tuple[Area, ...] = ()


def check_wanted(wanted: Wanted, purpose: str) -> None:
    """Returns if it can be, for a case of that purpose.

    Raises:
        RequestError: the recipient is not named, the link would hold too long, it is too much, a resident would see
            others, or a place is none.
    """
    if purpose == PURPOSE and not wanted.is_redacted:
        raise RequestError("a resident gets footage in which others are covered", fix="have it redacted")
    if not wanted.recipient.strip():
        raise RequestError("an export is for somebody", fix="say who will have it")
    if not HOUR_NS <= wanted.lasts_ns <= LONGEST_LINK_NS:
        raise RequestError("a link holds for an hour to 14 days")
    if not 0 < wanted.window[1] - wanted.window[0] <= MOST_NS // len(wanted.cameras):
        raise RequestError("an export is of 100 hours at most, all its cameras together", fix="order several")
    _check_areas(wanted)


def _check_areas(wanted: Wanted) -> None:
    """Returns if all that a redacted export is to show or cover lies within it; raises RequestError."""
    if (wanted.shown or wanted.covered) and not wanted.is_redacted:
        raise RequestError("an export that is not redacted shows everything", fix="name no places, or have it redacted")
    for number, area in enumerate((*wanted.shown, *wanted.covered), 1):
        _check_area(wanted, area, f"place {number}")
    for number, area in enumerate(wanted.shown, 1):
        if (area.right - area.left) * (area.bottom - area.top) > _MOST_SHOWN:
            raise RequestError(
                f"place {number} shows more than a quarter of the picture, and whoever is in it",
                fix="draw a smaller one around who asked, and more of them where they move",
            )


def _check_area(wanted: Wanted, area: Area, where: str) -> None:
    if area.camera not in wanted.cameras:
        raise RequestError(f"{where} is in a camera that is not exported", fix="choose one that is")
    if not wanted.window[0] <= area.start_ns < area.end_ns <= wanted.window[1]:
        raise RequestError(f"{where} is not within the stretch that is exported", fix="see from when until when it is")
    if not (0 <= area.left < area.right <= 1000 and 0 <= area.top < area.bottom <= 1000):
        raise RequestError(f"{where} is no rectangle", fix="its right edge is beyond its left one")
