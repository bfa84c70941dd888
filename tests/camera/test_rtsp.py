"""Sessions with cameras on real sockets: polite ones, odd ones, and ones that refuse."""

import asyncio
import base64
import re
import struct
from collections.abc import Callable

import pytest
import uvloop

from civicam.camera.counters import SourceCounters
from civicam.camera.rtsp import RtspSession
from civicam.camera.track import VideoTrack
from civicam.camera.url import CameraUrl, Credentials
from civicam.core.clock import SystemClock
from civicam.core.errors import CameraError, ConnectError, RtspError, SdpError, UnauthorisedError
from tests.fakes.clock import ManualClock
from tests.fakes.heard import Heard
from tests.fakes.odd_camera import PASSWORD, USER, OddCamera, stream_of, until
from tests.fakes.packets import PAYLOAD_TYPE, SSRC, interleaved, sender_report, with_lengths
from tests.fakes.samples import encoded

SETUP, _ = encoded(1)
SPROP = ",".join(base64.b64encode(nal).decode() for nal in (SETUP.sps, *SETUP.pps))
PICTURES = [[b"\x65\x88key" + b"k" * 3000], *([b"\x41\x9a" + b"%d" % n * 400] for n in range(20))]
WHOLE = [with_lengths(nals) for nals in PICTURES]
GOOD = Credentials(USER, PASSWORD)


def sdp(control: str = "trackID=1", session: str = "*", extra: str = f"; sprop-parameter-sets={SPROP}") -> bytes:
    return (
        f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\na=control:{session}\r\n"
        "m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H264/90000\r\n"
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1{extra}\r\na=control:{control}\r\n"
    ).encode()


class Played:
    """A session, what it gave, and how it ended."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.counters = SourceCounters()
        self.error: CameraError | None = None
        self.scheme = ""


async def play(camera: OddCamera, credentials: Credentials | None = None, samples: int = len(PICTURES)) -> Played:
    """Plays until that many samples came, or the session ended."""
    played = Played()
    clock = SystemClock()
    url, _ = CameraUrl.parse(camera.address)
    session = RtspSession(url, credentials, clock=clock, answer_timeout_s=5)
    ended: asyncio.Future[None] | None = None
    try:
        await session.open()
        offer = await session.offer()
        track = VideoTrack(offer, played.heard, played.counters, clock)
        await session.play(offer, track)
        played.scheme = session.scheme
        over = ended = asyncio.ensure_future(session.ended())
        await until(lambda: len(played.heard.samples) >= samples or over.done())
        track.count()
        if ended.done():
            played.error = ended.exception()  # type: ignore[assignment]  # `ended` raises nothing else
    except CameraError as error:
        played.error = error
    finally:
        if ended is not None:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        await session.close()
    return played


def run(camera: OddCamera, credentials: Credentials | None = None, samples: int = len(PICTURES)) -> Played:
    async def main() -> Played:
        async with camera:
            return await play(camera, credentials, samples)

    return asyncio.run(main())


def test_a_polite_camera_is_asked_in_order_and_told_goodbye() -> None:
    camera = OddCamera(sdp(), stream_of(PICTURES))
    played = run(camera)
    assert played.heard.data == WHOLE
    assert played.heard.setups == [SETUP]
    assert camera.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    addresses = [uri for _, uri, _ in camera.requests]
    assert addresses[2:] == [f"{camera_url(addresses[0])}/trackID=1", *2 * [f"{camera_url(addresses[0])}/"]]
    assert [headers["session"] for method, _, headers in camera.requests if method in ("PLAY", "TEARDOWN")] == 2 * [
        "5EED"
    ]


def camera_url(address: str) -> str:
    return address.rstrip("/")


def test_uvloop_gives_the_same_samples() -> None:
    async def main() -> Played:
        async with OddCamera(sdp(), stream_of(PICTURES)) as camera:
            return await play(camera)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()).heard.data == WHOLE


def test_many_connections_share_one_buffer_without_mixing_up() -> None:
    async def main() -> None:
        cameras = []
        for number in range(12):
            pictures = [[nals[0] + bytes([65 + number]) * 50] for nals in PICTURES]
            whole = b"".join(stream_of(pictures))
            chunks = [whole[at : at + 311] for at in range(0, len(whole), 311)]  # cuts packets everywhere
            cameras.append((OddCamera(sdp(), chunks), [with_lengths(nals) for nals in pictures]))
        for camera, _ in cameras:
            await camera.__aenter__()
        try:
            results = await asyncio.gather(*(play(camera) for camera, _ in cameras))
        finally:
            for camera, _ in cameras:
                await camera.__aexit__(None, None, None)
        assert [played.heard.data for played in results] == [whole for _, whole in cameras]

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())


def header(pattern: bytes, to: bytes) -> Callable[[bytes], bytes]:
    return lambda answer: re.sub(pattern, to, answer)


def single_bytes(chunks: list[bytes]) -> list[bytes]:
    return [bytes((value,)) for value in b"".join(chunks)]


def between(chunks: list[bytes], stuff: bytes) -> list[bytes]:
    return [piece for chunk in chunks for piece in (chunk, stuff)]


PARAMETER_SETS_FIRST = [[SETUP.sps, *SETUP.pps, *PICTURES[0]], *PICTURES[1:]]
AUDIO = interleaved(struct.pack("!BBHII", 0x80, 8, 1, 160, 99) + b"alaw" * 40, 2)
ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n"

ODD: dict[str, Callable[[], OddCamera]] = {
    "line feeds alone": lambda: OddCamera(sdp().replace(b"\r\n", b"\n"), mangle=lambda a: a.replace(b"\r\n", b"\n")),
    "lower case": lambda: OddCamera(
        mangle=lambda a: a.split(b"\r\n\r\n")[0].lower() + b"\r\n\r\n" + a.partition(b"\r\n\r\n")[2]
    ),
    "no reason": lambda: OddCamera(mangle=header(rb" 200 OK", b" 200")),
    "no CSeq": lambda: OddCamera(mangle=header(rb"CSeq: \d+\r\n", b"")),
    "space before colons": lambda: OddCamera(mangle=header(rb"(\r\n[\w-]+):", rb"\1 :")),
    "no Content-Length": lambda: OddCamera(mangle=header(rb"Content-Length: \d+\r\n", b"")),
    "session with blanks": lambda: OddCamera(mangle=header(rb"5EED;timeout=60", b" 5EED ; timeout = 60 ")),
    "no Transport in the answer": lambda: OddCamera(mangle=header(rb"Transport: .*\r\n", b"")),
    "no interleaved in the answer": lambda: OddCamera(mangle=header(rb";interleaved=0-1", b"")),
    "channels of its own choice": lambda: OddCamera(
        chunks=stream_of(PICTURES, 4), mangle=header(rb"interleaved=0-1", b"interleaved=4-5")
    ),
    "channels other than agreed": lambda: OddCamera(chunks=stream_of(PICTURES, 2)),
    "a single channel in the answer": lambda: OddCamera(mangle=header(rb"interleaved=0-1", b"interleaved=0")),
    "packets before PLAY is answered": lambda: OddCamera(early=True),
    "one byte at a time": lambda: OddCamera(chunks=single_bytes(stream_of(PICTURES[:4]))),
    "all at once": lambda: OddCamera(chunks=[b"".join(stream_of(PICTURES))]),
    "audio between": lambda: OddCamera(chunks=between(stream_of(PICTURES), AUDIO)),
    "answers nobody asked for between": lambda: OddCamera(chunks=between(stream_of(PICTURES), ANSWER)),
    "empty packets between": lambda: OddCamera(chunks=between(stream_of(PICTURES), b"$\0\0\0")),
    "empty lines between": lambda: OddCamera(chunks=between(stream_of(PICTURES), b"\r\n")),
    "questions between": lambda: OddCamera(
        chunks=between(stream_of(PICTURES), b"OPTIONS rtsp://x RTSP/1.0\r\nCSeq: 9\r\n\r\n")
    ),
    "reports between": lambda: OddCamera(
        chunks=between(stream_of(PICTURES), interleaved(sender_report(0xEA000000 << 32, 0), 1))
    ),
    "malformed reports between": lambda: OddCamera(
        chunks=between(stream_of(PICTURES), interleaved(b"\x80\xc8\0\xff", 1))
    ),
    "absolute control address": lambda: OddCamera(sdp("rtsp://127.0.0.1/elsewhere/1")),
    "no control address": lambda: OddCamera(sdp("")),
    "bare path as base": lambda: OddCamera(mangle=header(rb"Content-Base: .*\r\n", b"Content-Base: /stream\r\n")),
    "no OPTIONS": lambda: OddCamera(answers={"OPTIONS": "RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n"}),
    "parameter sets in-band only": lambda: OddCamera(sdp(extra=""), stream_of(PARAMETER_SETS_FIRST)),
    "garbled parameter sets": lambda: OddCamera(
        sdp(extra="; sprop-parameter-sets=!!!,Zw=="), stream_of(PARAMETER_SETS_FIRST)
    ),
    "no answer to TEARDOWN": lambda: OddCamera(answers={"TEARDOWN": None}),
}


@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_camera_gives_every_picture(oddity: str) -> None:
    camera = ODD[oddity]()
    camera.sdp = camera.sdp or sdp()
    camera.chunks = camera.chunks or stream_of(PICTURES)
    expected = WHOLE
    if camera.sdp == sdp(extra="") or b"!!!" in camera.sdp:
        expected = [with_lengths(nals) for nals in PARAMETER_SETS_FIRST]
    elif oddity == "one byte at a time":
        expected = WHOLE[:4]
    played = run(camera, samples=len(expected))
    assert played.error is None
    assert played.heard.data == expected
    assert not played.heard.details
    assert (played.counters.width, played.counters.height) == (160, 96)


@pytest.mark.parametrize(
    "garbage", [b"\0" * 7, b"$$$$", b"x" * 5000, b"RTSPx" * 9, b"$\x00", b"$\x07\x00\x02", b"$\x00\xff\xff"]
)
def test_garbage_between_packets_costs_no_more_than_it_touches(garbage: bytes) -> None:
    chunks = stream_of(PICTURES)
    camera = OddCamera(sdp(), [*chunks[:8], garbage, *chunks[8:]])
    played = run(camera, samples=18)
    assert played.error is None
    assert set(played.heard.data) <= set(WHOLE)
    assert played.heard.data[:8] == WHOLE[:8]
    assert played.heard.data[-1] in WHOLE[17:]
    assert "lost packets" in played.heard.events


def test_endless_garbage_ends_the_session() -> None:
    played = run(OddCamera(sdp(), [*stream_of(PICTURES), *[b"\x01garbage" * 4096] * 6]), samples=999)
    assert isinstance(played.error, RtspError)
    assert played.heard.data == WHOLE
    assert played.counters.malformed > 0


def test_a_lost_packet_is_told_and_counted() -> None:
    chunks = stream_of(PICTURES)
    played = run(OddCamera(sdp(), [*chunks[:5], *chunks[6:]]), samples=20)
    assert played.heard.data == [*WHOLE[:5], *WHOLE[6:]]
    assert played.heard.events == ["setup", *["sample"] * 5, "lost packets", *["sample"] * 15]
    assert played.counters.packets_lost == 1


@pytest.mark.parametrize(
    ("auth", "scheme"),
    [
        (('Basic realm="c"',), "Basic"),
        (('Digest realm="c", nonce="{nonce}"',), "Digest MD5"),
        (('Digest realm="c, \\"d\\"", nonce="{nonce}", qop="auth"',), "Digest MD5"),
        (('Digest realm="c", nonce="{nonce}", algorithm=SHA-256, qop="auth,auth-int"',), "Digest SHA-256"),
        (('Basic realm="c"', 'Digest realm="c", nonce="{nonce}", algorithm="MD5", stale="false"'), "Digest MD5"),
    ],
)
def test_a_camera_that_wants_a_log_in_gets_one(auth: tuple[str, ...], scheme: str) -> None:
    if "d\\" in auth[0]:
        auth = ('Digest realm="c, d", nonce="{nonce}", qop="auth"',)
    camera = OddCamera(sdp(), stream_of(PICTURES), auth=auth)
    played = run(camera, GOOD)
    assert played.heard.data == WHOLE
    assert played.scheme == scheme
    assert camera.methods.count("OPTIONS") == 2
    assert camera.methods.count("DESCRIBE") == 1  # the nonce is used on


@pytest.mark.parametrize("marks_stale", [True, False])
def test_a_nonce_that_grew_old_is_replaced(marks_stale: bool) -> None:
    auth = ('Digest realm="c", nonce="{nonce}", qop="auth"',)
    camera = OddCamera(sdp(), stream_of(PICTURES), auth=auth, accepts=1, marks_stale=marks_stale)
    played = run(camera, GOOD)
    assert played.error is None
    assert played.heard.data == WHOLE
    assert camera.methods.count("DESCRIBE") == 2


HTTP = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
REFUSALS: list[tuple[OddCamera, type[CameraError], str]] = [
    (OddCamera(auth=('Digest realm="c", nonce="{nonce}"',)), UnauthorisedError, "refuses"),
    (OddCamera(auth=('Basic realm="c"',)), UnauthorisedError, "refuses"),
    (OddCamera(auth=("Bearer",)), UnauthorisedError, "no way to log in"),
    (OddCamera(answers={"OPTIONS": f"RTSP/1.0 403 {PASSWORD}\r\nCSeq: {{cseq}}\r\n\r\n"}), UnauthorisedError, "403"),
    (OddCamera(answers={"DESCRIBE": "RTSP/1.0 404 Not Found\r\nCSeq: {cseq}\r\n\r\n"}), RtspError, "404"),
    (OddCamera(answers={"DESCRIBE": f"RTSP/1.0 500 {PASSWORD}\r\nCSeq: {{cseq}}\r\n\r\n"}), RtspError, r"500 \*\*\*"),
    (
        OddCamera(answers={"DESCRIBE": "RTSP/1.0 302 Moved\r\nLocation: rtsp://10.0.0.1/\r\nCSeq: {cseq}\r\n\r\n"}),
        RtspError,
        "redirects are not followed",
    ),
    (OddCamera(sdp(), answers={"SETUP": "RTSP/1.0 461 Unsupported\r\nCSeq: {cseq}\r\n\r\n"}), RtspError, "461"),
    (
        OddCamera(sdp(), mangle=header(rb"RTP/AVP/TCP;unicast;interleaved", b"RTP/AVP;unicast;client_port")),
        RtspError,
        "TCP",
    ),
    (OddCamera(sdp(), mangle=header(rb"interleaved=0-1", b"interleaved=7-7")), RtspError, "channels"),
    (OddCamera(sdp(), answers={"PLAY": "RTSP/1.0 453 Bandwidth\r\nCSeq: {cseq}\r\n\r\n"}), RtspError, "453"),
    (OddCamera(b"v=0\r\n"), SdpError, "no media"),
    (OddCamera(sdp().replace(b"H264", b"H265")), SdpError, "H265"),
    (OddCamera(answers={"OPTIONS": HTTP}), RtspError, "not RTSP"),
    (OddCamera(answers={"OPTIONS": "SSH-2.0-OpenSSH_9.2\r\n"}), RtspError, "not RTSP"),
    (OddCamera(sdp(), stream_of(PICTURES), hangs_up=True), ConnectError, "closed the connection"),
    (
        OddCamera(sdp(), [*stream_of(PICTURES), interleaved(struct.pack("!BBHI", 0x81, 203, 1, SSRC), 1)]),
        ConnectError,
        "ended",
    ),
    (OddCamera(sdp(), [*stream_of(PICTURES), b"TEARDOWN rtsp://x RTSP/1.0\r\nCSeq: 1\r\n\r\n"]), RtspError, "TEARDOWN"),
]


@pytest.mark.parametrize(("camera", "kind", "said"), REFUSALS)
def test_a_camera_that_cannot_be_used_is_refused_with_the_reason(
    camera: OddCamera, kind: type[CameraError], said: str
) -> None:
    wrong = Credentials(USER, PASSWORD + "x") if camera.auth else GOOD
    played = run(camera, wrong, samples=999)
    assert type(played.error) is kind
    assert re.search(said, str(played.error))
    assert PASSWORD not in str(played.error)
    assert "127.0.0.1" in str(played.error)


def test_a_camera_that_wants_a_log_in_and_gets_none_is_refused() -> None:
    played = run(OddCamera(auth=('Basic realm="c"',)), None)
    assert isinstance(played.error, UnauthorisedError)
    assert "wants a name" in str(played.error)


def test_a_camera_that_says_nothing_is_given_up() -> None:
    async def main() -> None:
        async with OddCamera(answers={"DESCRIBE": None}) as camera:
            session = RtspSession(CameraUrl.parse(camera.address)[0], None, clock=SystemClock(), answer_timeout_s=0.2)
            await session.open()
            with pytest.raises(ConnectError, match=r"no answer within 0\.2 s"):
                await session.offer()
            await session.close()

    asyncio.run(main())


def test_nobody_at_the_address_is_told() -> None:
    async def main() -> None:
        async with OddCamera() as camera:
            address = camera.address
        for text in (address, "rtsp://host.invalid/"):
            session = RtspSession(CameraUrl.parse(text)[0], None, clock=SystemClock())
            with pytest.raises(ConnectError, match="cannot connect"):
                await session.open()
            await session.close()

    asyncio.run(main())


def test_a_session_is_kept_alive_and_reports_what_it_received() -> None:
    answers: dict[str, str | None] = {"GET_PARAMETER": "RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n"}
    camera = OddCamera(sdp(), stream_of(PICTURES), answers=answers)

    async def main() -> None:
        async with camera:
            clock = ManualClock()
            heard = Heard()
            session = RtspSession(CameraUrl.parse(camera.address)[0], None, clock=clock)
            await session.open()
            offer = await session.offer()
            track = VideoTrack(offer, heard, SourceCounters(), clock)
            await session.play(offer, track)
            await until(lambda: len(heard.samples) == len(PICTURES))
            for _ in range(2):
                clock.advance_ns(3 * 10**9)
                session.tick()
            await until(lambda: len(camera.received) >= 56)
            clock.advance_ns(25 * 10**9)
            session.tick()
            await until(lambda: "GET_PARAMETER" in camera.methods)
            await asyncio.sleep(0.05)
            clock.advance_ns(31 * 10**9)
            session.tick()
            await until(lambda: camera.methods[-1] == "OPTIONS")
            await session.close()

    asyncio.run(main())
    # Half the session's 60 s each, by what the camera can do; and a report block on channel 1.
    assert camera.methods[4:] == ["GET_PARAMETER", "OPTIONS", "TEARDOWN"]
    assert camera.received[:2] == b"$\1"
    assert camera.received[4:6] == b"\x81\xc9"
    ssrc, losses, highest = struct.unpack_from("!III", camera.received, 12)
    packets = sum(chunk.count(struct.pack("!I", SSRC)) for chunk in camera.chunks)
    assert (ssrc, losses, highest) == (SSRC, 0, packets)
