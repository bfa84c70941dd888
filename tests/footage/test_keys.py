"""Day keys: made once, found again, destroyed for good."""

import errno
import threading
from pathlib import Path

import pytest

from civicam.core.citykey import CityKey
from civicam.core.errors import DiskFullError, KeyMissingError, SealError, VolumeError
from civicam.core.ids import CameraId
from civicam.footage.keys import KeyRing
from civicam.footage.layout import Day, key_path
from tests.fakes.segments import FaultyDisk, PowerCut

CAMERA = CameraId("rudaki-07")
DAY = Day("2026-03-01")


def ring(secret: bytes = b"k" * 32, disk: FaultyDisk | None = None) -> KeyRing:
    return KeyRing(CityKey(secret), disk=disk or FaultyDisk())


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match=r"day\.key"):
        ring().find(tmp_path, CAMERA, DAY)
    key = ring().day_key(tmp_path, CAMERA, DAY)
    assert len(key) == 32
    assert ring().day_key(tmp_path, CAMERA, DAY) == key == ring().find(tmp_path, CAMERA, DAY)
    stored = key_path(tmp_path, CAMERA, DAY)
    assert stored.stat().st_size == 60
    assert key not in stored.read_bytes()
    assert [entry.name for entry in stored.parent.iterdir()] == ["day.key"]


def test_each_camera_and_day_has_its_own_key(tmp_path: Path) -> None:
    keys = {
        ring().day_key(tmp_path, camera, day)
        for camera in (CAMERA, CameraId("rudaki-08"))
        for day in (DAY, Day("2026-03-02"))
    }
    assert len(keys) == 4


def test_a_key_opens_for_its_own_camera_and_day_only(tmp_path: Path) -> None:
    ring().day_key(tmp_path, CAMERA, DAY)
    other = key_path(tmp_path, CameraId("rudaki-08"), DAY)
    other.parent.mkdir(parents=True)
    other.write_bytes(key_path(tmp_path, CAMERA, DAY).read_bytes())
    with pytest.raises(SealError):
        ring().find(tmp_path, CameraId("rudaki-08"), DAY)


def test_another_citys_key_neither_opens_nor_replaces_it(tmp_path: Path) -> None:
    ring().day_key(tmp_path, CAMERA, DAY)
    before = key_path(tmp_path, CAMERA, DAY).read_bytes()
    with pytest.raises(SealError, match=r"city\.key"):
        ring(b"x" * 32).day_key(tmp_path, CAMERA, DAY)
    assert key_path(tmp_path, CAMERA, DAY).read_bytes() == before


@pytest.mark.parametrize("change", [b"", b"x" * 59, b"x" * 60, b"x" * 61])
def test_a_broken_key_file_is_said_to_be_broken_and_kept(tmp_path: Path, change: bytes) -> None:
    ring().day_key(tmp_path, CAMERA, DAY)
    key_path(tmp_path, CAMERA, DAY).write_bytes(change)
    with pytest.raises(SealError):
        ring().day_key(tmp_path, CAMERA, DAY)
    assert key_path(tmp_path, CAMERA, DAY).read_bytes() == change


def test_many_at_once_get_the_same_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        found.append(ring().day_key(tmp_path, CAMERA, DAY))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_destroyed_key_is_gone_for_everybody(tmp_path: Path) -> None:
    reader = ring()
    reader.day_key(tmp_path, CAMERA, DAY)
    assert ring().destroy(tmp_path, CAMERA, DAY)
    assert not ring().destroy(tmp_path, CAMERA, DAY)
    with pytest.raises(KeyMissingError):
        reader.find(tmp_path, CAMERA, DAY)
    assert list(key_path(tmp_path, CAMERA, DAY).parent.iterdir()) == []


def test_a_crash_at_any_call_leaves_a_whole_key_or_none(tmp_path: Path) -> None:
    cut_at = 0
    while True:
        root = tmp_path / str(cut_at)
        root.mkdir()
        disk = FaultyDisk(cut_at=cut_at, torn_bytes=20)
        try:
            key = ring(disk=disk).day_key(root, CAMERA, DAY)
        except PowerCut:
            again = ring().day_key(root, CAMERA, DAY)
            assert ring().find(root, CAMERA, DAY) == again
            cut_at += 1
            continue
        assert ring().find(root, CAMERA, DAY) == key
        break
    assert cut_at == len(disk.calls) > 6


def test_a_crash_while_destroying_leaves_the_key_whole_or_not_found(tmp_path: Path) -> None:
    cut_at = 0
    while True:
        root = tmp_path / str(cut_at)
        root.mkdir()
        key = ring().day_key(root, CAMERA, DAY)
        try:
            ring(disk=FaultyDisk(cut_at=cut_at, torn_bytes=7)).destroy(root, CAMERA, DAY)
        except PowerCut:
            try:
                assert ring().find(root, CAMERA, DAY) == key
                assert cut_at == 0
            except KeyMissingError:
                assert cut_at > 0
            cut_at += 1
            continue
        break
    assert cut_at > 4


@pytest.mark.parametrize(
    ("call", "code", "kind"), [("write", errno.ENOSPC, DiskFullError), ("link", errno.EROFS, VolumeError)]
)
def test_a_key_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, call: str, code: int, kind: type[VolumeError]
) -> None:
    with pytest.raises(kind, match="day's key was made"):
        ring(disk=FaultyDisk(failing={call: code})).day_key(tmp_path, CAMERA, DAY)
    assert list(key_path(tmp_path, CAMERA, DAY).parent.iterdir()) == []


def test_a_key_that_is_not_durable_is_not_used(tmp_path: Path) -> None:
    """Otherwise footage would be sealed under a key that the next power cut takes away."""
    ring().day_key(tmp_path, CAMERA, Day("2026-02-28"))
    key_path(tmp_path, CAMERA, DAY).parent.mkdir()
    with pytest.raises(VolumeError):
        ring(disk=FaultyDisk(failing={"sync_folder": errno.EIO})).day_key(tmp_path, CAMERA, DAY)
    with pytest.raises(KeyMissingError):
        ring().find(tmp_path, CAMERA, DAY)
