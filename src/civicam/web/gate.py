"""From a request to a decision: who asks, through which camera, for which stretch, and whether they may."""

from datetime import UTC, datetime
from typing import Final

from starlette.requests import HTTPConnection

from civicam.access.decide import Who
from civicam.core.errors import RequestError
from civicam.core.ids import CameraId, parse_camera_id
from civicam.core.spans import Span
from civicam.web.authorise import Authoriser, Decision, Purpose, Viewer
from civicam.web.bearer import Bearers

_FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_MOMENT_BYTES: Final = 40
_NS: Final = 1_000_000_000
_NEVER_NS: Final = 1 << 62
"""In the year 2116: what is stored has 64 bits, and sums of two moments fit."""


class Gate:
    """Makes the decision that a request needs.

    Args:
        authoriser: decides.
        bearers: find out who asks; None in a city that has no people.
    """

    def __init__(self, authoriser: Authoriser, bearers: Bearers | None = None) -> None:
        self._authoriser = authoriser
        self._bearers = bearers

    def decide(
        self,
        request: HTTPConnection,
        purpose: Purpose,
        camera: str | None = None,
        window: Span | None = None,
        *,
        grant: int | None = None,
        is_again: bool = False,
    ) -> Decision:
        """Returns the decision that allows what `request` asks for.

        Args:
            request: who asks.
            purpose: what for.
            camera: the camera's name, as asked for.
            window: the stretch of wall time in nanoseconds, None for now.
            grant: under which grant, for clear pictures.
            is_again: nobody asked anew: whether what they see may go on is asked, and their session is as idle.

        Raises:
            ConfigError: that is no camera's name.
            NotAllowedError: they may not.
            SignInError: nobody is signed in.
        """
        who = self._bearers.who(request) if self._bearers else None
        if who is not None and self._bearers is not None and not is_again:
            self._bearers.seen(who)
        return self._authoriser.authorise(viewer_of(request, who), _camera(camera), window, purpose, grant=grant)


def _camera(text: str | None) -> CameraId | None:
    return None if text is None else parse_camera_id(text)


def viewer_of(request: HTTPConnection, who: Who | None = None) -> Viewer:
    """Who asks, `who` they are known as."""
    peer = request.client.host if request.client else ""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return Viewer(peer, request.headers.get("host", ""), is_forwarded, who)


def parse_window(start: str, end: str, most_s: float) -> Span:
    """The stretch between two moments.

    Args:
        start: when it begins (RFC 3339), such as `2026-03-01T12:00:05Z`.
        end: when it ends.
        most_s: it may be so long.

    Raises:
        RequestError: they are no moments, the wrong way round, or too far apart.
    """
    window = parse_moment(start, "from"), parse_moment(end, "to")
    length_ns = window[1] - window[0]
    if not 0 < length_ns <= most_s * _NS:
        raise RequestError(
            f"from {start} to {end} is no stretch that can be asked for",
            fix=f"let 'to' be after 'from', and at most {most_s:g} s later",
        )
    return window


def parse_moment(text: str, name: str) -> int:
    """The wall nanoseconds of a moment (RFC 3339) that the parameter `name` says.

    Raises:
        RequestError: it is none.
    """
    advice = "write 2026-03-01T12:00:05Z"
    if len(text) > _MOMENT_BYTES:
        raise RequestError(f"'{name}' is no moment", fix=advice)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = moment - datetime.fromtimestamp(0, UTC)
    except (ValueError, OverflowError):
        raise RequestError(f"'{name}' is no moment", fix=advice) from None
    at_ns = (since.days * 86_400 + since.seconds) * _NS + since.microseconds * 1000
    if at_ns < 0:
        raise RequestError(f"'{name}' is before 1970", fix=advice)
    if at_ns >= _NEVER_NS:
        raise RequestError(f"'{name}' is too far away", fix=advice)
    return at_ns


def moment(wall_ns: int) -> str:
    """A moment as the API writes it: RFC 3339, UTC, milliseconds."""
    seconds, rest_ns = divmod(wall_ns, _NS)
    at = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{at}.{rest_ns // 1_000_000:03d}Z"
