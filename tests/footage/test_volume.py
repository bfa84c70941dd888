"""Volumes: room, what lies in them, and deleting."""

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from civicam.core.errors import DiskFullError, KeyMissingError, SegmentError, VolumeError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage.layout import Day, SegmentName
from civicam.footage.recovery import recover
from civicam.footage.verify import verify
from civicam.footage.volume import RoomLevel, Volume
from civicam.footage.writer import SegmentWriter
from tests.fakes.segments import DAY, KEY, SECOND_NS, START_NS, FaultyDisk, Place, PowerCut, fragment

DAY_NS = 86_400 * SECOND_NS
SUB = StreamKey(KEY.camera, StreamName.SUB)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.make(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(writer: SegmentWriter) -> None:
    """Writes until the disk is full."""
    for number in range(100):
        writer.append(fragment(number, size_bytes=30_000))


def name_of(path: Path) -> SegmentName:
    return SegmentName.parse(path.name)


def test_a_volume_is_made_and_tried(tmp_path: Path) -> None:
    volume = Volume("main", tmp_path / "a" / "b", 0)
    volume.prepare()
    volume.prepare()
    volume.probe()
    assert [entry.name for entry in volume.root.iterdir()] == ["open"]
    assert list((volume.root / "open").iterdir()) == []


def test_a_volume_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VolumeError, match="a file is where a folder belongs"):
        Volume("main", tmp_path / "file" / "x", 0).prepare()
    with pytest.raises(VolumeError, match="mounted"):
        Volume("main", tmp_path / "gone", 0).probe()
    with pytest.raises(VolumeError, match="mounted"):
        Volume("main", tmp_path / "gone", 0).room()
    with pytest.raises(VolumeError, match="replace the disk"):
        Place.make(tmp_path, FaultyDisk(failing={"sync": errno.EIO})).volume.probe()
    assert list((tmp_path / "open").iterdir()) == []


def test_room_is_ok_then_low_then_full(tmp_path: Path) -> None:
    free = Volume("main", tmp_path, 0).free_bytes()
    assert free > 0
    assert Volume("main", tmp_path, free // 4).room().level is RoomLevel.OK
    assert Volume("main", tmp_path, int(free * 0.75)).room().level is RoomLevel.LOW
    full = Place.make(tmp_path, reserve_bytes=free * 2)
    assert full.volume.room().level is RoomLevel.FULL
    with pytest.raises(DiskFullError, match="kept in reserve"):
        full.begin()


def test_segments_are_listed_wherever_they_lie(place: Place) -> None:
    paths = [
        place.closed(1, start, key)
        for key in (KEY, SUB, StreamKey(CameraId("open"), StreamName.MAIN))
        for start in (START_NS, START_NS + DAY_NS)
        if key.camera != "open"
    ]
    writer = place.begin(START_NS + 5)
    (place.volume.root / "lost+found").mkdir()
    (place.volume.root / "notes.txt").write_text("x")
    (place.volume.root / KEY.camera / "old").mkdir()
    (place.volume.root / KEY.camera / DAY / "copy of a.civ").write_text("x")
    found = list(place.volume.segments())
    assert found[0] == (writer.name, place.volume.root / "open" / str(writer.name), True)
    assert sorted(each.path for each in found[1:]) == sorted(paths)
    assert {each.name for each in found[1:]} == {name_of(path) for path in paths}
    assert list(place.volume.days()) == [(KEY.camera, DAY), (KEY.camera, "2026-03-02")]
    writer.abandon()


def test_deleting_the_last_segment_of_a_day_destroys_its_key(place: Place) -> None:
    first, second, sub = place.closed(1), place.closed(1, START_NS + 1), place.closed(1, key=SUB)
    tomorrow = place.closed(1, START_NS + DAY_NS)
    size = first.stat().st_size
    assert place.volume.delete(name_of(first)) == size
    assert place.volume.delete(name_of(first)) == 0
    assert place.volume.delete(name_of(sub)) > 0
    assert verify(second, place.keyring, deep=True).is_good
    place.volume.delete(name_of(second))
    assert not second.parent.exists()
    with pytest.raises(KeyMissingError):
        place.keyring.find(place.volume.root, KEY.camera, Day(DAY))
    assert verify(tomorrow, place.keyring, deep=True).is_good
    with pytest.raises(SegmentError):
        place.volume.path_of(name_of(second))


def test_the_key_stays_while_a_segment_of_that_day_is_being_written(place: Place) -> None:
    path = place.closed(1)
    writer = place.begin(START_NS + 1, SUB)
    writer.append(fragment(0))
    place.volume.delete(name_of(path))
    assert not place.volume.drop_empty_day(KEY.camera, Day(DAY))
    assert verify(place.volume.path_of(writer.close().name), place.keyring, deep=True).is_good


def test_deleting_ends_in_the_same_place_wherever_it_crashed(tmp_path: Path) -> None:
    cut_at = 0
    while True:
        place = Place.make(tmp_path / str(cut_at))
        path = place.closed(1)
        crashing = Place.make(place.volume.root, FaultyDisk(cut_at=cut_at, torn_bytes=9))
        try:
            crashing.volume.delete(name_of(path))
        except PowerCut:
            if not path.exists():
                with pytest.raises(KeyMissingError):
                    place.keyring.find(place.volume.root, KEY.camera, Day(DAY))
            place.volume.delete(name_of(path))
            place.volume.drop_empty_day(KEY.camera, Day(DAY))
            assert not path.parent.exists()
            cut_at += 1
            continue
        break
    assert cut_at > 6


def test_a_day_with_somebody_elses_file_keeps_its_folder(place: Place) -> None:
    path = place.closed(1)
    (path.parent / "notes.txt").write_text("x")
    place.volume.delete(name_of(path))
    assert [entry.name for entry in path.parent.iterdir()] == ["notes.txt"]


def test_deleting_and_recording_at_once_never_leaves_footage_without_its_key(place: Place) -> None:
    """The key of a day must not go between a recorder's finding it and its segment's being there."""
    made: list[SegmentName] = []
    stop = threading.Event()

    def delete() -> None:
        while not stop.is_set():
            for found in list(place.volume.segments()):
                if not found.is_open and found.name in made[:-1]:
                    place.volume.delete(found.name)
            place.volume.drop_empty_day(KEY.camera, Day(DAY))

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        for number in range(60):
            writer = place.begin(START_NS + number)
            writer.append(fragment(0))
            made.append(writer.close().name)
            assert verify(place.volume.path_of(made[-1]), place.keyring, deep=True).is_good
    finally:
        stop.set()
        thread.join()


def test_a_disk_that_fills_up_keeps_whole_fragments_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    place = Place.make(small_disk)
    writer = place.begin()
    with pytest.raises(DiskFullError, match="no room was left") as caught:
        fill(writer)
    assert str(small_disk) in caught.value.where
    count = writer.written.fragment_count
    assert count > 3
    assert place.volume.path_of(writer.name).stat().st_size == writer.written_bytes
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, place.volume.free_bytes())
    with pytest.raises(DiskFullError):
        place.begin(START_NS + 1)
    writer.abandon()
    filler.unlink()
    found = recover(place.volume, writer.name, place.keyring)
    assert found is not None
    assert found.fragment_count == count
    path = place.volume.path_of(writer.name)
    assert verify(path, place.keyring, deep=True).is_good
    place.volume.delete(writer.name)
    assert verify(place.closed(3), place.keyring, deep=True).is_good


def test_a_disk_that_turns_read_only_is_said_to_be_so(small_disk: Path) -> None:
    place = Place.make(small_disk)
    path = place.closed(2)
    left = place.begin(START_NS + 1)
    left.append(fragment(0))
    left.abandon()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for attempt in (
        place.volume.probe,
        lambda: place.begin(START_NS + 2),
        lambda: place.volume.delete(name_of(path)),
        lambda: recover(place.volume, left.name, place.keyring),
    ):
        with pytest.raises(VolumeError, match="mounted read-only"):
            attempt()
    assert verify(path, place.keyring, deep=True).is_good
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert recover(place.volume, left.name, place.keyring) is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_another_user_is_said_to_be_so(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    (tmp_path / "open").chmod(0o500)
    with pytest.raises(VolumeError, match="may not write"):
        place.volume.probe()
