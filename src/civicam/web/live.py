"""A live view over a WebSocket: each frame as a binary message, what is to be known of them as JSON text.

server: {"type": "init", "mime": "video/mp4; codecs=…", "width": …, "height": …}, then one binary message, ftyp + moov
server: {"type": "state", "reason": …, "text": …, "is_bad": …, "lost": …}
server: one binary message a frame, prft + moof + mdat; prft says when the camera saw it
client: nothing
"""

import asyncio
import json
import struct
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from civicam.core.clock import Clock
from civicam.core.errors import CivicamError, LedgerError, NotAllowedError, PlayerError, SignInError
from civicam.player.viewer import FragmentMessage, InitMessage, StateMessage, Viewer, ViewMessage
from civicam.redaction.redacted import FullCover
from civicam.web.authorise import Purpose
from civicam.web.gate import Gate
from civicam.web.looks import Looks
from civicam.web.media import Media
from civicam.web.problem import as_problem, told

ASK_AGAIN_S: Final = 1.0
"""How often it is asked whether the viewer still may look: a right that ends ends what is seen."""

_NORMAL, _POLICY, _AGAIN_LATER = 1000, 1008, 1013
_HARMLESS: Final = {FullCover.COLD, FullCover.LIGHT_JUMP, FullCover.MOVED, FullCover.SIZE, FullCover.NO_MODEL}
_REASON_BYTES: Final = 120
_PRFT: Final = struct.Struct(">I4sIIQQ")
_PRFT_HEAD: Final = 1 << 24
"""Version 1, for a media time of 64 bits; flags 0: when the encoder was given the frame, which carries that time."""
_TRACK: Final = 1
_NTP_AHEAD_S: Final = 2_208_988_800
"""From 1900 to 1970 (RFC 5905, figure 4)."""


class LiveSocket:
    """Serves `/api/cameras/{camera}/live`.

    Args:
        gate: decides who may look.
        looks: writes the view down before it begins.
        media: gives the view.
        clock: the time.
    """

    def __init__(self, gate: Gate, looks: Looks, media: Media, clock: Clock) -> None:
        self._gate = gate
        self._looks = looks
        self._media = media
        self._clock = clock

    async def serve(self, websocket: WebSocket) -> None:
        """Answers one request for a live view, as long as it lasts."""
        try:
            decision = self._gate.decide(websocket, Purpose.LIVE, websocket.path_params["camera"])
            look = await self._looks.written(decision)
            viewer = await self._media.live(look)
        except CivicamError as error:
            await websocket.send_denial_response(as_problem(error))
            return
        try:
            async with viewer:
                await websocket.accept()
                await self._show(websocket, viewer)
        finally:
            with suppress(LedgerError):  # its beginning is written; the ledger's own alarm tells of the trouble
                await self._looks.ended(look)

    async def _show(self, websocket: WebSocket, viewer: Viewer) -> None:
        """Sends until one of the two sides, or the policy, ends it."""
        ends = [
            asyncio.create_task(_send_all(websocket, viewer)),
            asyncio.create_task(_hear(websocket)),
            asyncio.create_task(self._ask_again(websocket)),
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        code, reason = next(iter(done)).result()
        if websocket.application_state is not WebSocketState.DISCONNECTED:
            await _close(websocket, code, reason)

    async def _ask_again(self, websocket: WebSocket) -> tuple[int, str]:
        while True:
            await self._clock.sleep(ASK_AGAIN_S)
            try:
                self._gate.decide(websocket, Purpose.LIVE, websocket.path_params["camera"], is_again=True)
            except (NotAllowedError, SignInError) as error:
                return _POLICY, told(error)[1]


async def _send_all(websocket: WebSocket, viewer: Viewer) -> tuple[int, str]:
    try:
        while True:
            await _send(websocket, await viewer.next())
    except PlayerError as error:
        return _AGAIN_LATER, error.what
    except WebSocketDisconnect:
        return _NORMAL, ""


async def _hear(websocket: WebSocket) -> tuple[int, str]:
    """A viewer has nothing to say; what it says ends the view."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        return _NORMAL, ""
    return _POLICY, "nothing is to be said here"


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    try:
        await websocket.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))
    except (RuntimeError, WebSocketDisconnect):
        return  # it had closed meanwhile


async def _send(websocket: WebSocket, message: ViewMessage) -> None:
    match message:
        case FragmentMessage():
            await websocket.send_bytes(reference_time(message) + message.data)
        case InitMessage():
            await websocket.send_text(_init_text(message))
            await websocket.send_bytes(message.data)
        case StateMessage():
            await websocket.send_text(state_text(message))


def _init_text(message: InitMessage) -> str:
    mime = f'video/mp4; codecs="{message.codec}"'
    return json.dumps({"type": "init", "mime": mime, "width": message.width, "height": message.height})


def reference_time(message: FragmentMessage) -> bytes:
    """When the camera saw a frame, as `prft` (ISO/IEC 14496-12, 8.16.5), which stands before its `moof`.

    The time is NTP's: seconds since 1900 and their 2^32nd parts (RFC 5905, 6).
    """
    seconds, rest_ns = divmod(message.wall_ns, 1_000_000_000)
    ntp = (seconds + _NTP_AHEAD_S & 0xFFFFFFFF) << 32 | ((rest_ns << 32) + 500_000_000) // 1_000_000_000
    return _PRFT.pack(_PRFT.size, b"prft", _PRFT_HEAD, _TRACK, ntp, message.start_90k)


def state_text(message: StateMessage) -> str:
    """What the picture shows, in words and for programs."""
    reason = message.reason
    text = f"Live, all of it covered: {reason.value}." if reason else "Live."
    if message.lost:
        text += f" This connection is slow: {message.lost} pictures were left out."
    is_bad = reason is not None and reason not in _HARMLESS
    return json.dumps(
        {"type": "state", "reason": reason and reason.value, "text": text, "is_bad": is_bad, "lost": message.lost}
    )


DESCRIPTION: Final[dict[str, object]] = {
    "summary": "Live, over a WebSocket",
    "description": (
        "Upgrades to a WebSocket (RFC 6455). A text message of type `init` (`mime`, `width`, `height`) is followed by a"
        " binary one with `ftyp` and `moov`; every other binary message is one frame, `prft` (when the camera saw it),"
        " `moof` and `mdat`, for Media Source Extensions. Text messages of type `state` say what is shown: `reason`"
        " (why all is covered, or null), `text`, `is_bad`, `lost` (frames that this viewer was too slow for). The"
        " client says nothing. The `Origin` must be this server's own."
    ),
    "responses": {
        str(int(HTTPStatus.SWITCHING_PROTOCOLS)): {"description": "The view begins."},
    },
}
