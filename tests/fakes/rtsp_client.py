"""A bare RTSP client that sees everything a camera sends, and hides nothing."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Rtp:
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Rtcp:
    data: bytes


def parse_rtp(data: bytes) -> Rtp:
    assert data[0] == 0x80
    assert data[1] & 0x7F == 96
    return Rtp(
        bool(data[1] & 0x80),
        int.from_bytes(data[2:4]),
        int.from_bytes(data[4:8]),
        int.from_bytes(data[8:12]),
        data[12:],
    )


def sha256_hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def md5_hex(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class RtspClient:
    """One connection."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.url = url
        self.reader = reader
        self.writer = writer
        self.session = ""
        self.before_reply: list[Rtp | Rtcp] = []
        self._cseq = 0

    @classmethod
    async def open(cls, url: str) -> "RtspClient":
        match = re.fullmatch(r"rtsp://([\d.]+):(\d+)/.*", url)
        assert match
        reader, writer = await asyncio.open_connection(match[1], int(match[2]))
        return cls(url, reader, writer)

    def send(self, method: str, url: str | None = None, **headers: str) -> None:
        self._cseq += 1
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self._cseq}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if self.session and "Session" not in headers:
            lines.append(f"Session: {self.session}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def reply(self) -> Reply:
        """Reads up to the next reply; media on the way goes to `before_reply`."""
        while True:
            first = await self.reader.readexactly(1)
            if first == b"$":
                self.before_reply.append(await self._block())
            else:
                break
        head = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.strip().split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:]}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(lines[0].split()[1]), headers, body)

    async def ask(self, method: str, url: str | None = None, **headers: str) -> Reply:
        self.send(method, url, **headers)
        reply = await self.reply()
        if reply.status == 200 and reply.headers.get("cseq") != str(self._cseq):
            raise AssertionError(f"CSeq {reply.headers.get('cseq')} instead of {self._cseq}")
        return reply

    async def play(self, channels: str = "0-1") -> Reply:
        """DESCRIBE, SETUP and PLAY, of a camera without a password."""
        assert (await self.ask("DESCRIBE")).status == 200
        setup = await self.ask(
            "SETUP", f"{self.url}/trackID=0", Transport=f"RTP/AVP/TCP;unicast;interleaved={channels}"
        )
        assert setup.status == 200, setup
        self.session = setup.headers["session"].partition(";")[0]
        played = await self.ask("PLAY", self.url + "/")
        assert played.status == 200, played
        return played

    async def block(self) -> Rtp | Rtcp:
        """Reads the next interleaved block; anything else is an error."""
        if self.before_reply:
            return self.before_reply.pop(0)
        assert await self.reader.readexactly(1) == b"$"
        return await self._block()

    async def rtp(self, count: int) -> list[Rtp]:
        found: list[Rtp] = []
        while len(found) < count:
            block = await self.block()
            if isinstance(block, Rtp):
                found.append(block)
        return found

    async def frames(self, count: int) -> list[list[Rtp]]:
        """Reads `count` frames, each ended by its marker."""
        found: list[list[Rtp]] = [[]]
        while True:
            (packet,) = await self.rtp(1)
            found[-1].append(packet)
            if packet.marker:
                if len(found) == count:
                    return found
                found.append([])

    async def at_end(self) -> bytes:
        """Reads to the connection's end."""
        try:
            return await self.reader.read(-1)
        finally:
            await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def _block(self) -> Rtp | Rtcp:
        head = await self.reader.readexactly(3)
        data = await self.reader.readexactly(int.from_bytes(head[1:3]))
        return Rtcp(data) if head[0] % 2 else parse_rtp(data)


def nals_of(packets: list[Rtp]) -> list[bytes]:
    """Puts a frame's packets together (RFC 6184)."""
    nals: list[bytes] = []
    for packet in packets:
        kind = packet.payload[0] & 31
        if kind == 24:
            at = 1
            while at < len(packet.payload):
                size = int.from_bytes(packet.payload[at : at + 2])
                nals.append(packet.payload[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind == 28:
            if packet.payload[1] & 0x80:
                nals.append(bytes((packet.payload[0] & 0xE0 | packet.payload[1] & 31,)))
            nals[-1] += packet.payload[2:]
        else:
            nals.append(packet.payload)
    return nals


def digest_answer(
    hashed: Callable[[str], str], challenge: str, method: str, url: str, *, login: tuple[str, str]
) -> str:
    """Returns an Authorization header for a Digest challenge with qop=auth (RFC 7616)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    username, password = login
    secret = hashed(f"{username}:{given['realm']}:{password}")
    nc = "00000001"
    response = hashed(f"{secret}:{given['nonce']}:{nc}:c0ffee:auth:{hashed(f'{method}:{url}')}")
    return (
        f'Digest username="{username}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{url}", '
        f'response="{response}", algorithm={given["algorithm"]}, qop=auth, nc={nc}, cnonce="c0ffee"'
    )
