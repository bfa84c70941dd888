"""RTSP as a camera reads and writes it: requests in, replies out (RFC 2326).

This is the simulator's own grammar, apart from the recorder's, so that one does not hide the other's mistakes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from civicam.core.errors import RtspError

MAX_HEAD_BYTES = 8192
MAX_BODY_BYTES = 8192
MAX_HEADERS = 64

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
}

_REQUEST_LINE = re.compile(r"([A-Z_]{1,32}) (\S{1,2048}) RTSP/(\d{1,3})\.(\d{1,3})")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: such as `DESCRIBE`.
        url: as it stood in the request line.
        version: such as `(1, 0)`.
        headers: by lower-case name; a repeated header's values are joined by commas.
        body: what followed the headers.
    """

    method: str
    url: str
    version: tuple[int, int]
    # A request carries credentials in its headers, and is printed in no log.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def cseq(self) -> str | None:
        """The sequence number, None when it is missing or not a number."""
        value = self.headers.get("cseq", "")
        return value if _NUMBER.fullmatch(value) else None

    @property
    def session(self) -> str:
        """The session's id without parameters; empty when there is none."""
        return self.headers.get("session", "").partition(";")[0].strip()

    @property
    def path(self) -> tuple[str, ...]:
        """The URL's path, in parts; empty for `*` and for what is no URL."""
        return path_of(self.url)


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Binary data from the client: RTCP, as a rule.

    Attributes:
        channel: 0 to 255.
        data: the payload.
    """

    channel: int
    data: bytes


class RequestReader:
    """Takes a connection's bytes apart. After it has raised, the connection's framing is lost: close it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Adds bytes as they came."""
        self._buffer += data

    def next(self) -> Request | Interleaved | None:
        """Returns the next whole thing, None when more bytes are needed.

        Raises:
            RtspError: the bytes are no request, or a longer one than a camera takes.
        """
        buffer = self._buffer
        while buffer[:2] == b"\r\n":
            del buffer[:2]
        if not buffer:
            return None
        return self._interleaved() if buffer[0] == 0x24 else self._request()

    def _interleaved(self) -> Interleaved | None:
        buffer = self._buffer
        end = 4 + int.from_bytes(buffer[2:4])
        if len(buffer) < 4 or len(buffer) < end:
            return None
        block = Interleaved(buffer[1], bytes(buffer[4:end]))
        del buffer[:end]
        return block

    def _request(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise _bad(f"its head is longer than {MAX_HEAD_BYTES} bytes")
            return None
        request = parse_head(bytes(self._buffer[:end]))
        length = request.headers.get("content-length", "0")
        if not _NUMBER.fullmatch(length) or int(length) > MAX_BODY_BYTES:
            raise _bad("its content-length is not usable")
        body_at = end + 4
        whole = body_at + int(length)
        if len(self._buffer) < whole:
            return None
        body = bytes(self._buffer[body_at:whole])
        del self._buffer[:whole]
        return Request(request.method, request.url, request.version, request.headers, body)


def parse_head(head: bytes) -> Request:
    """Returns the request whose line and headers are `head`, without the empty line.

    Raises:
        RtspError: it is none.
    """
    try:
        first, *lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        raise _bad("it is not text") from None
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise _bad("its first line is not one")
    if len(lines) > MAX_HEADERS:
        raise _bad(f"it has more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for number, text in enumerate(lines, 2):
        header = _HEADER.fullmatch(text)
        if header is None:
            raise _bad(f"line {number} is no header")
        name, value = header[1].lower(), header[2].strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Request(line[1], line[2], (int(line[3]), int(line[4])), headers)


def path_of(url: str) -> tuple[str, ...]:
    """Returns the parts of a URL's path, unquoted; empty for what is no URL."""
    try:
        return tuple(unquote(part) for part in urlsplit(url).path.split("/") if part and part != "*")
    except ValueError:
        return ()


def base_of(url: str) -> str:
    """Returns `url` without credentials, query and trailing slash, for a reply to name it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def interleaved_channels(transport: str, taken: int = 0) -> tuple[int, int] | None:
    """Returns the RTP and RTCP channel of the first offer that is RTP over this connection (RFC 2326 section 12.39).

    Args:
        transport: the Transport header; offers stand apart by commas.
        taken: the channel given to an offer that names none.

    Returns:
        None when no offer is usable.
    """
    for offer in transport.split(","):
        protocol, *parameters = (part.strip() for part in offer.split(";"))
        if protocol.upper() != "RTP/AVP/TCP" or "multicast" in parameters:
            continue
        channels = next((p.partition("=")[2] for p in parameters if p.startswith("interleaved=")), "")
        low, _, high = channels.partition("-")
        if not channels:
            return taken, taken + 1
        if not _NUMBER.fullmatch(low) or (high and not _NUMBER.fullmatch(high)):
            continue
        pair = int(low), int(high) if high else int(low) + 1
        if max(pair) <= 255 and pair[0] != pair[1]:
            return pair
    return None


def reply(status: int, cseq: str | None, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Returns a reply's bytes.

    Args:
        status: the code.
        cseq: the request's sequence number; None when it had none.
        headers: further headers.
        body: what follows them.
    """
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _bad(what: str) -> RtspError:
    return RtspError(f"a request that cannot be read: {what}", fix="see RFC 2326 section 6")
