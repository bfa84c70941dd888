"""Writing a segment: fragments sealed and appended, made durable, and the file closed into its day."""

import os
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from civicam.core.citykey import Entropy
from civicam.core.errors import SegmentError, VolumeError
from civicam.core.ids import StreamKey
from civicam.footage.disk import Disk, make_folders, volume_error, volume_errors, write_all
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing, segment_aead
from civicam.footage.layout import OPEN_FOLDER, SegmentName, camera_lock, closed_path, open_path
from civicam.footage.segment import ClosedSegment, Progress, Tally
from civicam.footage.segment_format import (
    SEGMENT_ID_BYTES,
    IndexEntry,
    SegmentHeader,
    SegmentSetup,
    encode_header,
    nonce,
    pack_ending,
    pack_entry,
    pack_fields,
)
from civicam.footage.volume import Volume


class SegmentWriter:
    """A segment on its way to disk. Made by `create`.

    `append` and `sync` may run on two threads at once; nothing else may run beside another call.

    After a write that failed, the file ends with its last whole fragment and takes no more (a second attempt would
    seal other bytes under a nonce that was used): `close` it, or `abandon` it, and begin another. After a sync that
    failed, what is durable is what was durable before: only `abandon` is left, and recovery finds out what the disk
    has.
    """

    def __init__(self, volume: Volume, header: SegmentHeader, aead: AESGCM, descriptor: int) -> None:
        """Takes over `descriptor`, an empty file in `open/`. Use `create`."""
        self.name = header.name
        self._volume = volume
        self._disk: Disk = volume.disk
        self._path = open_path(volume.root, header.name)
        self._descriptor = descriptor
        self._aead = aead
        self._header = encode_header(header)
        self._header_digest = sha256(self._header).digest()
        self._entries = bytearray()
        self._tally = Tally(header.name, len(self._header))
        self._durable = Progress(0, header.name.start_wall_ns, 0, 0)
        self._is_listed = False
        self._refusal = ""
        self._is_sync_failed = False

    @classmethod
    def create(
        cls,
        volume: Volume,
        key: StreamKey,
        *,
        epoch: int,
        start_wall_ns: int,
        created_wall_ns: int,
        setup: SegmentSetup,
        keyring: KeyRing,
        entropy: Entropy = os.urandom,
    ) -> "SegmentWriter":
        """Begins a segment in the volume's `open/`, and writes its header.

        Args:
            volume: where.
            key: whose footage.
            epoch: which start of the recorder this is (wall nanoseconds).
            start_wall_ns: when the first fragment starts.
            created_wall_ns: now.
            setup: what a player needs.
            keyring: finds or makes the day's key.
            entropy: where the segment's id comes from; two equal ids on one camera and day would break the seal.

        Raises:
            DiskFullError: the volume's reserve is touched, or no room is left.
            VolumeError: the volume cannot be written.
            SegmentError: the setup is not storable, or a segment of that name is there already.
            SealError: the day's key does not open.
        """
        name = SegmentName.make(key, start_wall_ns, epoch)
        header = SegmentHeader(name, entropy(SEGMENT_ID_BYTES), created_wall_ns, setup, name.day)
        encode_header(header)  # refuses what is not storable before anything is made
        volume.require_room()
        path = open_path(volume.root, name)
        with volume_errors("a segment was begun", path):
            make_folders(volume.disk, volume.root, name.camera)
            with camera_lock(volume.root, name.camera):
                descriptor = _new_file(volume, name)
                try:
                    day_key = keyring.day_key(volume.root, name.camera, name.day)
                    writer = cls(volume, header, segment_aead(day_key, header.segment_id), descriptor)
                    # Tells everybody, for as long as this process lives, that the file is being written.
                    flock(descriptor, LOCK_EX)
                    write_all(volume.disk, descriptor, (writer._header,), 0)
                except BaseException:
                    os.close(descriptor)
                    volume.disk.remove(path)
                    raise
        return writer

    @property
    def written(self) -> Progress:
        """What was appended."""
        return self._tally.progress

    @property
    def durable(self) -> Progress:
        """What of it a power cut cannot take away: all that the catalogue may be told."""
        return self._durable

    @property
    def written_bytes(self) -> int:
        """The file's size up to its last whole fragment."""
        return self._tally.progress.size_bytes

    @property
    def durable_bytes(self) -> int:
        """How many of them a power cut cannot take away."""
        return self._durable.size_bytes

    def append(self, fragment: Fragment) -> int:
        """Seals and writes a fragment; returns the bytes that took.

        Raises:
            DiskFullError, VolumeError: it is not in the file; see the class for what is left to do.
            SegmentError: the fragment is not storable; the file is as it was, and goes on.
        """
        if self._refusal:
            raise VolumeError(self._refusal, where=str(self._path), fix="begin another segment")
        progress = self._tally.progress
        payload = fragment.payload
        fields = pack_fields(progress.fragment_count, len(payload), fragment.header)
        sealed = self._aead.encrypt(nonce(progress.fragment_count), payload, self._header_digest + fields)
        try:
            size_bytes = write_all(self._disk, self._descriptor, (fields, sealed), progress.size_bytes)
        except OSError as error:
            self._refusal = "an earlier write to this segment failed"
            self._cut_back()
            raise volume_error(error, "a fragment was written", self._path) from error
        digest = sha256(fields)
        digest.update(sealed)
        self._entries += pack_entry(IndexEntry(progress.size_bytes, digest.digest()))
        self._tally.add(fragment.header, size_bytes)
        return size_bytes

    def sync(self) -> Progress:
        """Makes what was appended before this call durable; returns what is durable now.

        Raises:
            VolumeError: it is not; see the class.
        """
        if self._is_sync_failed or self._descriptor < 0:
            # The kernel tells of a failed sync once, and calls the next one good.
            raise VolumeError(self._refusal, where=str(self._path), fix="begin another segment")
        progress = self._tally.progress
        try:
            self._disk.sync(self._descriptor)
            if not self._is_listed:
                self._disk.sync_folder(self._path.parent)
                self._is_listed = True
        except OSError as error:
            self._is_sync_failed = True
            self._refusal = "an earlier sync of this segment failed"
            raise volume_error(error, "a segment was made durable", self._path) from error
        self._durable = progress
        return progress

    def close(self) -> ClosedSegment:
        """Writes index and trailer, makes all durable, and moves the file to its day.

        Raises:
            DiskFullError, VolumeError: the file is still in `open/`, with all its whole fragments: `abandon` it.
            SegmentError: it holds no fragment, or a sync failed before: `abandon` it.
        """
        progress = self._tally.progress
        if progress.fragment_count == 0 or self._is_sync_failed:
            why = "a sync of it failed" if self._is_sync_failed else "it holds no fragment"
            raise SegmentError(f"the segment cannot be closed: {why}", where=str(self._path), fix="abandon it")
        with volume_errors("a segment was closed", self._path):
            size_bytes, digest = self._finish(progress.size_bytes)
            move_to_day(self._volume, self.name)
        self._durable = progress
        self._let_go()
        return self._tally.closed(size_bytes, digest)

    def _finish(self, index_offset: int) -> tuple[int, bytes]:
        """Writes what closes the file; returns its size and digest. Raises OSError."""
        try:
            if self._refusal:
                self._disk.truncate(self._descriptor, index_offset)  # a torn end may have stayed
            self._refusal = "the segment was closed"
            return finish(self._disk, self._descriptor, self._header, bytes(self._entries), index_offset)
        except OSError:
            self._cut_back()
            raise

    def abandon(self) -> None:
        """Lets go of the file, which stays in `open/` for recovery; without a fragment, it is removed.

        Raises:
            VolumeError: it cannot be removed; recovery will.
        """
        self._let_go()
        if self._tally.progress.fragment_count == 0:
            with volume_errors("an empty segment was removed", self._path):
                self._disk.remove(self._path)

    def _cut_back(self) -> None:
        """Takes away what a failed write left behind the last whole fragment, if the disk lets us."""
        try:
            self._disk.truncate(self._descriptor, self._tally.progress.size_bytes)
        except OSError:
            return  # a reader stops before the torn end, and recovery cuts it

    def _let_go(self) -> None:
        self._refusal = self._refusal or "the segment was abandoned"
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _new_file(volume: Volume, name: SegmentName) -> int:
    path = open_path(volume.root, name)
    try:
        if closed_path(volume.root, name).exists():
            raise FileExistsError
        return volume.disk.create(path)
    except FileExistsError:
        raise SegmentError(
            "a segment of that name is there already", where=str(path), fix="give each start of a recorder its epoch"
        ) from None


def finish(disk: Disk, descriptor: int, header: bytes, entries: bytes, index_offset: int) -> tuple[int, bytes]:
    """Writes index and trailer behind the last fragment, durably; returns the file's size and digest.

    Args:
        disk: how.
        descriptor: the file, which ends at `index_offset`.
        header: its header, whole.
        entries: `pack_entry` of each fragment, in order.
        index_offset: where the last fragment ends.

    Raises:
        OSError: it could not be written.
    """
    ending, digest = pack_ending(header, entries, index_offset)
    write_all(disk, descriptor, (ending,), index_offset)
    disk.sync(descriptor)
    return index_offset + len(ending), digest


def move_to_day(volume: Volume, name: SegmentName) -> Path:
    """Moves a closed, durable file from `open/` to its day, durably; returns where it is now.

    Raises:
        OSError: it could not be moved; it may be in either place.
    """
    target = closed_path(volume.root, name)
    folder = make_folders(volume.disk, volume.root, name.camera, name.day)
    volume.disk.move(open_path(volume.root, name), target)
    # The new name first, so that a power cut in between never leaves the file without one.
    volume.disk.sync_folder(folder)
    volume.disk.sync_folder(volume.root / OPEN_FOLDER)
    return target
