"""Clients that are slow, rude or many."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from civicam.core.errors import ConfigError
from civicam.web import server
from civicam.web.server import address_of, listen
from tests.fakes.odd_camera import until
from tests.web.served import CAMERA, Served, served

GET = b"GET /api/cameras HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.asynccontextmanager
async def connected(web: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = web.address.removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server hangs up."""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_a_request_that_is_never_finished_is_hung_up_on(
    city: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", 0.2)
    async with served(city) as web, connected(web) as (reader, writer):
        writer.write(begun)
        assert await rest(reader) == b""


async def test_a_second_request_that_is_never_finished_is_hung_up_on(
    city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(city) as web, connected(web) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        monkeypatch.setattr(server, "REQUEST_WITHIN_S", 0.2)
        writer.write(GET[:20])
        assert (await rest(reader)).endswith(b"}")


async def test_a_byte_at_a_time_is_too_slow(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", 0.3)
    async with served(city) as web, connected(web) as (reader, writer):
        reading = asyncio.create_task(rest(reader))
        for _ in range(2000):
            if reading.done():
                break
            with contextlib.suppress(ConnectionError):
                writer.write(b"x")
                await writer.drain()
            await asyncio.sleep(0.02)
        assert await reading == b""


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\0" * 100,
        b"GET / HTTP/1.1\r\n" + b"A" * 20_000,
    ],
)
async def test_noise_is_answered_with_an_error_and_hung_up_on(city: Path, noise: bytes) -> None:
    async with served(city) as web, connected(web) as (reader, writer):
        writer.write(noise + b"\r\n\r\n")
        assert (await rest(reader)).startswith((b"HTTP/1.1 400", b""))
        assert (await web.client.get("/api/cameras")).status_code == 200


async def test_a_request_without_a_host_or_with_two_is_refused(city: Path) -> None:
    async with served(city) as web:
        for head in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", GET[:-2] + b"Host: localhost\r\n\r\n"):
            async with connected(web) as (reader, writer):
                writer.write(head)
                assert (await reader.readline()).split()[1] in {b"400", b"403"}


async def test_a_viewer_that_reads_nothing_is_hung_up_on_and_the_others_see_on(
    city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNREAD_WITHIN_S", 0.5)
    async with served(city, every_s=0.0005) as web, connected(web) as (_, writer):
        origin = web.address.rstrip("/")
        upgrade = (
            f"GET /api/cameras/{CAMERA}/live HTTP/1.1\r\nHost: {origin.removeprefix('http://')}\r\nOrigin: {origin}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's own transports can
        writer.write(upgrade.encode())
        await until(lambda: web.hub.viewers == 1)
        assert (await web.client.get("/api/cameras")).status_code == 200
        await until(lambda: web.hub.viewers == 0, 60)


async def test_more_connections_than_may_be_are_told_to_come_again(city: Path) -> None:
    async with served(city) as web, contextlib.AsyncExitStack() as open_ones:
        for _ in range(server.CONNECTIONS):
            await open_ones.enter_async_context(connected(web))
        reader, writer = await open_ones.enter_async_context(connected(web))
        writer.write(GET)
        assert (await reader.readline()).split()[1] == b"503"


def test_an_address_that_cannot_be_listened_at_is_told() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert address_of(taken) == f"http://127.0.0.1:{port}/"
        with pytest.raises(ConfigError, match=r"web\.port"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError):
        listen("203.0.113.1", 80)


async def test_a_body_that_never_comes_is_hung_up_on(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", 0.2)
    async with served(city, asks_people=True) as web, connected(web) as (reader, writer):
        writer.write(
            b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 50\r\n\r\n{"
        )
        assert await rest(reader) == b""


@pytest.mark.parametrize("length", [b"", b"Content-Length: 5\r\n"])
async def test_a_body_that_does_not_say_how_long_it_is_is_refused_unread(city: Path, length: bytes) -> None:
    async with served(city, asks_people=True) as web, connected(web) as (reader, writer):
        writer.write(
            b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + length
            + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        assert (await reader.readline()).split()[1] in {b"411", b"400"}


async def test_a_picture_on_another_page_tries_no_sign_in(city: Path) -> None:
    async with served(city, asks_people=True) as web:
        fetch = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        answer = await web.client.get("/api/provider/end?state=a&code=b", headers=fetch)
        assert answer.status_code == 403
        link = fetch | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert (await web.client.get("/", headers=link)).status_code == 200
        assert (await web.client.get("/api/cameras", headers=link)).status_code == 403
