"""By what a request says who it is from: a session's cookie, or a program's token."""

from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from civicam.access.decide import Who
from civicam.access.models import Where
from civicam.access.sign_in.door import Door, From, Opened
from civicam.access.sign_in.limits import network_of
from civicam.core.errors import SignInError
from civicam.web.authorise import LOCAL_NAMES, host_name

_SESSION: Final = "civicam-session"
_DEVICE: Final = "civicam-device"
_RETURN: Final = "civicam-return"
_RETURN_S: Final = 600
_DEVICE_S: Final = 400 * 86_400
"""Browsers keep a cookie for so long at most (RFC 6265bis, 5.5)."""
_COOKIE_LETTERS: Final = 128
_HOST: Final = "__Host-"
"""A cookie of such a name is Secure, of this very host, and for all of it (RFC 6265bis, 4.1.3.2)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is signed in and asks for something.

    Attributes:
        who: they.
        where: from where.
    """

    who: Who
    where: Where


class Bearers:
    """Finds out who asks.

    Args:
        door: knows sessions and tokens.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    def who(self, request: HTTPConnection) -> Who | None:
        """Who asks; None where nobody is signed in. A token goes before a cookie."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._door.who_has_token(token.strip())
        return self._door.who_has_session(request.cookies.get(_name(request, _SESSION), ""))

    def seen(self, who: Who) -> None:
        """Somebody asks for something in their session, which does not end by idleness now."""
        if who.session is not None:
            self._door.seen(who.session)

    def caller(self, request: HTTPConnection) -> Caller:
        """Who asks, and from where.

        Raises:
            SignInError: nobody is signed in.
        """
        who = self.who(request)
        if who is None:
            raise SignInError("nobody is signed in", fix="sign in first")
        self.seen(who)
        return Caller(who, self._door.where_of(who))


def from_where(request: HTTPConnection) -> From:
    """Where somebody signs in.

    Raises:
        SignInError: what they send could be read on its way.
    """
    if not _is_private(request):
        raise SignInError("nobody signs in over a connection that others can read", fix="use https")
    return From(network_of(request.client.host) if request.client else "", _device(request))


def remember(request: HTTPConnection, response: Response, opened: Opened) -> None:
    """Has the browser keep a session that has begun, until it is closed, and its own name."""
    _set(request, response, _SESSION, opened.secret, None)
    _set(request, response, _DEVICE, opened.device, _DEVICE_S)


def forget(request: HTTPConnection, response: Response) -> None:
    """Has the browser forget its session."""
    _set(request, response, _SESSION, "", 0)


def keep_for_return(request: HTTPConnection, response: Response, secret: str) -> None:
    """Has the browser keep what it shows when it comes back from another site, which sends Lax cookies alone along."""
    _set(request, response, _RETURN, secret, _RETURN_S, same_site="lax")


def kept_for_return(request: HTTPConnection) -> str:
    """What `keep_for_return` had it keep."""
    return request.cookies.get(_name(request, _RETURN), "")[:_COOKIE_LETTERS]


def _set(
    request: HTTPConnection,
    response: Response,
    name: str,
    value: str,
    max_age_s: int | None,
    *,
    same_site: Literal["strict", "lax"] = "strict",
) -> None:
    response.set_cookie(
        _name(request, name),
        value,
        max_age=max_age_s,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite=same_site,
    )


def _device(request: HTTPConnection) -> str:
    return request.cookies.get(_name(request, _DEVICE), "")[:_COOKIE_LETTERS]


def _name(request: HTTPConnection, name: str) -> str:
    return _HOST + name if _is_secure(request) else name


def _is_secure(request: HTTPConnection) -> bool:
    return request.url.scheme in {"https", "wss"}


def _is_private(request: HTTPConnection) -> bool:
    """Over TLS, or without leaving this machine, where some browsers take no Secure cookies."""
    return _is_secure(request) or host_name(request.headers.get("host", "")) in LOCAL_NAMES
