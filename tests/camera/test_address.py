"""A camera's address leads to a camera, or nowhere: not to what only this machine may ask (SSRF)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.address import addresses_of
from civicam.camera.rtsp import RtspSession
from civicam.camera.url import CameraUrl, Credentials
from civicam.core.clock import SystemClock
from civicam.core.errors import CameraError, ConfigError, ConnectError

SECRET = b"the-instance's-secret-token"


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "169.254.0.1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255",
     "240.0.0.1", "::ffff:169.254.169.254", "2852039166", "0xa9fea9fe", "169.254.43518"],
)  # fmt: skip
async def test_no_camera_is_where_only_this_machine_may_ask(host: str) -> None:
    """The last ones are other ways to write 169.254.169.254, which the system's resolver takes."""
    with pytest.raises(ConnectError, match="no camera is at"):
        await addresses_of(host, 554)


@pytest.mark.parametrize("host", ["10.0.3.7", "192.168.1.9", "fd00::7", "127.0.0.1", "::1", "203.0.113.4"])
async def test_cameras_may_be_anywhere_else(host: str) -> None:
    assert await addresses_of(host, 554) == [host]


@pytest.mark.parametrize(
    "address",
    ["http://10.0.3.7/", "file:///etc/passwd", "gopher://10.0.3.7/_x", "rtsps://10.0.3.7/", "rtsp://10.0.3.7/\r\nX: y",
     "rtsp://10.0.3.7/ HTTP/1.1", "rtsp://10.0.3.7:99999/", "rtsp:///etc/passwd", "rtsp://a b/", "rtsp://[::1/", ""],
)  # fmt: skip
def test_what_is_no_rtsp_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        CameraUrl.parse(address)


@given(st.text(max_size=60))
def test_no_address_puts_a_line_into_a_request(text: str) -> None:
    try:
        url, _ = CameraUrl.parse(f"rtsp://10.0.3.7/{text}")
    except ConfigError:
        return
    assert url.target.isascii()
    assert not any(ord(one) <= 32 or ord(one) == 127 for one in url.target)


@asynccontextmanager
async def other_service(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Something that is no camera; its port, and what it was sent."""
    sent: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read(4096))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], sent


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n" + SECRET,
        b"SSH-2.0-" + SECRET + b"\r\n",
        SECRET * 40,
        b"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://169.254.169.254/" + SECRET + b"\r\n\r\n",
    ],
)
async def test_what_another_service_says_is_told_to_nobody_and_it_gets_no_password(answer: bytes) -> None:
    async with other_service(answer) as (port, sent):
        url, _ = CameraUrl.parse(f"rtsp://127.0.0.1:{port}/s1")
        client = RtspSession(url, Credentials("op", "hunter2"), clock=SystemClock())
        await client.open()
        with pytest.raises(CameraError) as refused:
            await client.offer()
        await client.close()
    assert SECRET.decode() not in str(refused.value)
    assert sent
    assert b"hunter2" not in b"".join(sent)
