"""What must be true of a recording, whatever happened to it, held against what the cameras sent."""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from civicam.catalogue.catalogue import ALL_TIME, Catalogue
from civicam.catalogue.models import Segment
from civicam.city.sent import FrameFate, SentFrame
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import subtract, touching, union
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader
from civicam.footage.verify import verify
from civicam.footage.volume import Volume
from civicam.upkeep.check import check
from tests.fakes.house import main_stream

_PARAMETER_SETS = (7, 8)
_PLACED_WITHIN_NS = 5_000_000_000
"""How far a frame's recorded time may be off the moment it was sent, on a machine that has much to do."""

_TOLD_WITHIN_NS = 300_000_000
"""How far beside its gap a missing frame may have been sent."""


class RecordedSample(NamedTuple):
    """A coded frame that was read back.

    Attributes:
        timestamp: its RTP timestamp.
        sha256: of its NAL units without parameter sets, as `SentFrame` has it.
        fragment: what its fragment says of itself.
    """

    timestamp: int
    sha256: str
    fragment: FragmentHeader


@dataclass(slots=True)
class Proof:
    """What was found.

    Attributes:
        problems: what is not as it must be; empty if nothing is.
        recorded: for each camera, which of its sent frames were recorded, by their number.
        playable: the same, without those in fragments marked damaged.
        segments: segment files looked at.
        samples: coded frames compared with what was sent.
    """

    problems: list[str] = field(default_factory=list)
    recorded: dict[CameraId, set[int]] = field(default_factory=dict)
    playable: dict[CameraId, set[int]] = field(default_factory=dict)
    segments: int = 0
    samples: int = 0


def by_camera(frames: Iterable[SentFrame]) -> dict[CameraId, list[SentFrame]]:
    """Sent frames of each camera, in order."""
    found: dict[CameraId, list[SentFrame]] = {}
    for frame in frames:
        found.setdefault(frame.camera, []).append(frame)
    return found


def samples_of(fragment: Fragment) -> Iterator[RecordedSample]:
    """The coded frames of a fragment that `recorder.fmp4.fragment` made."""
    payload, header = fragment.payload, fragment.header
    moof_bytes = int.from_bytes(payload[:4])
    decoding_90k, at = header.start_90k, moof_bytes + 8
    for row in struct.iter_unpack(">IIIi", payload[moof_bytes - 16 * header.sample_count : moof_bytes]):
        duration_90k, size, _, composition_90k = row
        digest = hashlib.sha256(b"".join(_without_parameter_sets(payload[at : at + size]))).hexdigest()
        yield RecordedSample((decoding_90k + composition_90k) & 0xFFFFFFFF, digest, header)
        decoding_90k, at = decoding_90k + duration_90k, at + size


def _without_parameter_sets(sample: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(sample):
        end = at + 4 + int.from_bytes(sample[at : at + 4])
        if sample[at + 4] & 31 not in _PARAMETER_SETS:
            yield sample[at:end]
        at = end


def prove(
    catalogue_path: Path,
    volumes: Sequence[Volume],
    keyring: KeyRing,
    sent: dict[CameraId, list[SentFrame]],
    *,
    now_ns: int,
) -> Proof:
    """Looks at a recorder that has stopped: its files, its catalogue, and what it should have recorded.

    Proven: every file is closed, in its place, authentic and decodes; what the catalogue calls playable is in the
    files; what was due is playable or in a gap; every recorded frame was sent, in that order and no frame is there
    twice; its time is when it was sent; and every frame that was sent and is missing lies in a gap.
    """
    proof = Proof()
    with Catalogue.open(catalogue_path) as catalogue:
        report = check(catalogue, volumes, keyring, deep=True, now_ns=now_ns)
        proof.problems += map(str, report.problems)
        proof.segments = report.file_count
        for volume in volumes:
            proof.problems += [f"{left.path} was left open" for left in volume.open_segments()]
        for camera, frames in sent.items():
            key = main_stream(camera)
            rows = catalogue.segments(key)
            _coverage(proof, catalogue, volumes, keyring, rows)
            found = [sample for fragment in read_all(volumes, keyring, rows) for sample in samples_of(fragment)]
            proof.samples += len(found)
            _compare(proof, camera, frames, found)
            _told(proof, catalogue, camera, frames)
    return proof


def read_all(volumes: Sequence[Volume], keyring: KeyRing, rows: Iterable[Segment]) -> Iterator[Fragment]:
    """Every fragment of closed segments, authenticated."""
    for row in rows:
        with SegmentReader.open(path_of(volumes, row)) as reader:
            for number in range(len(reader)):
                yield reader.read(number, keyring)


def path_of(volumes: Sequence[Volume], row: Segment) -> Path:
    """Where a closed segment lies."""
    root = next(volume.root for volume in volumes if volume.name == row.volume)
    return closed_path(root, SegmentName.make(row.key, row.start_wall_ns, row.epoch))


def false_coverage_ns(catalogue: Catalogue, volumes: Sequence[Volume], keyring: KeyRing, key: StreamKey) -> int:
    """Wall time that the catalogue calls playable and no authentic, undamaged fragment covers; to the nanosecond."""
    covered = [
        span
        for row in catalogue.segments(key)
        for span in verify(path_of(volumes, row), keyring, deep=True).covered
    ]  # fmt: skip
    playable = catalogue.coverage(key, ALL_TIME).playable
    return sum(end - start for start, end in subtract(playable, covered))


def _coverage(
    proof: Proof, catalogue: Catalogue, volumes: Sequence[Volume], keyring: KeyRing, rows: list[Segment]
) -> None:
    if not rows:
        return
    key = rows[0].key
    if false_ns := false_coverage_ns(catalogue, volumes, keyring, key):
        proof.problems.append(f"{key}: {false_ns} ns are called playable and are not")
    told = catalogue.last_end(key)
    assert told is not None
    if unexplained := catalogue.coverage(key, (0, told[0])).unexplained:
        proof.problems.append(f"{key}: nothing accounts for {unexplained}")


def _compare(proof: Proof, camera: CameraId, frames: list[SentFrame], found: list[RecordedSample]) -> None:
    whole: dict[tuple[int, str], list[int]] = {}
    damaged: dict[int, list[int]] = {}
    for number, frame in enumerate(frames):
        whole.setdefault((frame.timestamp, frame.sha256), []).append(number)
        if frame.fate is FrameFate.DAMAGED:
            damaged.setdefault(frame.timestamp, []).append(number)
    recorded, playable = proof.recorded.setdefault(camera, set()), proof.playable.setdefault(camera, set())
    last = -1
    for sample in found:
        candidates = whole.get((sample.timestamp, sample.sha256)) or damaged.get(sample.timestamp, [])
        number = next((number for number in candidates if number > last), -1)
        if number < 0:
            why = f"is there twice or out of order (it is {candidates}, after {last})" if candidates else "was not sent"
            proof.problems.append(f"{camera}: the frame {sample.timestamp} in {sample.fragment} {why}")
            continue
        last = number
        recorded.add(number)
        if not sample.fragment.is_damaged:
            playable.add(number)
        off_ns = max(sample.fragment.start_wall_ns - frames[number].wall_ns, 0)
        off_ns = max(off_ns, frames[number].wall_ns - sample.fragment.end_wall_ns)
        if off_ns > _PLACED_WITHIN_NS:
            proof.problems.append(f"{camera}: a frame is recorded {off_ns / 1e9:.1f} s off the time it was sent")


def _told(proof: Proof, catalogue: Catalogue, camera: CameraId, frames: list[SentFrame]) -> None:
    key = main_stream(camera)
    gaps = union(
        (gap.start_wall_ns - _TOLD_WITHIN_NS, gap.end_wall_ns + _TOLD_WITHIN_NS) for gap in catalogue.gaps(key)
    )
    told = catalogue.last_end(key)
    until_ns = told[0] if told else 0
    missing = [frame for number, frame in enumerate(frames) if number not in proof.recorded[camera]]
    untold = [
        frame
        for frame in missing
        if frame.wall_ns < until_ns and not touching(gaps, (frame.wall_ns, frame.wall_ns + 1))
    ]
    if untold:
        proof.problems.append(f"{camera}: {len(untold)} frames are missing and no gap says so, from {untold[0]}")
