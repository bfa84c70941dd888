"""A scripted RTSP camera on a real socket: polite by default, odd where a test says so."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.fakes.packets import interleaved, payloads, rtp

USER, PASSWORD = "operator", "Zq9-hidden#phrase"
PATH = "/stream"


def stream_of(pictures: Sequence[Sequence[bytes]], channel: int = 0, first: int = 1) -> list[bytes]:
    """Each picture's packets as they travel, 15 pictures a second."""
    sequence, chunks = first, []
    for number, nals in enumerate(pictures):
        chunk = b""
        parts = payloads(nals)
        for index, part in enumerate(parts, 1):
            chunk += interleaved(rtp(sequence, 6000 * number, part, index == len(parts)), channel)
            sequence += 1
        chunks.append(chunk)
    return chunks


@dataclass
class OddCamera:
    """How it answers, and what it sends.

    Attributes:
        sdp: its description.
        chunks: what it sends after PLAY was answered, one piece after another.
        early: it sends them before PLAY is answered.
        hangs_up: it closes the connection behind them.
        auth: the challenges it makes, with `{nonce}` where a fresh one goes; none means open to all.
        accepts: how often it accepts a nonce before it wants another.
        marks_stale: it says so when only the nonce is old.
        answers: per method, a whole answer with `{cseq}`; None for no answer at all.
        mangle: what happens to each answer before it is sent.
        pause_s: between two chunks.
    """

    sdp: bytes = b""
    chunks: Sequence[bytes] = ()
    early: bool = False
    hangs_up: bool = False
    auth: tuple[str, ...] = ()
    accepts: int = 1_000_000
    marks_stale: bool = True
    answers: dict[str, str | None] = field(default_factory=dict)
    mangle: Callable[[bytes], bytes] = bytes
    pause_s: float = 0.0
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    received: bytes = b""
    connections: int = 0
    _nonces: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}{PATH}"

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing: asyncio.Task[None] | None = None
        while True:
            front = await reader.readexactly(1)
            if front == b"$":
                header = await reader.readexactly(3)
                self.received += front + header + await reader.readexactly(int.from_bytes(header[1:], "big"))
                continue
            text = (front + await reader.readuntil(b"\r\n\r\n")).decode()
            if text.startswith("RTSP/"):
                self.received += text.encode()
                continue
            first, *lines = text.strip().split("\r\n")
            method, uri, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self.requests.append((method, uri, headers))
            answer = self._answer(method, uri, headers)
            is_play = method == "PLAY" and b" 200" in answer[:20]
            if is_play and self.early:
                await self._play(writer, None)
            if answer:
                writer.write(self.mangle(answer))
            if is_play and not self.early:
                playing = asyncio.create_task(self._play(writer, playing))
                self._tasks.add(playing)

    async def _play(self, writer: asyncio.StreamWriter, _: object) -> None:
        for chunk in self.chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(self.pause_s)
        if self.hangs_up:
            writer.close()

    def _answer(self, method: str, uri: str, headers: dict[str, str]) -> bytes:
        cseq = headers.get("cseq", "0")
        if self.auth and (refusal := self._refusal(method, uri, headers.get("authorization", ""))):
            return f"RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n{refusal}\r\n".encode()
        if method in self.answers:
            return (self.answers[method] or "").replace("{cseq}", cseq).encode()
        lines = [f"CSeq: {cseq}"]
        body = b""
        if method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
        elif method == "DESCRIBE":
            body = self.sdp
            lines += [f"Content-Base: {uri}/", "Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            lines += ["Session: 5EED;timeout=60", f"Transport: {headers['transport']};ssrc=00005EED"]
        return "\r\n".join(["RTSP/1.0 200 OK", *lines, "", ""]).encode() + body

    def _refusal(self, method: str, uri: str, authorization: str) -> str:
        """Header lines with challenges; empty when the request may pass. Written apart from `camera/auth.py`."""
        scheme, _, rest = authorization.partition(" ")
        stale = ""
        if scheme == "Basic":
            if base64.b64decode(rest).decode() == f"{USER}:{PASSWORD}":
                return ""
        elif scheme == "Digest":
            sent = {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', rest)}
            if sent["uri"] == uri and sent["response"] == _expected(method, sent):
                self._nonces[sent["nonce"]] = self._nonces.get(sent["nonce"], self.accepts) - 1
                if self._nonces[sent["nonce"]] >= 0:
                    return ""
                stale = ", stale=true" if self.marks_stale else ""
        nonce = f"n{len(self.requests)}"
        return "".join(f"WWW-Authenticate: {challenge.format(nonce=nonce)}{stale}\r\n" for challenge in self.auth)


def _expected(method: str, sent: dict[str, str]) -> str:
    hashing = hashlib.sha256 if sent.get("algorithm") == "SHA-256" else hashlib.md5

    def hashed(text: str) -> str:
        return hashing(text.encode()).hexdigest()

    key, request = hashed(f"{USER}:{sent['realm']}:{PASSWORD}"), hashed(f"{method}:{sent['uri']}")
    if "qop" in sent:
        return hashed(f"{key}:{sent['nonce']}:{sent['nc']}:{sent['cnonce']}:{sent['qop']}:{request}")
    return hashed(f"{key}:{sent['nonce']}:{request}")


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for something that other tasks bring about; fails the test when they do not."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for has no event to tell
            await asyncio.sleep(0.002)
