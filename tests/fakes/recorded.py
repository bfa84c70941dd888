"""A small system with footage in it, made by the recorder's own writer from real H.264: what a check looks at."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

from civicam.camera.sample import H264Setup, Sample
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, Segment
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.recorder.coverage import CoverageChain
from civicam.recorder.fmp4 import codec_string, init_segment
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.recorder.stream_writer import SegmentMaker, StreamWriter
from tests.fakes.register import REGISTER
from tests.fakes.samples import FRAME_90K, FRAME_NS, encoded

S = 1_000_000_000
START_NS = 1_772_323_200 * S  # 2026-03-01T00:00:00Z
EPOCH = START_NS - S
SEGMENT_NS = 6 * S
GOP_NS = 2 * S
KEYS = [StreamKey(CameraId("rudaki-07"), StreamName.MAIN), StreamKey(CameraId("somoni-01"), StreamName.MAIN)]


Footage: TypeAlias = tuple[H264Setup, tuple[Fragment | GapCause, ...]]
"""What a camera sent, from time 0 on."""


class FragmentSink:
    """Keeps what a fragmenter makes."""

    def __init__(self) -> None:
        self.made: list[Fragment | GapCause] = []

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        self.made.append(fragment)

    def missing(self, cause: GapCause, detail: str) -> None:
        self.made.append(cause)


@cache
def minute() -> Footage:
    """A minute of fragments of two seconds from time 0 on: packets are lost after 20 s, none come from 30 to 36 s."""
    setup, samples = encoded(count=90, gop=30, size=(64, 48))
    sink = FragmentSink()
    fragmenter = Fragmenter(sink, FragmentLimits(900_000, 1 << 20))
    fragmenter.setup(setup)
    for number in range(900):
        at_s = number / 15
        if 30 <= at_s < 36:
            continue
        if number == 300 + 10:
            fragmenter.broken(GapCause.LOST_PACKETS, "lost")
        fragmenter.sample(_moved(samples[number % 90], number))
    fragmenter.flush()
    return setup, tuple(sink.made)


def _moved(sample: Sample, number: int) -> Sample:
    return replace(sample, pts_90k=number * FRAME_90K, wall_ns=number * FRAME_NS)


@dataclass
class Recorded:
    """Catalogue and volume of a system that recorded `KEYS` for a minute, and was stopped."""

    root: Path
    volume: Volume
    keyring: KeyRing
    footage: Callable[[], Footage] = minute

    @classmethod
    def make(
        cls,
        root: Path,
        keys: list[StreamKey] | None = None,
        stop: bool = True,
        footage: Callable[[], Footage] = minute,
    ) -> "Recorded":
        """Records; without `stop` the last segment stays open, as a crash leaves it."""
        volume = Volume("main", root / "main", 0)
        volume.prepare()
        made = cls(root, volume, KeyRing(CityKey(b"k" * 32)), footage)
        with Catalogue.open(made.path, create=True) as catalogue:
            catalogue.begin_run(EPOCH, EPOCH)
            for key in keys or KEYS:
                camera = Camera(
                    key.camera,
                    "Rudaki",
                    {key.stream: "rtsp://127.0.0.1/1"},
                    b"sealed",
                    "traffic",
                    START_NS,
                    None,
                    REGISTER,
                )
                catalogue.add_camera(camera)
                made.record(catalogue, key, START_NS, stop=stop)
        return made

    @property
    def path(self) -> Path:
        """The catalogue's file."""
        return self.root / "catalogue.sqlite"

    def record(self, catalogue: Catalogue, key: StreamKey, start_ns: int, *, stop: bool = True) -> None:
        """Records the footage from `start_ns` on."""
        setup, made = self.footage()
        maker = SegmentMaker(lambda _: self.volume, self._segment, lambda *_: None)
        writer = StreamWriter(CoverageChain(key, start_ns, GapCause.SHUT_DOWN), EPOCH, SEGMENT_NS, maker)
        reached_ns = start_ns
        for item in made:
            if isinstance(item, GapCause):
                writer.missing(item, reached_ns)
                continue
            reached_ns = start_ns + item.header.end_wall_ns
            header = replace(item.header, start_wall_ns=start_ns + item.header.start_wall_ns, end_wall_ns=reached_ns)
            assert writer.write(Fragment(header, item.payload), setup) is None
            outcome = writer.sync(reached_ns)
            catalogue.record(outcome.segments, outcome.gaps)
        if stop:
            writer.finish()
            writer.missing(GapCause.SHUT_DOWN, reached_ns)
            outcome = writer.sync(reached_ns + S)
            catalogue.record(outcome.segments, outcome.gaps)
        else:
            self._left = writer
            track = writer._current
            assert track is not None
            track.segment.abandon()

    def _segment(self, volume: Volume, key: StreamKey, start_wall_ns: int, setup: H264Setup) -> SegmentWriter:
        return SegmentWriter.create(
            volume,
            key,
            epoch=EPOCH,
            start_wall_ns=start_wall_ns,
            created_wall_ns=start_wall_ns,
            setup=SegmentSetup(codec_string(setup), setup.width, setup.height, init_segment(setup)),
            keyring=self.keyring,
        )

    def segments(self, key: StreamKey = KEYS[0]) -> list[Segment]:
        """The catalogue's segments."""
        with Catalogue.open(self.path) as catalogue:
            return catalogue.segments(key)

    def file(self, number: int, key: StreamKey = KEYS[0]) -> Path:
        """A stream's closed segment by number."""
        return self.file_of(self.segments(key)[number])

    def file_of(self, row: Segment) -> Path:
        """Where a closed segment lies."""
        return closed_path(self.volume.root, SegmentName.make(row.key, row.start_wall_ns, row.epoch))
