"""RTSP/1.0 messages (RFC 2326 4 to 7): strict on sizes, lenient where cameras are odd.

Understood although wrong: line feeds alone, lower-case protocol names, a missing reason, space around names and values,
no `Content-Length`, folded header lines, empty lines before a message.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from civicam.core.errors import RtspError

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 256 * 1024

_END_OF_HEADER = re.compile(rb"\r?\n[ \t]*\r?\n")
_STATUS_LINE = re.compile(r"RTSP/[0-9]\.[0-9]\s+([0-9]{3})(?:\s+(.*))?", re.IGNORECASE)
_REQUEST_LINE = re.compile(r"([A-Z_]{1,32})\s+(\S+)\s+RTSP/\d\.\d", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class Headers:
    """Header lines in order; names are compared without regard to case."""

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self.lines = list(lines)

    def get(self, name: str, default: str = "") -> str:
        """The first value under `name`."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        """Every value under `name`."""
        wanted = name.lower()
        return [value for key, value in self.lines if key.lower() == wanted]

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self.lines]})"  # values may be credentials


@dataclass(slots=True)
class Response:
    """A camera's answer."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def cseq(self) -> int | None:
        """Which request it answers; None where the camera does not say."""
        return _number(self.headers.get("CSeq"))


@dataclass(slots=True)
class Request:
    """A question, ours or a camera's."""

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


def parse(data: bytes) -> tuple[Request | Response | None, int]:
    """Reads the message at the start of `data`.

    Returns:
        The message and the bytes it took; None and 0 while it is not whole yet.

    Raises:
        RtspError: it is not RTSP, or larger than a camera has reason to send.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = _END_OF_HEADER.search(data, start, start + MAX_HEADER_BYTES)
    if end is None:
        if len(data) - start >= MAX_HEADER_BYTES:
            raise RtspError(f"a message header is longer than {MAX_HEADER_BYTES} bytes")
        return None, 0
    message = _parse_header(data[start : end.start()])
    size = _body_bytes(message.headers, data[end.end() :])
    if size is None or len(data) < end.end() + size:
        return None, 0
    message.body = data[end.end() : end.end() + size]
    return message, end.end() + size


def _parse_header(data: bytes) -> Request | Response:
    first, *lines = re.split(r"\r?\n", data.decode("utf-8", "replace"))
    headers = Headers(_header_lines(lines))
    if found := _STATUS_LINE.fullmatch(first.strip()):
        return Response(int(found[1]), printable(found[2] or ""), headers)
    if found := _REQUEST_LINE.fullmatch(first.strip()):
        return Request(found[1].upper(), found[2], headers)
    raise RtspError("an answer is not RTSP", fix="check that the port is the camera's RTSP port")


def _header_lines(lines: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and found and ":" not in line:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        if colon and name.strip():
            found.append((name.strip(), value.strip()))
    return found


def _body_bytes(headers: Headers, rest: bytes) -> int | None:
    """How long the body is; None while that cannot be said yet."""
    told = headers.get("Content-Length")
    if told:
        size = _number(told)
        if size is None or size > MAX_BODY_BYTES:
            raise RtspError(f"Content-Length is not a number up to {MAX_BODY_BYTES}")
        return size
    if "sdp" not in headers.get("Content-Type").lower():
        return 0
    # Cameras that leave the length out send the description in one go, before any media.
    if len(rest) > MAX_BODY_BYTES:
        raise RtspError(f"a body is longer than {MAX_BODY_BYTES} bytes")
    return len(rest) if b"m=" in rest and rest.endswith(b"\n") else None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def printable(text: str, limit: int = 80) -> str:
    """What a camera said, made safe to repeat in a message."""
    return _UNPRINTABLE.sub("?", text)[:limit]


def serialise(message: Request | Response) -> bytes:
    """The message as it is sent; `Content-Length` is added where there is a body."""
    if isinstance(message, Request):
        first = f"{message.method} {message.uri} RTSP/1.0"
    else:
        first = f"RTSP/1.0 {message.status} {message.reason}"
    lines = [first, *(f"{name}: {value}" for name, value in message.headers.lines)]
    if message.body and not message.headers.get("Content-Length"):
        lines.append(f"Content-Length: {len(message.body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + message.body
