"""Writing segments and reading them back."""

import errno
import hashlib
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from civicam.core.errors import DiskFullError, KeyMissingError, SealError, SegmentError, VolumeError
from civicam.core.ids import GapCause
from civicam.footage import segment_format
from civicam.footage.fragment import Fragment, FragmentHeader, Gap
from civicam.footage.reader import SegmentReader, plaintext
from civicam.footage.recovery import recover
from civicam.footage.segment import SegmentGap
from civicam.footage.segment_format import pack_fields, parse_fields
from civicam.footage.verify import verify
from tests.fakes.segments import DAY, EPOCH, KEY, SECOND_NS, SETUP, START_NS, FaultyDisk, Place, fragment

I64 = st.integers(-(2**63) + 1, 2**63 - 1)
HEADERS = st.builds(
    lambda start, duration, walls, camera, samples, flags, gap: FragmentHeader(
        start, duration, min(walls), max(walls), camera, samples, flags[0], flags[1], gap
    ),
    I64,
    st.integers(1, 2**63 - 1),
    st.tuples(I64, I64),
    st.none() | I64,
    st.integers(1, 2**32 - 1),
    st.tuples(st.booleans(), st.booleans()),
    st.none() | st.builds(Gap, st.integers(1, 2**63 - 1), st.sampled_from(GapCause)),
)
FRAGMENTS = st.lists(st.builds(Fragment, HEADERS, st.binary(min_size=1, max_size=300)), min_size=1, max_size=6)


@given(HEADERS, st.integers(0, segment_format.MAX_FRAGMENTS - 1), st.integers(1, segment_format.MAX_PAYLOAD_BYTES))
def test_fields_are_read_back_as_they_were_written(header: FragmentHeader, sequence: int, size_bytes: int) -> None:
    data = pack_fields(sequence, size_bytes, header)
    assert parse_fields(data) == (sequence, size_bytes, header)
    assert len(data) == 68


@given(st.binary(min_size=64, max_size=64))
def test_hostile_fields_are_refused_or_mean_what_they_say(data: bytes) -> None:
    try:
        framed = parse_fields(b"FRAG" + data)
    except SegmentError:
        return
    assert pack_fields(*framed) == b"FRAG" + data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(FRAGMENTS)
def test_fragments_come_back_as_they_were_given(tmp_path: Path, fragments: list[Fragment]) -> None:
    place = Place.make(tmp_path / os.urandom(8).hex())
    writer = place.begin()
    sizes = [writer.append(each) for each in fragments]
    closed = writer.close()
    with SegmentReader.open(place.volume.path_of(closed.name)) as reader:
        assert [reader.read(number, place.keyring) for number in range(len(reader))] == fragments
        assert reader.headers() == [each.header for each in fragments]
        assert [header for _, header in reader.walk()] == reader.headers()
        assert reader.closed_segment() == closed
        assert sum(sizes) + reader.header_bytes == reader.ending().index_offset


def test_the_file_is_laid_out_as_the_design_says(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    path = place.closed(2)
    data = path.read_bytes()
    assert path.relative_to(tmp_path).as_posix() == f"rudaki-07/{DAY}/rudaki-07.main.{START_NS}.{EPOCH}.civ"
    magic, length = struct.unpack_from(">8sI", data)
    header = json.loads(data[12 : 12 + length])
    assert magic == b"CIVSEG01"
    assert header["key_day"] == DAY
    assert len(header["segment_id"]) == 32
    at = 12 + length
    entries = b""
    for number in range(2):
        fields = struct.unpack_from(">4sIIqqqqqIqBBH", data, at)
        assert fields[:3] == (b"FRAG", number, 40)
        end = at + 68 + 40 + 16
        entries += struct.pack(">Q", at) + hashlib.sha256(data[at:end]).digest()
        at = end
    index = b"INDX" + struct.pack(">I", 2) + entries
    digest = hashlib.sha256(data[: 12 + length] + index).digest()
    assert data[at:] == index + struct.pack(">Q", at) + digest + b"CIVEND01"


def test_the_summary_is_told_by_the_file_alone(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    with SegmentReader.open(place.closed(4)) as reader:
        found = reader.closed_segment()
    assert (found.start_wall_ns, found.end_wall_ns) == (START_NS, START_NS + 4 * SECOND_NS)
    assert (found.fragment_count, found.sample_count) == (4, 100)
    start = START_NS + 2 * SECOND_NS
    assert found.gaps == (SegmentGap(start - 250_000_000, start, GapCause.LOST_PACKETS),)
    assert found.damaged == ((START_NS + SECOND_NS, START_NS + 2 * SECOND_NS),)


def test_a_file_being_written_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    writer = place.begin()
    writer.append(fragment(0))
    with SegmentReader.open(place.volume.path_of(writer.name)) as reader:
        assert not reader.is_closed
        assert reader.read(0, place.keyring) == fragment(0)
        with pytest.raises(SegmentError, match="no trailer"):
            reader.ending()
        with pytest.raises(SegmentError, match="no fragment 1 of 1"):
            reader.read(1, place.keyring)
    assert verify(place.volume.path_of(writer.name), place.keyring, deep=True).is_good
    writer.abandon()


def test_plaintext_is_init_and_every_payload(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    with SegmentReader.open(place.closed(3)) as reader:
        parts = list(plaintext(reader, place.keyring))
    assert parts == [SETUP.init, *(fragment(number).payload for number in range(3))]


def test_nothing_of_the_payload_is_on_disk(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    writer = place.begin()
    writer.append(replace(fragment(0), payload=b"a face in the crowd " * 10))
    path = place.volume.path_of(writer.close().name)
    assert b"face" not in path.read_bytes()


def test_what_is_durable_follows_the_sync(tmp_path: Path) -> None:
    writer = Place.make(tmp_path).begin()
    writer.append(fragment(0))
    assert writer.durable_bytes == 0
    first = writer.sync()
    assert first == writer.durable == writer.written
    assert (first.fragment_count, first.sample_count, first.end_wall_ns) == (1, 25, START_NS + SECOND_NS)
    writer.append(fragment(1))
    assert writer.durable_bytes == first.size_bytes < writer.written_bytes
    writer.abandon()


def test_calls_go_to_the_disk_in_the_order_of_the_design(tmp_path: Path) -> None:
    disk = FaultyDisk()
    place = Place.make(tmp_path, disk)
    writer = place.begin()
    disk.calls.clear()
    writer.append(fragment(0))
    writer.sync()
    writer.append(fragment(1))
    writer.sync()
    writer.close()
    assert disk.calls == [
        *("write", "sync", "sync_folder"),
        *("write", "sync"),
        *("write", "sync", "make_folder", "make_folder", "move", "sync_folder", "sync_folder"),
    ]


def test_a_disk_that_takes_less_than_it_is_given_gets_the_rest(tmp_path: Path) -> None:
    class Slow(FaultyDisk):
        def write(self, descriptor: int, parts: Sequence[bytes | memoryview], offset: int) -> int:
            data = b"".join(parts)
            return os.pwrite(descriptor, data[:7], offset)

    place = Place.make(tmp_path, Slow())
    assert verify(place.closed(3), place.keyring, deep=True).is_good


@pytest.mark.parametrize(
    ("call", "code", "kind", "text"),
    [
        ("write", errno.ENOSPC, DiskFullError, "no room was left"),
        ("write", errno.EDQUOT, DiskFullError, "no room was left"),
        ("write", errno.EIO, VolumeError, "replace the disk"),
        ("write", errno.EROFS, VolumeError, "mounted read-only"),
        ("write", errno.EFBIG, VolumeError, "ulimit -f"),
    ],
)
def test_a_failed_write_leaves_whole_fragments_only(
    tmp_path: Path, call: str, code: int, kind: type[VolumeError], text: str
) -> None:
    disk = FaultyDisk(torn_bytes=50)
    place = Place.make(tmp_path, disk)
    writer = place.begin()
    writer.append(fragment(0))
    disk.failing = {call: code}
    with pytest.raises(kind, match=text):
        writer.append(fragment(1))
    assert place.volume.path_of(writer.name).stat().st_size == writer.written_bytes
    disk.failing = {}
    with pytest.raises(VolumeError, match="begin another segment"):
        writer.append(fragment(1))
    closed = writer.close()
    assert closed.fragment_count == 1
    assert verify(place.volume.path_of(closed.name), place.keyring, deep=True).is_good


def test_a_torn_end_that_could_not_be_cut_is_cut_when_the_file_is_closed(tmp_path: Path) -> None:
    disk = FaultyDisk(torn_bytes=100)
    place = Place.make(tmp_path, disk)
    writer = place.begin()
    writer.append(fragment(0))
    disk.failing = {"write": errno.EIO, "truncate": errno.EIO}
    with pytest.raises(VolumeError):
        writer.append(fragment(1, size_bytes=3000))
    path = place.volume.path_of(writer.name)
    assert path.stat().st_size == writer.written_bytes + 100
    with SegmentReader.open(path) as reader:
        assert len(reader) == 1
    disk.failing = {}
    assert verify(place.volume.path_of(writer.close().name), place.keyring, deep=True).is_good


def test_after_a_failed_sync_nothing_more_is_called_durable(tmp_path: Path) -> None:
    disk = FaultyDisk()
    place = Place.make(tmp_path, disk)
    writer = place.begin()
    writer.append(fragment(0))
    durable = writer.sync()
    writer.append(fragment(1))
    disk.failing = {"sync": errno.EIO}
    with pytest.raises(VolumeError, match="made durable"):
        writer.sync()
    disk.failing = {}
    with pytest.raises(VolumeError, match="earlier sync"):
        writer.append(fragment(2))
    with pytest.raises(VolumeError, match="earlier sync"):
        writer.sync()
    with pytest.raises(SegmentError, match="abandon"):
        writer.close()
    assert writer.durable == durable
    writer.abandon()
    recovered = recover(place.volume, writer.name, place.keyring)
    assert recovered is not None
    assert recovered.fragment_count == 2


@pytest.mark.parametrize("call", ["write", "sync", "move", "sync_folder"])
def test_a_failed_close_loses_nothing(tmp_path: Path, call: str) -> None:
    disk = FaultyDisk(torn_bytes=30)
    place = Place.make(tmp_path, disk)
    writer = place.begin()
    writer.append(fragment(0))
    writer.append(fragment(1))
    writer.sync()
    disk.failing = {call: errno.ENOSPC}
    with pytest.raises(DiskFullError):
        writer.close()
    writer.abandon()
    disk.failing = {}
    recovered = recover(place.volume, writer.name, place.keyring)
    assert recovered is not None
    assert recovered.fragment_count == 2
    assert verify(place.volume.path_of(writer.name), place.keyring, deep=True).is_good


def test_a_segment_that_cannot_be_begun_leaves_no_file(tmp_path: Path) -> None:
    for call in ("create", "write", "link", "sync"):
        disk = FaultyDisk(failing={call: errno.EIO})
        with pytest.raises(VolumeError):
            Place.make(tmp_path, disk).begin()
        assert list((tmp_path / "open").iterdir()) == []


def test_an_abandoned_segment_without_a_fragment_is_removed(tmp_path: Path) -> None:
    writer = Place.make(tmp_path).begin()
    with pytest.raises(SegmentError, match="holds no fragment"):
        writer.close()
    writer.abandon()
    assert list((tmp_path / "open").iterdir()) == []
    with pytest.raises(VolumeError):
        writer.append(fragment(0))
    with pytest.raises(VolumeError):
        writer.sync()


def test_a_name_is_never_used_twice(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    writer = place.begin()
    with pytest.raises(SegmentError, match="there already"):
        place.begin()
    writer.append(fragment(0))
    writer.close()
    with pytest.raises(SegmentError, match="there already"):
        place.begin()


@pytest.mark.parametrize(
    "change",
    [
        {"duration_90k": 0},
        {"sample_count": 0},
        {"end_wall_ns": START_NS - 1},
        {"gap": Gap(0, GapCause.DISK)},
        {"start_90k": 1 << 63},
    ],
)
def test_a_fragment_that_cannot_be_stored_is_refused_and_the_segment_goes_on(
    tmp_path: Path, change: dict[str, object]
) -> None:
    place = Place.make(tmp_path)
    writer = place.begin()
    good = fragment(0)
    with pytest.raises(SegmentError):
        writer.append(replace(good, header=replace(good.header, **change)))  # type: ignore[arg-type]  # by name
    with pytest.raises(SegmentError, match="outside 1 to"):
        writer.append(replace(good, payload=b""))
    writer.append(good)
    assert verify(place.volume.path_of(writer.close().name), place.keyring, deep=True).is_good


@pytest.mark.parametrize("change", [{"codec": "avc3 x"}, {"width": 0}, {"height": 70_000}, {"init": bytes(300_000)}])
def test_a_setup_that_cannot_be_stored_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    place = Place.make(tmp_path)
    with pytest.raises(SegmentError):
        type(place.begin(START_NS + 1)).create(
            place.volume,
            KEY,
            epoch=EPOCH,
            start_wall_ns=START_NS,
            created_wall_ns=START_NS,
            setup=replace(SETUP, **change),  # type: ignore[arg-type]  # by name
            keyring=place.keyring,
        )
    assert len(list((tmp_path / "open").iterdir())) == 1


def test_without_the_day_key_nothing_opens(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    path = place.closed()
    with SegmentReader.open(path) as reader, pytest.raises(SealError):
        reader.read(0, Place.make(tmp_path, secret=b"x" * 32).keyring)
    place.keyring.destroy(tmp_path, KEY.camera, reader.header.key_day)
    with SegmentReader.open(path) as reader:
        assert len(reader.headers()) == 3
        with pytest.raises(KeyMissingError):
            reader.read(0, place.keyring)


_LIMITED = """
import resource, sys
from pathlib import Path
from civicam.core.errors import VolumeError
from tests.fakes.segments import Place, fragment
place = Place.make(Path(sys.argv[1]))
writer = place.begin()
writer.append(fragment(0))
resource.setrlimit(resource.RLIMIT_FSIZE, (writer.written_bytes + 1000, resource.RLIM_INFINITY))
try:
    writer.append(fragment(1, size_bytes=5000))
except VolumeError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(place.volume.path_of(writer.name).stat().st_size == writer.written_bytes, writer.close().fragment_count)
"""


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY, reason="the file size is limited already"
)
def test_a_write_that_the_kernel_cuts_short_is_taken_back(tmp_path: Path) -> None:
    """A real half-written fragment: the file may not grow past a limit that lies within it."""
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    message, outcome = done.stdout.splitlines()
    assert "ulimit -f" in message
    assert outcome == "True 1"
