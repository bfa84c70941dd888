"""What holds for every request, whatever it asks for: bounds, where it may come from, every answer's headers."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from civicam.web.problem import problem

PATH_BYTES: Final = 256
QUERY_BYTES: Final = 512
_FROM_ELSEWHERE: Final = {"/", "/public", "/api/provider/end"}
"""Where links and redirects of other sites may lead: the page, and back from where somebody signed in.
No picture or script of theirs may be one of these."""
BODY_BYTES: Final = 64 << 10
_LENGTH_DIGITS: Final = 8

# Everything comes from this server, and nothing is asked of any other; no script or style stands within the page.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY_VIOLATION: Final = 1008


class Guard:
    """Stands before the whole application (ASGI).

    Args:
        app: what answers those that pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = _refusal(scope)
        await (problem(*refusal) if refusal else self._app)(scope, receive, send_guarded)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_too_long(scope) or not is_same_origin(Headers(scope=scope)):
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)


def _refusal(scope: Scope) -> tuple[HTTPStatus, str] | None:
    if _is_too_long(scope):
        return HTTPStatus.REQUEST_URI_TOO_LONG, f"a path has at most {PATH_BYTES} bytes, a query {QUERY_BYTES}"
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        # Beside a length, it would be read in place of that (RFC 9112, 6.3).
        return HTTPStatus.LENGTH_REQUIRED, "say how long the body is, and send it in one piece"
    if _is_from_elsewhere(headers, scope["path"]):
        return HTTPStatus.FORBIDDEN, "a page of another site asked for this"
    if scope["method"] in {"GET", "HEAD"}:
        return None
    if scope["method"] != "POST":
        return HTTPStatus.METHOD_NOT_ALLOWED, "use GET, or POST for what changes something"
    return _post_refusal(headers)


def _post_refusal(headers: Headers) -> tuple[HTTPStatus, str] | None:
    """What changes something is asked by a page of this server, or by a program, and never by a form of a stranger's.

    A stranger's page can send a form without asking; JSON it cannot (Fetch, 4.10: CORS-safelisted request header).
    """
    if "origin" in headers and not is_same_origin(headers):
        return HTTPStatus.FORBIDDEN, "a page of another site asked for this"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json"
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return HTTPStatus.LENGTH_REQUIRED, "say how long the body is"
    if len(length) > _LENGTH_DIGITS or int(length) > BODY_BYTES:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {BODY_BYTES} bytes"
    return None


def _is_too_long(scope: Scope) -> bool:
    return len(scope.get("raw_path") or b"") > PATH_BYTES or len(scope["query_string"]) > QUERY_BYTES


def _is_from_elsewhere(headers: Headers, path: str) -> bool:
    """A browser says whose page asks (Fetch Metadata). A link from elsewhere may lead to the page, and nowhere else."""
    is_elsewhere = headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_elsewhere and not (is_link and (path in _FROM_ELSEWHERE or path.startswith("/public/")))


def is_same_origin(headers: Headers) -> bool:
    """Whether a WebSocket is asked for by a page of this very server (RFC 6455, 10.2); browsers always say."""
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return origin.scheme in {"http", "https"} and origin.netloc.lower() == headers.get("host", "").lower() != ""
