"""From the archive to samples: what lies on disk of a stream and a stretch, opened, authenticated and taken apart.

What comes out is clear. It goes to `playback`, which redacts it, and to `clear`, which demands a grant: nowhere else.
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from civicam.camera.sample import H264Setup, Sample
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Segment
from civicam.core.errors import FootageError, SegmentError
from civicam.core.ids import StreamKey
from civicam.core.spans import Span, intersect, subtract
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.recorder.fmp4 import fragment as packed
from civicam.recorder.fmp4 import init_segment

_HEAD = struct.Struct(">I4sI4sIII4sI4sIII4sIQI4sIIi")
_ROW = struct.Struct(">IIIi")
_MDAT = struct.Struct(">I4s")
_NOT_SYNC = 0x00010000
_MOST_BACK = 64
_MOST_SIZES = 4096


class Row(NamedTuple):
    """One sample of a fragment.

    Attributes:
        pts_90k: presentation time.
        is_key: decoding can start here.
        data: NAL units behind their lengths.
    """

    pts_90k: int
    is_key: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class ArchivedFragment:
    """A fragment of the archive.

    Attributes:
        span: what it covers of wall time.
        setup: its parameter sets.
        samples: in decoding order; none where it is damaged, altered or cannot be opened: it is then to be covered.
        is_sync: decoding can start with its first sample.
    """

    span: Span
    setup: H264Setup | None
    samples: tuple[Sample, ...]
    is_sync: bool


class ArchiveReader:
    """Reads footage of any time. Any thread may call it.

    Args:
        catalogue: the database file.
        volumes: where segments lie, by the names that the catalogue has for them.
        keyring: finds day keys.

    Raises:
        CatalogueError: it cannot be opened.
    """

    def __init__(self, catalogue: Path, volumes: Mapping[str, Volume], keyring: KeyRing) -> None:
        self._catalogue = Catalogue.open(catalogue)
        self._volumes = dict(volumes)
        self._keyring = keyring
        self._lock = threading.Lock()
        self._sizes: OrderedDict[SegmentName, tuple[int, int]] = OrderedDict()

    def close(self) -> None:
        """Closes the catalogue."""
        with self._lock:
            self._catalogue.close()

    def playable(self, key: StreamKey, window: Span) -> list[Span]:
        """What of `window` is playable and durable, by the catalogue.

        Raises:
            CatalogueError: it cannot be read.
        """
        with self._lock:
            rows, gaps = self._catalogue.segments(key, window), self._catalogue.gaps(key, window)
        spans = [(row.start_wall_ns, row.end_wall_ns) for row in rows]
        holes = [(gap.start_wall_ns, gap.end_wall_ns) for gap in gaps]
        return intersect(subtract(spans, holes), window)

    def sizes(self, key: StreamKey, window: Span) -> list[tuple[Span, tuple[int, int]]]:
        """How large pictures are, (width, height), by stretch; files that cannot be read are left out.

        Raises:
            CatalogueError: it cannot be read.
        """
        found = []
        for row in self._segments(key, window):
            try:
                size = self._size(row)
            except FootageError:
                continue
            found.append(((row.start_wall_ns, row.end_wall_ns), size))
        return found

    def fragments(self, key: StreamKey, window: Span) -> Iterator[ArchivedFragment]:
        """The fragments that overlap `window`, by start, and before them those that decoding has to start with.

        What is in no fragment is in a gap. A seek reads a file's header and index, some fragments' fields, and the
        fragments that it gives.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        for row in self._segments(key, window):
            try:
                reader = self._open(row)
            except FootageError:
                yield _lost((row.start_wall_ns, row.end_wall_ns))
                continue
            with reader:
                yield from self._within(reader, row, window)

    def _segments(self, key: StreamKey, window: Span) -> list[Segment]:
        with self._lock:
            return self._catalogue.segments(key, window)

    def _open(self, row: Segment) -> SegmentReader:
        volume = self._volumes.get(row.volume)
        if volume is None:
            raise SegmentError("the volume is not there", where=row.volume, fix="name it in the settings")
        name = SegmentName.make(row.key, row.start_wall_ns, row.epoch)
        try:
            reader = SegmentReader.open(volume.path_of(name))
        except SegmentError:
            reader = SegmentReader.open(volume.path_of(name))  # it was closed, and moved, in that moment
        if reader.header.name != name:
            reader.close()
            raise SegmentError("the file is another segment", where=str(reader.path), fix="run `civicam check`")
        return reader

    def _size(self, row: Segment) -> tuple[int, int]:
        name = SegmentName.make(row.key, row.start_wall_ns, row.epoch)
        with self._lock:
            known = self._sizes.get(name)
        if known is None:
            with self._open(row) as reader:
                known = reader.header.setup.width, reader.header.setup.height
            with self._lock:
                self._sizes[name] = known
                if len(self._sizes) > _MOST_SIZES:
                    self._sizes.popitem(last=False)
        return known

    def _within(self, reader: SegmentReader, row: Segment, window: Span) -> Iterator[ArchivedFragment]:
        """What a file has of `window`; of one that is being written only what the catalogue calls durable."""
        count = min(len(reader), row.fragment_count)
        try:
            setup = setup_of(reader.header.setup)
        except SegmentError:
            yield _lost((row.start_wall_ns, row.end_wall_ns))
            return
        for number in range(_first(reader, count, window[0]), count):
            try:
                header = reader.read_header(number)
            except FootageError:
                continue  # nothing is known of it: its time is in no fragment
            if header.start_wall_ns >= window[1]:
                return
            yield self._opened(reader, number, header, setup)

    def _opened(self, reader: SegmentReader, number: int, header: FragmentHeader, setup: H264Setup) -> ArchivedFragment:
        span = header.start_wall_ns, header.end_wall_ns
        if header.is_damaged:
            return ArchivedFragment(span, setup, (), header.is_sync)
        try:
            samples = samples_of(reader.read(number, self._keyring))
        except FootageError:
            return ArchivedFragment(span, setup, (), header.is_sync)
        return ArchivedFragment(span, setup, samples, header.is_sync)


def _lost(span: Span) -> ArchivedFragment:
    return ArchivedFragment(span, None, (), is_sync=False)


def _first(reader: SegmentReader, count: int, wall_ns: int) -> int:
    """The first fragment that ends after `wall_ns`, or the one that decoding has to start with to reach it."""
    low, high = 0, count
    try:
        while low < high:
            middle = (low + high) // 2
            if reader.read_header(middle).end_wall_ns <= wall_ns:
                low = middle + 1
            else:
                high = middle
        number = min(low, count - 1)
        while number > max(0, low - _MOST_BACK) and not reader.read_header(number).is_sync:
            number -= 1
    except FootageError:
        return 0  # fields that cannot be read: every one is looked at
    return low if low == count else max(number, 0)


def samples_of(fragment: Fragment) -> tuple[Sample, ...]:
    """A fragment's samples, in decoding order.

    Wall time runs evenly from the fragment's start to its end (docs/design/time.md: both are what the timeline said).

    Raises:
        SegmentError: the payload is not what the header says.
    """
    header = fragment.header
    start_90k, duration_90k, rows = parse_payload(fragment.payload)
    if (start_90k, duration_90k, len(rows)) != (max(header.start_90k, 0), header.duration_90k, header.sample_count):
        raise SegmentError("a fragment holds other samples than its header says")
    first_90k = min(row.pts_90k for row in rows)
    length_ns = header.end_wall_ns - header.start_wall_ns
    return tuple(
        Sample(
            row.data,
            row.pts_90k,
            header.start_wall_ns + (row.pts_90k - first_90k) * length_ns // duration_90k,
            None,
            row.is_key,
        )
        for row in rows
    )


def parse_payload(payload: bytes) -> tuple[int, int, tuple[Row, ...]]:
    """Takes a `moof` and `mdat` apart that `recorder.fmp4.fragment` made (ISO/IEC 14496-12, 8.8.4 to 8.8.8).

    Returns:
        When the first sample is decoded, how long all take, and the samples in decoding order.

    Raises:
        SegmentError: it is anything else, a single byte off included.
    """
    if len(payload) < _HEAD.size + _ROW.size + _MDAT.size:
        raise SegmentError("a fragment's payload is too short")
    fields = _HEAD.unpack_from(payload)
    sequence, start_90k, count = fields[5], fields[15], fields[19]
    at = _HEAD.size + _ROW.size * count + _MDAT.size
    if not count or at > len(payload):
        raise SegmentError("a fragment's table is longer than the fragment, or empty")
    table = [_ROW.unpack_from(payload, _HEAD.size + _ROW.size * number) for number in range(count)]
    rows, data, now_90k = [], [], start_90k
    for duration_90k, size_bytes, flags, composition_90k in table:
        piece = payload[at : at + size_bytes]
        rows.append(Row(now_90k + composition_90k, not flags & _NOT_SYNC, piece))
        data.append(piece)
        at, now_90k = at + size_bytes, now_90k + duration_90k
    unsigned = [(*row[:3], row[3] & 0xFFFFFFFF) for row in table]
    # Made again and compared: so nothing in it, order and constants included, is other than we write it.
    if at != len(payload) or now_90k == start_90k or packed(sequence, start_90k, unsigned, data) != payload:
        raise SegmentError("a fragment's payload is not as it was written")
    return start_90k, now_90k - start_90k, tuple(rows)


def setup_of(setup: SegmentSetup) -> H264Setup:
    """The parameter sets in a segment's `init` (ISO/IEC 14496-15, 5.3.3.1).

    Raises:
        SegmentError: it is not what `recorder.fmp4.init_segment` makes.
    """
    init = setup.init
    at = init.rfind(b"avcC") + 4
    try:
        if at < 4 or init[at + 5] & 31 != 1:
            raise SegmentError("a segment's setup has no parameter sets")
        sps, at = _nal(init, at + 6)
        pps, count = [], init[at]
        at += 1
        for _ in range(count):
            nal, at = _nal(init, at)
            pps.append(nal)
        found = H264Setup(sps, tuple(pps), setup.width, setup.height)
        if init_segment(found) == init:
            return found
    except (IndexError, struct.error, ValueError):
        pass
    raise SegmentError("a segment's setup is not as it was written", fix="run `civicam check --deep`")


def _nal(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    return data[at + 2 : end], end
