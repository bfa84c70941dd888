"""A connection: messages, interleaved packets and what is neither, in reads of any size; and challenges to log in."""

import asyncio
import struct
import sys

from civicam.camera.auth import Authenticator, parse_challenges, strongest
from civicam.camera.connection import MAX_GARBAGE_BYTES, Connection
from civicam.camera.counters import SourceCounters
from civicam.camera.message import Request, Response, serialise
from civicam.camera.sample import H264Setup, Sample
from civicam.camera.sdp import H264Offer
from civicam.camera.track import VideoTrack
from civicam.camera.url import CameraUrl, Credentials, redact
from civicam.core.clock import SystemClock
from civicam.core.errors import CivicamError
from civicam.core.ids import GapCause
from tests.fuzz import harness


class _Nothing:
    """Where samples go that nobody looks at."""

    def setup(self, setup: H264Setup) -> None:
        pass

    def sample(self, sample: Sample) -> None:
        pass

    def broken(self, cause: GapCause, detail: str) -> None:
        pass

    def discontinuity(self, detail: str) -> None:
        pass


def _packet(channel: int, sequence: int, payload: bytes) -> bytes:
    rtp = struct.pack("!BBHII", 0x80, 96 | 0x80, sequence, 3000 * sequence, 7) + payload
    return struct.pack("!BBH", 0x24, channel, len(rtp)) + rtp


_OK = (
    b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 1;timeout=60\r\n"
    b'WWW-Authenticate: Digest realm="a, b", nonce="1", qop="auth"\r\n\r\n'
)
_DESCRIBED = b"rtsp/1.0 200\ncseq : 3\nContent-Type: application/sdp\nContent-Length: 21\n\nm=video 0 RTP/AVP 96\n"
_SR = b"$\x01\x00\x1c" + struct.pack("!BBHIQIII", 0x80, 200, 6, 7, 0xE9000000 << 32, 9, 1, 1)
SEEDS = [
    _OK + _DESCRIBED,
    _packet(0, 1, b"\x65\x88abc") + _OK + _packet(0, 2, b"\x41\x9a") + _SR,
    _packet(0, 1, b"\x65\x88abc") + b"garbage" * 5 + _packet(0, 2, b"\x41\x9a"),
    _packet(4, 1, b"\x65\x88abc") + b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" + _packet(4, 2, b"\x41\x9a"),
]
_LOOP = asyncio.new_event_loop()
_CREDENTIALS = Credentials("user", "s3cret-passphrase")


async def _feed(data: bytes) -> None:
    answers: list[Request | Response] = []
    clock = SystemClock()
    connection = Connection(clock, answers.append)
    track = VideoTrack(H264Offer("", 96, 1, ()), _Nothing(), SourceCounters(), clock)
    if data[:1] < b"\x80":
        connection.attach(track, 0, 1)
    step = 1 + data[-1] if data else 1
    for at in range(0, len(data), step):
        part = data[at : at + step]
        buffer = connection.get_buffer(-1)
        buffer[: len(part)] = part
        connection.buffer_updated(len(part))
        if connection.ended.done():
            break
    assert "s3cret-passphrase" not in str(connection.error)
    assert connection._garbage_bytes <= MAX_GARBAGE_BYTES + len(data)
    for answer in answers:
        serialise(answer)
        best = strongest(parse_challenges(answer.headers.all("WWW-Authenticate")))
        if best is not None:
            header = Authenticator(best, _CREDENTIALS).header("DESCRIBE", "rtsp://192.0.2.1/")
            assert "\n" not in header
            assert "s3cret-passphrase" not in header


def one(data: bytes) -> None:
    _LOOP.run_until_complete(_feed(data))
    _check_address(data.decode("utf-8", "replace"))


def _check_address(rest: str) -> None:
    text = f"rtsp://user:s3cret-passphrase@{rest}"
    try:
        url, _ = CameraUrl.parse(text)
        shown = f"{url!r} {url.target}"
    except CivicamError as error:
        shown = str(error)
    assert "s3cret-passphrase" not in shown
    assert "s3cret-passphrase" not in redact(text)


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
