"""An RTSP/1.0 session (RFC 2326): OPTIONS, DESCRIBE, SETUP, PLAY, keep-alive, TEARDOWN."""

import asyncio
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from civicam.camera import sdp
from civicam.camera.address import addresses_of
from civicam.camera.auth import Authenticator, parse_challenges, strongest
from civicam.camera.connection import Connection
from civicam.camera.message import Headers, Request, Response, printable, serialise
from civicam.camera.track import VideoTrack
from civicam.camera.url import CameraUrl, Credentials
from civicam.core.citykey import Entropy
from civicam.core.clock import Clock
from civicam.core.errors import CameraError, ConnectError, RtspError, UnauthorisedError

USER_AGENT = "civicam"
DEFAULT_SESSION_S = 60
REPORT_EVERY_NS = 5_000_000_000
MAX_TRIES = 3
"""Without credentials, with them, and once more if the nonce was stale."""

_ANSWERS_TO_OPTIONS = (200, *(code for code in range(400, 600) if code not in (401, 403)))


class MediaTransport(Protocol):
    """How packets reach us: what SETUP asks for, and how packets are taken once the camera agreed."""

    @property
    def offer(self) -> str:
        """The `Transport` header of SETUP."""
        ...

    def agreed(self, header: str, connection: Connection, track: VideoTrack) -> None:
        """Takes the camera's `Transport` header.

        Raises:
            RtspError: the camera wants another way.
        """
        ...

    def send_report(self, connection: Connection, report: bytes) -> None:
        """Sends an RTCP packet to the camera."""
        ...


class Interleaved:
    """Packets within the RTSP connection (RFC 2326 10.12). UDP and TLS will be others."""

    offer = "RTP/AVP/TCP;unicast;interleaved=0-1"

    def agreed(self, header: str, connection: Connection, track: VideoTrack) -> None:
        """See `MediaTransport`."""
        if header and "interleaved" not in header.lower() and "tcp" not in header.lower():
            raise RtspError("the camera does not send over TCP", fix="allow RTP over RTSP (TCP) in its settings")
        found = re.search(r"(?i)interleaved\s*=\s*([0-9]{1,3})(?:\s*-\s*([0-9]{1,3}))?", header)
        rtp = int(found[1]) if found else 0
        rtcp = int(found[2]) if found and found[2] else rtp + 1
        if max(rtp, rtcp) > 255 or rtp == rtcp:
            raise RtspError("the camera chose channels that do not exist")
        connection.attach(track, rtp, rtcp)

    def send_report(self, connection: Connection, report: bytes) -> None:
        """See `MediaTransport`."""
        connection.write(struct.pack("!BBH", 0x24, connection.rtcp_channel, len(report)) + report)


class RtspSession:
    """One conversation with a camera. Not used again once it ended.

    Args:
        url: where the camera is.
        credentials: None for a camera that asks for none.
        clock: this machine's.
        entropy: where nonces and our own SSRC come from.
        answer_timeout_s: how long an answer may take.
        transport: how packets come.

    Attributes:
        scheme: how the camera made us prove ourselves: `none`, `Basic`, `Digest MD5`.
        server: what the camera says it is.
        methods: what it says it can do.
        description: all that it offers.
        is_attended: packets are taken the moment they come, not some times a second. For streams that are watched.
    """

    def __init__(
        self,
        url: CameraUrl,
        credentials: Credentials | None,
        *,
        clock: Clock,
        entropy: Entropy = os.urandom,
        answer_timeout_s: float = 10.0,
        transport: MediaTransport | None = None,
    ) -> None:
        self.scheme = "none"
        self.server = ""
        self.methods: tuple[str, ...] = ()
        self.description = sdp.SessionDescription()
        self.is_attended = False
        self._url = url
        self._credentials = credentials
        self._clock = clock
        self._entropy = entropy
        self._timeout_s = answer_timeout_s
        self._transport: MediaTransport = transport or Interleaved()
        self._connection: Connection | None = None
        self._authenticator: Authenticator | None = None
        self._cseq = 0
        self._waiting: dict[int, asyncio.Future[Response]] = {}
        self._base = url.target
        self._aggregate = url.target
        self._session_id = ""
        self._keep_alive_ns = DEFAULT_SESSION_S * 500_000_000
        self._next_keep_alive_ns = 0
        self._next_report_ns = 0
        self._keep_alive_method = "OPTIONS"
        self._keep_alive_cseq = -1
        self._track: VideoTrack | None = None
        self._ssrc = int.from_bytes(entropy(4), "big")

    async def open(self) -> None:
        """Connects.

        Raises:
            ConnectError: nothing answers.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                self._connection = await self._connect()
        except ConnectError as error:
            raise ConnectError(error.what, where=self._url.redacted, fix=error.fix) from None
        except TimeoutError:
            raise self._unreachable(f"no connection within {self._timeout_s:g} s") from None
        except (OSError, UnicodeError) as error:
            what = getattr(error, "strerror", None) or "the name is not one"
            raise self._unreachable(f"cannot connect: {printable(what)}") from None

    async def _connect(self) -> Connection:
        """To the first address that answers."""
        loop = asyncio.get_running_loop()
        *others, last = await addresses_of(self._url.host, self._url.port)
        for address in (*others, last):
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self._clock, self._receive), address, self._url.port
                )
            except OSError:
                if address is last:
                    raise
            else:
                return connection
        raise AssertionError

    async def offer(self) -> sdp.H264Offer:
        """Asks what the camera can do and what it offers, and chooses.

        Raises:
            RtspError, UnauthorisedError: it refuses.
            SdpError: its description cannot be read, or holds nothing that can be recorded.
            ConnectError: the connection ended.
        """
        with self._named():
            self.description = await self._describe()
            return sdp.choose_h264(self.description)

    async def _describe(self) -> sdp.SessionDescription:
        options = await self._request("OPTIONS", self._url.target, allowed=_ANSWERS_TO_OPTIONS)
        self.methods = tuple(word.strip().upper() for word in options.headers.get("Public").split(",") if word.strip())
        self.server = printable(options.headers.get("Server"))
        if "GET_PARAMETER" in self.methods:
            self._keep_alive_method = "GET_PARAMETER"
        response = await self._request("DESCRIBE", self._url.target, (("Accept", "application/sdp"),))
        self.server = self.server or printable(response.headers.get("Server"))
        headers = response.headers
        self._base = headers.get("Content-Base") or headers.get("Content-Location") or self._url.target
        if not self._base.lower().startswith("rtsp"):
            self._base = self._url.target  # cameras put a bare path here
        description = sdp.parse(response.body)
        self._aggregate = sdp.control_url(self._base, description.control)
        return description

    async def play(self, offer: sdp.H264Offer, track: VideoTrack) -> None:
        """Sets the stream up and starts it; packets go to `track` from then on.

        Raises:
            RtspError, UnauthorisedError, SdpError, ConnectError: as for `offer`.
        """
        with self._named():
            await self._play(offer, track)

    async def _play(self, offer: sdp.H264Offer, track: VideoTrack) -> None:
        control = sdp.control_url(self._base, offer.control)
        response = await self._request("SETUP", control, (("Transport", self._transport.offer),))
        self._take_session(response.headers.get("Session"))
        assert self._connection is not None
        self._track = track
        self._transport.agreed(response.headers.get("Transport"), self._connection, track)
        await self._request("PLAY", self._aggregate, (("Range", "npt=0.000-"),))
        now_ns = self._clock.monotonic_ns()
        self._next_keep_alive_ns = now_ns + self._keep_alive_ns
        self._next_report_ns = now_ns + REPORT_EVERY_NS

    async def ended(self) -> None:
        """Waits for the end.

        Raises:
            CameraError: always: why it ended.
        """
        assert self._connection is not None
        await self._connection.ended
        with self._named():
            raise self._connection.error

    def end(self, error: CameraError) -> None:
        """Takes no more packets, because of `error`; `close` comes next."""
        if self._connection is not None:
            self._connection.end(error)

    def attend(self, attended: bool) -> None:
        """Sets `is_attended`, and sees to it at once."""
        self.is_attended = attended
        if attended and self._connection is not None:
            self._connection.read_at_once()

    def tick(self) -> None:
        """Called some times a second while playing: reads, keeps the session alive and reports reception."""
        if self._track is None or self._connection is None or not self._next_report_ns:
            return
        if self._track.is_settled:
            self._connection.read_waiting(at_once=self.is_attended)
        else:
            self._connection.read_at_once()
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_report_ns:
            self._next_report_ns = now_ns + REPORT_EVERY_NS
            self._transport.send_report(self._connection, self._track.receiver_report(self._ssrc, now_ns))
        if now_ns >= self._next_keep_alive_ns:
            self._next_keep_alive_ns = now_ns + self._keep_alive_ns
            self._keep_alive_cseq = self._send(self._keep_alive_method, self._aggregate)

    async def close(self, timeout_s: float = 1.0) -> None:
        """Says goodbye as far as the camera listens, and ends the connection.

        What the camera sent before its answer is still taken, unless `end` came first.
        """
        connection = self._connection
        if connection is None:
            return
        self._next_report_ns = 0  # no more ticks
        connection.read_at_once()
        try:
            if self._session_id and not connection.gone.done():
                await self._answer(self._send("TEARDOWN", self._aggregate), connection.gone, timeout_s)
        except ConnectError:
            pass  # it will notice
        finally:
            connection.fail(connection.error)

    def _take_session(self, header: str) -> None:
        session, _, rest = header.partition(";")
        session = session.strip()
        if not re.fullmatch(r"[\x21-\x7e]{0,256}", session):
            raise RtspError("the session's name is not printable", where=self._url.redacted)
        self._session_id = session
        if found := re.search(r"(?i)timeout\s*=\s*([0-9]{1,6})", rest):
            seconds = min(max(int(found[1]), 2), 3600)
            self._keep_alive_ns = seconds * 500_000_000

    async def _request(
        self,
        method: str,
        uri: str,
        headers: tuple[tuple[str, str], ...] = (),
        allowed: tuple[int, ...] = (200,),
    ) -> Response:
        assert self._connection is not None
        response = Response(401, "")
        for attempt in range(MAX_TRIES):
            cseq = self._send(method, uri, headers)
            response = await self._answer(cseq, self._connection.ended, self._timeout_s)
            if response.status != 401:
                if self._authenticator is not None:
                    self._authenticator.is_proven = True
                break
            self._authenticate(response, is_last=attempt == MAX_TRIES - 1)
        if response.status in allowed:
            return response
        raise self._refused(method, response)

    def _authenticate(self, response: Response, *, is_last: bool) -> None:
        """Takes a challenge. Refuses when what we know was refused already."""
        before = self._authenticator
        challenge = strongest(parse_challenges(response.headers.all("WWW-Authenticate")))
        if self._credentials is None:
            raise self._unauthorised("the camera wants a name and a password", "give it its credentials")
        if challenge is None:
            raise self._unauthorised("the camera offers no way to log in that is understood", "allow digest in it")
        is_fresh = before is None or (before.is_proven and challenge.nonce != before.challenge.nonce)
        if is_last or not (is_fresh or challenge.is_stale):
            raise self._unauthorised("the camera refuses the name and password", "check both")
        self._authenticator = Authenticator(challenge, self._credentials, self._entropy)
        self.scheme = challenge.label

    def _send(self, method: str, uri: str, headers: tuple[tuple[str, str], ...] = ()) -> int:
        assert self._connection is not None
        self._cseq += 1
        lines = [("CSeq", str(self._cseq)), ("User-Agent", USER_AGENT)]
        if self._authenticator is not None:
            lines.append(("Authorization", self._authenticator.header(method, uri)))
        if self._session_id:
            lines.append(("Session", self._session_id))
        self._connection.write(serialise(Request(method, uri, Headers([*lines, *headers]))))
        return self._cseq

    async def _answer(self, cseq: int, until: asyncio.Future[None], timeout_s: float) -> Response:
        """Waits for the answer to a request, or for the end."""
        assert self._connection is not None
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[cseq] = answer
        try:
            await asyncio.wait((answer, until), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.pop(cseq, None)
        if answer.done():
            return answer.result()
        if until.done():
            raise self._connection.error
        raise self._unreachable(f"no answer within {timeout_s:g} s")

    def _receive(self, message: Request | Response) -> None:
        if isinstance(message, Request):
            self._reply(message)
            return
        cseq = message.cseq
        if cseq is None and len(self._waiting) == 1:
            cseq = next(iter(self._waiting))  # a camera that does not count
        if cseq == self._keep_alive_cseq and cseq is not None:
            self._keep_alive_answered(message)
        elif cseq is not None and (answer := self._waiting.get(cseq)) is not None and not answer.done():
            answer.set_result(message)

    def _reply(self, request: Request) -> None:
        assert self._connection is not None
        is_harmless = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        status, reason = (200, "OK") if is_harmless else (501, "Not Implemented")
        headers = Headers([("CSeq", printable(request.headers.get("CSeq"), 10))])
        self._connection.write(serialise(Response(status, reason, headers)))
        if request.method in ("REDIRECT", "TEARDOWN"):
            raise RtspError(f"the camera ended the session with {request.method}", where=self._url.redacted)

    def _keep_alive_answered(self, response: Response) -> None:
        """A keep-alive that fails ends nothing: samples still come, or the watchdog sees that they do not."""
        self._keep_alive_cseq = -1
        if response.status == 401:
            try:
                self._authenticate(response, is_last=False)
            except UnauthorisedError:
                return
            self._send(self._keep_alive_method, self._aggregate)
        elif response.status != 200:
            self._keep_alive_method = "OPTIONS"

    def _refused(self, method: str, response: Response) -> RtspError:
        said = f"{method} was answered with {response.status} {self._scrubbed(response.reason)}".rstrip()
        if response.status == 403:
            return self._unauthorised(said, "give this user the right to see the stream")
        if 300 <= response.status < 400:
            return RtspError(
                f"{said}; redirects are not followed", where=self._url.redacted, fix="give the new address"
            )
        fix = {404: "check the path", 461: "allow RTP over TCP in the camera", 453: "close other viewers of the camera"}
        return RtspError(said, where=self._url.redacted, fix=fix.get(response.status, ""))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors that leave say which camera it was, and repeat no password that a camera may have repeated."""
        try:
            yield
        except CameraError as error:
            where = error.where or self._url.redacted
            raise type(error)(self._scrubbed(error.what), where=where, fix=error.fix) from None

    def _scrubbed(self, text: str) -> str:
        return self._credentials.scrub(text) if self._credentials is not None else text

    def _unauthorised(self, what: str, fix: str) -> UnauthorisedError:
        return UnauthorisedError(what, where=self._url.redacted, fix=fix)

    def _unreachable(self, what: str) -> ConnectError:
        return ConnectError(what, where=self._url.redacted, fix="check the address, the network and the camera's power")
