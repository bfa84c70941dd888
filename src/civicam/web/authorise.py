"""The one seam between a request and pictures: may this viewer look through this camera at this time, and what for?

Nothing in `web/` gives out anything without a `Decision`, and only `Authoriser.authorise` makes one. The default policy
refuses everything.
"""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from urllib.parse import urlsplit

from civicam.access.decide import Who
from civicam.core.clock import Clock
from civicam.core.errors import NotAllowedError
from civicam.core.ids import CameraId
from civicam.core.spans import Span

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""What a browser on this machine calls it. Any other name may be a stranger's that points here (DNS rebinding)."""


class Purpose(StrEnum):
    """What somebody wants to look for; each is asked and decided by itself."""

    PAGE = "page"
    """the page itself, its scripts and the description of the API: no camera is named in them"""
    PUBLIC = "public"
    """what everybody may see: the register, the counts, the ledger's public files"""
    LIST = "list"
    """which cameras there are, and how each is"""
    STILL = "still"
    LIVE = "live"
    PLAYBACK = "playback"
    COVERAGE = "coverage"
    """what of a stretch is playable, and what is missing why"""
    TEST_STILL = "test-still"
    """one redacted picture, to see whether the camera works"""
    CLEAR = "clear"
    """recorded pictures as they are, under a grant"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who asks.

    Attributes:
        peer: the address at the other end of the connection, empty if there is none.
        host: the name the request was sent to (HTTP's `Host`), as sent.
        is_forwarded: it came through another server, so `peer` says nothing about who asks.
        who: the person, and by what they are known; None where nobody is.
    """

    peer: str
    host: str
    is_forwarded: bool = False
    who: Who | None = None


class Decision:
    """A view that was allowed. Made by `Authoriser.authorise` only; what gives out pictures takes nothing else.

    Attributes:
        viewer: who may look.
        camera: through which camera; None where no camera is looked through.
        window: the stretch of wall time, in nanoseconds.
        purpose: what for.
        grant: under which grant, for clear pictures.
    """

    __slots__ = ("_camera", "grant", "purpose", "viewer", "window")

    def __init__(
        self,
        viewer: Viewer,
        camera: CameraId | None,
        window: Span,
        purpose: Purpose,
        *,
        grant: int | None = None,
        made_by: "_Seal",
    ) -> None:
        assert made_by is _SEAL
        self.grant: Final = grant
        self.viewer: Final = viewer
        self.window: Final = window
        self.purpose: Final = purpose
        self._camera: Final = camera

    @property
    def camera(self) -> CameraId:
        """The camera that may be looked through.

        Raises:
            NotAllowedError: the decision allows no camera.
        """
        if self._camera is None:
            raise NotAllowedError("this view allows no camera")
        return self._camera


class _Seal:
    """Kept in this file: without it there is no `Decision`."""


_SEAL: Final = _Seal()


class Policy(Protocol):
    """Who may look. Asked for every request, and again while a live view lasts."""

    def refusal(
        self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
    ) -> str | None:
        """Why `viewer` may not, as a clause; None if they may. Must not block.

        Raises:
            SignInError: nobody is signed in, and somebody must be.
        """
        ...


class RefuseAll:
    """The policy of a city that has none."""

    def refusal(
        self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
    ) -> str | None:
        """See `Policy`."""
        return "nobody may look: this city has no rule that lets anyone"


class LocalOnly:
    """Lets in who sits at this machine: the peer is loopback, and the name asked for is this machine's own.

    A page from elsewhere can make a browser here ask for a name of its own that points to 127.0.0.1 (DNS rebinding);
    the browser then sends that name. A server in between makes every peer look local, so what it forwards is refused.
    """

    def refusal(
        self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
    ) -> str | None:
        """See `Policy`."""
        if purpose is Purpose.CLEAR:
            return "clear video takes people, and this city has none"
        if viewer.is_forwarded:
            return "another server forwarded this request, so nobody can tell who asks"
        if not _is_loopback(viewer.peer):
            return "only who sits at this machine may look"
        if host_name(viewer.host) not in LOCAL_NAMES:
            return "this machine was asked by a name that is not its own"
        return None


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def host_name(host: str) -> str:
    """The name in a `Host` header, in lower case, without port and brackets; empty if it is none (RFC 9110, 7.2)."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.netloc != host or parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    return parts.hostname or ""


class Authoriser:
    """Asks the policy, and makes the decisions.

    Args:
        clock: the time; a live view is allowed from now on.
        policy: who may look; nobody, unless one is given.
    """

    def __init__(self, clock: Clock, policy: Policy | None = None) -> None:
        self._clock = clock
        self._policy = policy or RefuseAll()

    def authorise(
        self,
        viewer: Viewer,
        camera: CameraId | None,
        window: Span | None,
        purpose: Purpose,
        *,
        grant: int | None = None,
    ) -> Decision:
        """Returns the decision that lets `viewer` look.

        Args:
            viewer: who asks.
            camera: through which camera; None where none is looked through.
            window: the stretch of wall time, in nanoseconds; None for this moment.
            purpose: what for.
            grant: under which grant, for clear pictures.

        Raises:
            NotAllowedError: they may not.
            SignInError: nobody is signed in.
        """
        now_ns = self._clock.wall_ns()
        window = window or (now_ns, now_ns + 1)
        refusal = self._policy.refusal(viewer, camera, window, purpose, grant)
        if refusal is not None:
            raise NotAllowedError(refusal)
        return Decision(viewer, camera, window, purpose, grant=grant, made_by=_SEAL)
