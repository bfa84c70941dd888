"""After a crash: segments that were left in `open/` are cut to what is whole and authentic, closed and moved.

Every step can be cut short by another crash and is then done again: until the trailer is durable the file counts as
unclosed, and until it is moved it is looked at as if it were.
"""

import os
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path

from civicam.core.errors import FootageError, SealError, SegmentError
from civicam.footage.disk import make_folders, volume_errors
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, camera_lock, closed_path, open_path
from civicam.footage.reader import SegmentReader
from civicam.footage.segment import ClosedSegment, Tally
from civicam.footage.segment_format import (
    FIELDS_BYTES,
    HEADER_START_BYTES,
    IndexEntry,
    header_json_bytes,
    pack_ending,
    pack_entry,
    parse_fields,
)
from civicam.footage.volume import Volume
from civicam.footage.writer import finish, move_to_day


def unclosed(volume: Volume) -> list[SegmentName]:
    """The segments in `open/` that nobody is writing: what a crash left behind, oldest first.

    Raises:
        VolumeError: the volume cannot be read.
    """
    with volume_errors("the volume was searched", volume.root):
        names = [found.name for found in volume.open_segments() if _is_left_behind(found.path)]
    return sorted(names, key=lambda name: (name.start_wall_ns, str(name)))


def recover(volume: Volume, name: SegmentName, keyring: KeyRing) -> ClosedSegment | None:
    """Finishes a segment that was left in `open/`.

    The first fragment that is cut off or does not open ends it. A segment that is already closed and moved is only
    read, so that recovering twice is recovering once.

    Returns:
        The closed segment; None if there was no whole fragment, and the file is gone.

    Raises:
        SegmentError: it is still being written, is nowhere, or its header is not one: it is left as it is.
        SealError: nothing in it opens: altered, or sealed under another key; it is left as it is.
        KeyMissingError: its day's key is gone; it is left as it is.
        VolumeError: the volume cannot be written.
    """
    path = open_path(volume.root, name)
    with volume_errors("a segment was recovered", path):
        make_folders(volume.disk, volume.root, name.camera)
        with camera_lock(volume.root, name.camera):
            if not path.exists():
                return _moved(volume, name)
            descriptor = volume.disk.reopen(path)
            try:
                _claim(descriptor, path)
                return _recover(volume, name, keyring, descriptor)
            finally:
                os.close(descriptor)


def _moved(volume: Volume, name: SegmentName) -> ClosedSegment:
    """What an earlier recovery made of it."""
    path = closed_path(volume.root, name)
    with SegmentReader.open(path) as reader:
        found = reader.closed_segment()
    # The crash may have come between the move and its becoming durable.
    volume.disk.sync_folder(path.parent)
    volume.disk.sync_folder(open_path(volume.root, name).parent)
    return found


def _recover(volume: Volume, name: SegmentName, keyring: KeyRing, descriptor: int) -> ClosedSegment | None:
    path = open_path(volume.root, name)
    _drop_cache(volume, descriptor)
    if _is_empty(descriptor):
        volume.disk.remove(path)
        return None
    with SegmentReader.open(path) as reader:
        if reader.header.name != name:
            raise SegmentError(f"its header says it is {reader.header.name}", where=str(path), fix="give it its name")
        reader.unlock(keyring)
        tally, entries, fault = _authentic(reader, keyring)
        if tally.progress.fragment_count == 0:
            _refuse_if_anything_is_there(reader, descriptor, fault)
            volume.disk.remove(path)
            return None
        size_bytes, digest = _closed(volume, reader, descriptor, tally.progress.size_bytes, entries)
    move_to_day(volume, name)
    return tally.closed(size_bytes, digest)


def _drop_cache(volume: Volume, descriptor: int) -> None:
    """Lets what is read next come from the disk.

    After a failed sync the memory's copy of the file may be better than the disk's, and is called clean (Linux does
    not try again), so that only dropping it shows what is really there.
    """
    volume.disk.sync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _is_empty(descriptor: int) -> bool:
    """Whether the crash came before the header was in the file."""
    size_bytes = os.fstat(descriptor).st_size
    start = os.pread(descriptor, HEADER_START_BYTES, 0)
    if size_bytes < HEADER_START_BYTES:
        return True
    if not any(start):
        return _is_blank(descriptor, size_bytes)
    try:
        return HEADER_START_BYTES + header_json_bytes(start) > size_bytes
    except SegmentError:
        return False


def _is_blank(descriptor: int, size_bytes: int) -> bool:
    """Whether a file is all zeros: room that a file system gave, and never filled."""
    step = 1 << 20
    return not any(any(os.pread(descriptor, step, at)) for at in range(0, size_bytes, step))


def _authentic(reader: SegmentReader, keyring: KeyRing) -> tuple[Tally, bytes, FootageError | None]:
    """The whole, authentic fragments from the front, their index entries, and what ended them."""
    tally, entries = Tally(reader.header.name, reader.header_bytes), bytearray()
    try:
        for number, (extent, header) in enumerate(reader.walk()):
            _, digest = reader.check(extent, number, keyring)
            entries += pack_entry(IndexEntry(extent.offset, digest))
            tally.add(header, extent.size_bytes)
    except (SegmentError, SealError) as fault:
        return tally, bytes(entries), fault
    return tally, bytes(entries), None


def _refuse_if_anything_is_there(reader: SegmentReader, descriptor: int, fault: FootageError | None) -> None:
    """Raises `fault` unless nothing but the beginning of a first fragment follows the header."""
    fields = os.pread(descriptor, FIELDS_BYTES, reader.header_bytes)
    if fault is None or len(fields) < FIELDS_BYTES or not any(fields):
        return
    try:
        end = reader.header_bytes + parse_fields(fields).size_bytes
    except SegmentError:
        raise fault from None
    if end <= reader.size_bytes:
        raise fault


def _closed(volume: Volume, reader: SegmentReader, descriptor: int, end: int, entries: bytes) -> tuple[int, bytes]:
    """Makes the file a closed one whose fragments reach to `end`; returns its size and digest."""
    ending, digest = pack_ending(reader.raw_header, entries, end)
    size_bytes = end + len(ending)
    if reader.size_bytes == size_bytes and os.pread(descriptor, len(ending), end) == ending:
        return size_bytes, digest  # closed already, and durable since the cache was dropped
    volume.disk.truncate(descriptor, end)
    return finish(volume.disk, descriptor, reader.raw_header, entries, end)


def _claim(descriptor: int, path: Path) -> None:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise SegmentError(
            "the segment is still being written", where=str(path), fix="stop the process that writes it"
        ) from None


def _is_left_behind(path: Path) -> bool:
    """Whether a file in `open/` is there and nobody is writing it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # closed in the meantime
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
