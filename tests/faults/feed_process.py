"""A recorder worker's feed in a process of its own, to be killed: what comes in at standard input its camera sent.

`python -m tests.faults.feed_process FOLDER`. The input is messages of the feed itself, whatever their handles.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.recorder.feed import Feed
from civicam.recorder.feed_messages import (
    MOST_MESSAGE_BYTES,
    BrokenTold,
    DiscontinuityTold,
    Message,
    MessageReader,
    SampleTold,
    SetupTold,
    encode,
)

KEY = StreamKey(CameraId("rudaki-07"), StreamName.SUB)


class FeedProcess:
    """The handle of such a process."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.feed_process", str(folder)], stdin=subprocess.PIPE, bufsize=0
        )

    def send(self, message: Message) -> None:
        """The camera sends that."""
        assert self._process.stdin is not None
        self._process.stdin.write(encode(message))

    def kill(self) -> None:
        """Ends it as a crash or the kernel would."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


class _Stream:
    """See `FeedStream`."""

    def __init__(self) -> None:
        self._listener: SampleSink | None = None
        self._setup: H264Setup | None = None
        self._gop: list[Sample] = []

    def listen(self, listener: SampleSink | None) -> None:
        self._listener = listener

    def in_hand(self) -> tuple[H264Setup | None, Sequence[Sample]]:
        return self._setup, self._gop

    def attend(self, attended: bool) -> None:
        """Samples come when they come."""

    def take(self, message: Message) -> None:
        match message:
            case SetupTold(setup=setup):
                self._setup, self._gop = setup, []
            case SampleTold(sample=sample) if sample.is_key:
                self._gop = [sample]
            case SampleTold(sample=sample) if self._gop:
                self._gop.append(sample)
            case _:
                self._gop = []
        if self._listener is not None:
            _tell(self._listener, message)


def _tell(listener: SampleSink, message: Message) -> None:
    match message:
        case SetupTold(setup=setup):
            listener.setup(setup)
        case SampleTold(sample=sample):
            listener.sample(sample)
        case BrokenTold(cause=cause, detail=detail):
            listener.broken(cause, detail)
        case DiscontinuityTold(detail=detail):
            listener.discontinuity(detail)


async def _serve(folder: Path) -> None:
    stream, feed, messages = _Stream(), Feed(), MessageReader(MOST_MESSAGE_BYTES)
    feed.add(KEY, stream)
    await feed.start(folder, 0)
    comes = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(comes), sys.stdin)
    while data := await comes.read(1 << 16):
        for message in messages.feed(data):
            stream.take(message)
    await feed.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
