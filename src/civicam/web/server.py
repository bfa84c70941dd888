"""The HTTP server: uvicorn, with a limit on everything that a slow or hostile client could take for ever."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from civicam.core.errors import ConfigError

REQUEST_WITHIN_S: Final = 10.0
"""From its first byte, or from the connection, until a request's headers are whole."""
UNREAD_WITHIN_S: Final = 20.0
"""Who takes none of what waits for it for so long is hung up on."""
CONNECTIONS: Final = 512
_HEADER_BYTES: Final = 16 << 10
_CLIENT_MESSAGE_BYTES: Final = 1 << 10
_KEEP_ALIVE_S: Final = 15
_STOP_WITHIN_S: Final = 3
_BACKLOG: Final = 128


class PatientHttp(H11Protocol):
    """HTTP/1.1 for clients that finish what they begin."""

    _asking: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(cast("asyncio.Transport", transport))  # uvloop's is one in all but name
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._asking)
        _cancel(self._unread)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self._is_answering():
            _cancel(self._asking)
            self._asking = None
        else:
            self._expect_request()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._unread)
        super().resume_writing()

    def _is_answering(self) -> bool:
        has_upgraded = self.transport.get_protocol() is not self
        cycle = getattr(self, "cycle", None)  # None before the first request, whatever its type says
        # While its body is still to come, a request is not finished, and nobody waits for it for ever.
        return has_upgraded or (cycle is not None and not cycle.response_complete and not cycle.more_body)

    def _expect_request(self) -> None:
        if self._asking is None:
            self._asking = self.loop.call_later(REQUEST_WITHIN_S, self._give_up)

    def _give_up(self) -> None:
        self._asking = None
        if not self._is_answering():
            self.transport.close()


class PatientWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket for clients that take what they asked for."""

    _unread: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._unread)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._unread)
        super().resume_writing()

    async def send(self, message: ASGISendEvent) -> None:
        """See the ASGI specification. A refusal completes the handshake too, which uvicorn would report as an error."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: the address to listen at.
        port: the TCP port, 0 takes a free one.

    Raises:
        ConfigError: the address cannot be listened at.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"the page cannot be served: {getattr(error, 'strerror', None) or error}",
            where=f"{host}:{port}",
            fix="choose another web.port in civicam.toml, or 0 for none",
        ) from error


def address_of(listening: socket.socket, scheme: str = "http") -> str:
    """Where a listening socket is, such as `http://127.0.0.1:9465/`."""
    host, port = listening.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


class WebServer(Server):
    """Serves `app` until told to stop; signals are the process's own business.

    Args:
        app: the application.
        certificate: the files of a certificate and of its private key, for https; None for http.
    """

    def __init__(self, app: ASGIApp, certificate: tuple[str, str] | None = None) -> None:
        super().__init__(
            Config(
                app,
                ssl_certfile=certificate[0] if certificate else None,
                ssl_keyfile=certificate[1] if certificate else None,
                http=PatientHttp,
                ws=PatientWebSocket,
                # Pictures are compressed already; deflate took half a core for a hundred viewers.
                ws_per_message_deflate=False,
                ws_max_size=_CLIENT_MESSAGE_BYTES,
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_STOP_WITHIN_S,
                h11_max_incomplete_event_size=_HEADER_BYTES,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the process."""
        yield

    async def run_until(self, stop: asyncio.Event, listening: socket.socket) -> None:
        """Serves on `listening` until `stop` is set."""
        serving = asyncio.create_task(self.serve([listening]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self.should_exit = True
        await serving
