"""After a crash: what was synced is there, what is whole is kept, what is not is not called footage."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from civicam.core.errors import DiskFullError, KeyMissingError, SealError, SegmentError, VolumeError
from civicam.footage.layout import SegmentName, open_path
from civicam.footage.reader import SegmentReader
from civicam.footage.recovery import recover, unclosed
from civicam.footage.verify import verify
from tests.fakes.segments import DAY, EPOCH, KEY, NO_ROOM, START_NS, FaultyDisk, Place, PowerCut, fragment

NAME = SegmentName.make(KEY, START_NS, EPOCH)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.make(tmp_path)


def left_behind(place: Place, count: int = 3) -> tuple[Path, list[int]]:
    """A file in `open/` with `count` fragments that nobody writes, and where its header and each fragment end."""
    writer = place.begin()
    ends = [writer.written_bytes]
    for number in range(count):
        writer.append(fragment(number))
        ends.append(writer.written_bytes)
    path = open_path(place.volume.root, writer.name)
    data = path.read_bytes()
    writer.abandon()
    path.write_bytes(data)
    return path, ends


def assert_recovered(place: Place, count: int) -> None:
    """Exactly the first `count` fragments are there, closed and in their day, and recovering again changes nothing."""
    found = recover(place.volume, NAME, place.keyring)
    assert (found.fragment_count if found else 0) == count
    assert list((place.volume.root / "open").iterdir()) == []
    if found is None:
        return
    path = place.volume.path_of(NAME)
    verdict = verify(path, place.keyring, deep=True)
    assert verdict.problems == []
    assert verdict.segment == found
    with SegmentReader.open(path) as reader:
        assert [reader.read(number, place.keyring) for number in range(count)] == [fragment(n) for n in range(count)]
    assert recover(place.volume, NAME, place.keyring) == found


def test_a_file_cut_off_anywhere_keeps_its_whole_fragments(place: Place) -> None:
    path, ends = left_behind(place)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        assert_recovered(place, max(0, sum(size >= end for end in ends) - 1))
        if place.volume.root.joinpath(KEY.camera, DAY, str(NAME)).exists():
            place.volume.path_of(NAME).unlink()


def test_a_closed_file_cut_off_anywhere_behind_its_fragments_keeps_them_all(place: Place) -> None:
    path, ends = left_behind(place)
    assert_recovered(place, 3)
    closed = place.volume.path_of(NAME)
    whole = closed.read_bytes()
    for size in range(ends[-1], len(whole) + 1):
        closed.unlink()
        path.write_bytes(whole[:size])
        assert_recovered(place, 3)
        assert closed.read_bytes() == whole


@pytest.mark.parametrize("damaged", [1, 2])
def test_the_first_fragment_that_does_not_open_ends_the_file(place: Place, damaged: int) -> None:
    path, ends = left_behind(place, 4)
    data = bytearray(path.read_bytes())
    data[ends[damaged] + 100] ^= 4
    path.write_bytes(data)
    assert_recovered(place, damaged)


def test_rubbish_behind_the_last_fragment_is_cut(place: Place) -> None:
    path, _ = left_behind(place)
    for rubbish in (b"\0" * 5000, random.Random(1).randbytes(5000), b"INDX\0\0\0\3", path.read_bytes()):
        whole = path.read_bytes()
        path.write_bytes(whole + rubbish)
        assert_recovered(place, 3)
        place.volume.path_of(NAME).unlink()
        path.write_bytes(whole)


def test_a_file_in_which_nothing_opens_is_left_alone(place: Place) -> None:
    """It may be all there is, and nobody knows yet why it does not open."""
    path, ends = left_behind(place)
    whole = path.read_bytes()
    for at, kind in ((40, (SealError, SegmentError)), (ends[0] + 2, SegmentError), (ends[0] + 90, SealError)):
        data = bytearray(whole)
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(kind):
            recover(place.volume, NAME, place.keyring)
        assert path.read_bytes() == data
    path.write_bytes(whole)
    with pytest.raises(SealError, match=r"city\.key"):
        recover(place.volume, NAME, Place.make(place.volume.root, secret=b"x" * 32).keyring)
    place.keyring.destroy(place.volume.root, KEY.camera, NAME.day)
    with pytest.raises(KeyMissingError):
        recover(place.volume, NAME, place.keyring)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("size", [0, 5, 4096])
def test_room_that_was_never_filled_is_removed(place: Place, size: int) -> None:
    open_path(place.volume.root, NAME).write_bytes(bytes(size))
    assert recover(place.volume, NAME, place.keyring) is None
    assert unclosed(place.volume) == []


def test_a_file_that_is_none_is_left_alone(place: Place) -> None:
    path = open_path(place.volume.root, NAME)
    path.write_bytes(b"something else entirely")
    with pytest.raises(SegmentError, match="CIVSEG01"):
        recover(place.volume, NAME, place.keyring)
    assert path.exists()


def test_a_segment_under_another_name_is_left_alone(place: Place) -> None:
    path, _ = left_behind(place)
    other = NAME._replace(epoch=EPOCH + 1)
    path.rename(open_path(place.volume.root, other))
    with pytest.raises(SegmentError, match="its header says"):
        recover(place.volume, other, place.keyring)
    assert unclosed(place.volume) == [other]


def test_what_is_nowhere_cannot_be_recovered(place: Place) -> None:
    with pytest.raises(SegmentError):
        recover(place.volume, NAME, place.keyring)


def test_a_segment_that_is_being_written_is_not_touched(place: Place) -> None:
    writer = place.begin()
    writer.append(fragment(0))
    assert unclosed(place.volume) == []
    with pytest.raises(SegmentError, match="still being written"):
        recover(place.volume, NAME, place.keyring)
    writer.append(fragment(1))
    writer.abandon()
    assert unclosed(place.volume) == [NAME]
    assert_recovered(place, 2)


def test_recovery_on_a_full_disk_loses_nothing(place: Place) -> None:
    left_behind(place)
    full = Place.make(place.volume.root, FaultyDisk(failing={"write": NO_ROOM}, torn_bytes=20))
    with pytest.raises(DiskFullError):
        recover(full.volume, NAME, full.keyring)
    assert_recovered(place, 3)


def test_recovery_on_a_failing_disk_says_so(place: Place) -> None:
    left_behind(place)
    for call in ("reopen", "sync", "truncate", "move"):
        bad = Place.make(place.volume.root, FaultyDisk(failing={call: 5}))
        if call == "truncate":
            with open_path(place.volume.root, NAME).open("ab") as file:
                file.write(b"x")
        with pytest.raises(VolumeError):
            recover(bad.volume, NAME, bad.keyring)
    assert_recovered(place, 3)


def record(place: Place, synced: list[int]) -> None:
    """A whole life of a segment; `synced` gets the number of fragments that are durable."""
    writer = place.begin()
    for number in range(4):
        writer.append(fragment(number))
        if number % 2:
            synced.append(writer.sync().fragment_count)
    synced.append(writer.close().fragment_count)


@pytest.mark.parametrize("torn_bytes", [0, 1, 70, 10_000])
def test_a_crash_at_any_call_loses_nothing_that_was_synced(tmp_path: Path, torn_bytes: int) -> None:
    total = len(_calls(tmp_path))
    for cut_at in range(total):
        root = tmp_path / str(cut_at)
        synced = [0]
        disk = FaultyDisk(cut_at=cut_at, torn_bytes=torn_bytes)
        with pytest.raises(PowerCut):
            record(Place.make(root, disk), synced)
        disk.die()
        place = Place.make(root)
        for name in unclosed(place.volume):
            recover(place.volume, name, place.keyring)
        assert list((root / "open").glob("*.civ")) == []
        found = [verify(each.path, place.keyring, deep=True) for each in place.volume.segments()]
        assert [verdict.problems for verdict in found] in ([], [[]])
        assert sum(verdict.good_count for verdict in found) >= synced[-1], cut_at


def _calls(root: Path) -> list[str]:
    disk = FaultyDisk()
    record(Place.make(root / "whole", disk), [])
    assert disk.calls.count("write") == 7
    return disk.calls


@pytest.mark.parametrize("torn_bytes", [0, 1, 60, 10_000])
def test_a_crash_at_any_call_of_recovery_is_recovered_from(tmp_path: Path, torn_bytes: int) -> None:
    cut_at = 0
    while True:
        place = Place.make(tmp_path / str(cut_at))
        path, _ = left_behind(place)
        with path.open("ab") as file:
            file.write(b"FRAG and no more")
        disk = FaultyDisk(cut_at=cut_at, torn_bytes=torn_bytes)
        crashing = Place.make(place.volume.root, disk)
        try:
            recover(crashing.volume, NAME, crashing.keyring)
        except PowerCut:
            assert_recovered(place, 3)
            cut_at += 1
            continue
        break
    assert cut_at == len(disk.calls) >= 8


_RECORDER = """
import sys
from pathlib import Path
from tests.fakes.segments import Place, fragment
writer = Place.make(Path(sys.argv[1])).begin()
for number in range(100_000):
    writer.append(fragment(number, size_bytes=20_000))
    if number % 10 == 9:
        print(writer.sync().fragment_count, flush=True)
"""


@pytest.mark.parametrize("syncs", [1, 3])
def test_a_killed_process_loses_nothing_that_it_called_durable(place: Place, syncs: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RECORDER, str(place.volume.root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(syncs):
            durable = int(process.stdout.readline())
        assert unclosed(place.volume) == []
        os.kill(process.pid, signal.SIGKILL)
        durable = max([durable, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    assert unclosed(place.volume) == [NAME]
    found = recover(place.volume, NAME, place.keyring)
    assert found is not None
    assert found.fragment_count >= durable >= 10 * syncs
    assert verify(place.volume.path_of(NAME), place.keyring, deep=True).is_good
