"""The ground truth of what the city's cameras sent, so that a test can prove that nothing was lost on the way.

In process it is objects: `CityServer.stats` and `SentLog.frames`. From another process it is a JSON Lines file, with
`{"kind": "totals", ...}` for each camera every second and at the end, and `{"kind": "frame", ...}` for each frame
where that is asked for.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from civicam.core.errors import CityError
from civicam.core.ids import CameraId, StreamName


class FrameFate(StrEnum):
    """What became of a frame."""

    WHOLE = "whole"
    """Handed to the connection byte for byte."""
    DAMAGED = "damaged"
    """A fault took, moved, altered or added packets."""
    DROPPED = "dropped"
    """Left out, because the reader was too slow; its sequence numbers are missing."""


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One frame on one connection.

    Attributes:
        camera: whose.
        stream: which of its streams.
        ssrc: the play: each PLAY has its own.
        sequence: its first packet's sequence number, unwrapped: `& 0xFFFF` gives what was on the wire.
        packets: how many packets it has.
        timestamp: its RTP timestamp.
        wall_ns: when it was sent, by this machine's clock.
        is_key: it is an IDR frame.
        fate: what became of it.
        sha256: of its NAL units, without in-band parameter sets, each behind a 4-byte length.
    """

    camera: CameraId
    stream: StreamName
    ssrc: int
    sequence: int
    packets: int
    timestamp: int
    wall_ns: int
    is_key: bool
    fate: FrameFate
    sha256: str


@dataclass(frozen=True, slots=True)
class PlayTotals:
    """What one PLAY sent.

    Attributes:
        stream: which of the camera's streams.
        ssrc: the RTP source.
        first_sequence: the first packet's sequence number.
        last_sequence: the last one's, unwrapped; `first_sequence - 1` before the first packet.
        frames: frames sent, whole or damaged.
        packets: packets sent.
        bytes: bytes sent, RTP with interleaved headers.
        frames_dropped: frames left out because the reader was too slow.
        packets_lost: packets that a fault took.
    """

    stream: StreamName
    ssrc: int
    first_sequence: int
    last_sequence: int
    frames: int
    packets: int
    bytes: int
    frames_dropped: int
    packets_lost: int


@dataclass(frozen=True, slots=True)
class CameraTotals:
    """What one camera sent since the start.

    Attributes:
        camera: whose totals these are.
        frames: frames sent, whole or damaged.
        packets: packets sent.
        bytes: bytes sent, RTP with interleaved headers.
        frames_dropped: frames left out because a reader was too slow.
        packets_lost: packets that a fault took.
        plays: how often it was played.
        connections: connections that named this camera so far.
        connections_open: how many of them are open.
        receiver_reports: RTCP receiver reports that came.
        refused: requests refused for a wrong or missing password.
        bad_requests: requests that could not be read or served, of those that named this camera.
        recent: the plays that go on, and the latest ones that ended.
    """

    camera: CameraId
    frames: int
    packets: int
    bytes: int
    frames_dropped: int
    packets_lost: int
    plays: int
    connections: int
    connections_open: int
    receiver_reports: int
    refused: int
    bad_requests: int
    recent: tuple[PlayTotals, ...]


class SentLog:
    """Keeps or writes what was sent.

    Args:
        path: a JSON Lines file, made anew; None to keep frames in memory and write nothing.
        frames: log each frame, not only totals. In memory this grows without bound: it is for tests.

    Raises:
        CityError: the file cannot be written.
    """

    def __init__(self, path: Path | None = None, *, frames: bool = False) -> None:
        self.wants_frames = frames
        self.frames: list[SentFrame] = []
        """What was sent, in order, where no file was given."""
        self._file: TextIO | None = None
        if path is not None:
            try:
                self._file = path.open("w", encoding="utf-8", buffering=1 << 20)
            except OSError as error:
                raise CityError(f"the log cannot be written: {error.strerror}", where=str(path)) from error

    @property
    def writes(self) -> bool:
        """Whether there is a file to write totals to."""
        return self._file is not None

    def frame(self, frame: SentFrame) -> None:
        """Takes one frame."""
        if self._file is None:
            self.frames.append(frame)
        else:
            self._line("frame", asdict(frame))

    def totals(self, wall_ns: int, cameras: Iterable[CameraTotals]) -> None:
        """Writes every camera's totals, as of `wall_ns`, to the file."""
        if self._file is None:
            return
        for camera in cameras:
            self._line("totals", {"wall_ns": wall_ns, **asdict(camera)})
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _line(self, kind: str, values: dict[str, object]) -> None:
        assert self._file is not None
        self._file.write(json.dumps({"kind": kind, **values}, separators=(",", ":")) + "\n")
