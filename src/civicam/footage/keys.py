"""Data keys: one a camera and day, wrapped by the city's key, and from each one key a segment.

`day.key` is nonce, wrapped key and tag (60 bytes; AES-256-GCM under the city key, context `day:<camera>:<day>`). A
segment's key is HKDF-SHA256 (RFC 5869) of the day key with the segment's id as salt.

Nothing is kept in memory: a segment needs its key once, and reading 60 bytes costs less than a thirtieth of a
millisecond, so that a key destroyed anywhere is gone everywhere at once.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from civicam.core.citykey import KEY_BYTES, CityKey, Entropy
from civicam.core.errors import KeyMissingError, SealError
from civicam.core.ids import CameraId
from civicam.footage.disk import SYSTEM_DISK, Disk, make_folders, volume_error, volume_errors, write_all
from civicam.footage.layout import KEY_FILE, Day, day_folder, key_path

WRAPPED_KEY_BYTES = 12 + KEY_BYTES + 16

_SEGMENT_INFO = b"civicam segment 1"
_DOOMED = f".{KEY_FILE}.destroyed"


class KeyRing:
    """Finds, makes and destroys day keys. May be used by many threads, and by many processes on one volume.

    Args:
        city_key: wraps them.
        entropy: where new ones come from.
        disk: how they are written.
    """

    def __init__(self, city_key: CityKey, entropy: Entropy = os.urandom, disk: Disk = SYSTEM_DISK) -> None:
        self._city_key = city_key
        self._entropy = entropy
        self._disk = disk

    def find(self, volume_root: Path, camera: CameraId, day: Day) -> bytes:
        """The 32 bytes of a camera's key of `day`; only reads.

        Raises:
            KeyMissingError: there is none: destroyed, or never made.
            SealError: it does not open: altered, or wrapped by another city's key.
            VolumeError: it cannot be read.
        """
        path = key_path(volume_root, camera, day)
        try:
            with path.open("rb") as file:
                wrapped = file.read(WRAPPED_KEY_BYTES + 1)
        except FileNotFoundError:
            raise KeyMissingError(
                "the day's key is not there, so its footage cannot be opened",
                where=str(path),
                fix="deleted days stay closed for good; a lost key is in the volume's backup, if anywhere",
            ) from None
        except OSError as error:
            raise volume_error(error, "a day's key was read", path) from error
        if len(wrapped) != WRAPPED_KEY_BYTES:
            raise SealError("the day's key is not 60 bytes long", where=str(path), fix="restore it from a backup")
        key = self._city_key.unwrap(wrapped, _context(camera, day))
        if len(key) != KEY_BYTES:
            raise SealError("the day's key has a wrong length", where=str(path), fix="restore it from a backup")
        return key

    def day_key(self, volume_root: Path, camera: CameraId, day: Day) -> bytes:
        """A camera's key of `day`, made durably if there is none yet. See `find`.

        Raises:
            SealError: there is one, and it does not open. It is never replaced: footage depends on it.
            VolumeError: a new one cannot be written.
        """
        try:
            return self.find(volume_root, camera, day)
        except KeyMissingError:
            pass
        with volume_errors("a day's key was made", key_path(volume_root, camera, day)):
            self._make(volume_root, camera, day)
        return self.find(volume_root, camera, day)

    def _make(self, volume_root: Path, camera: CameraId, day: Day) -> None:
        """Writes a new key, unless somebody else was quicker."""
        folder = make_folders(self._disk, volume_root, camera, day)
        draft = folder / f".{KEY_FILE}.{os.urandom(8).hex()}"
        wrapped = self._city_key.wrap(self._entropy(KEY_BYTES), _context(camera, day))
        descriptor = self._disk.create(draft)
        try:
            try:
                write_all(self._disk, descriptor, (wrapped,), 0)
                self._disk.sync(descriptor)
            finally:
                os.close(descriptor)
            try:
                # Unlike a rename, a link never replaces the key of a quicker process.
                self._disk.link(draft, folder / KEY_FILE)
            except FileExistsError:
                return
            try:
                self._disk.sync_folder(folder)
            except OSError:
                self._disk.remove(folder / KEY_FILE)  # a key that a power cut may take must seal nothing
                raise
        finally:
            self._disk.remove(draft)

    def destroy(self, volume_root: Path, camera: CameraId, day: Day) -> bool:
        """Makes a camera's footage of `day` unreadable for good; False where there was no key. See `destroy_key`.

        Raises:
            VolumeError: the key cannot be removed.
        """
        with volume_errors("a day's key was destroyed", key_path(volume_root, camera, day)):
            return destroy_key(self._disk, volume_root, camera, day)


def destroy_key(disk: Disk, volume_root: Path, camera: CameraId, day: Day) -> bool:
    """Overwrites and removes a day's key, durably; False where there was none.

    Overwriting reaches the bytes on file systems that write in place; on others, and inside flash disks, an old copy
    may last until its block is used again, and is still wrapped by the city's key.

    Raises:
        OSError: the key cannot be removed.
    """
    folder = day_folder(volume_root, camera, day)
    doomed = folder / _DOOMED
    try:
        # Under another name first: whatever happens next, nobody finds a half-overwritten key.
        disk.move(folder / KEY_FILE, doomed)
    except FileNotFoundError:
        return False
    disk.sync_folder(folder)
    descriptor = disk.reopen(doomed)
    try:
        write_all(disk, descriptor, (bytes(WRAPPED_KEY_BYTES),), 0)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    disk.remove(doomed)
    disk.sync_folder(folder)
    return True


def segment_key(day_key: bytes, segment_id: bytes) -> bytes:
    """The key (32 bytes) of the segment with that id (16 bytes), from which no other's and no day's follows."""
    return HKDF(SHA256(), length=KEY_BYTES, salt=segment_id, info=_SEGMENT_INFO).derive(day_key)


def segment_aead(day_key: bytes, segment_id: bytes) -> AESGCM:
    """The cipher that seals the segment with that id (16 bytes)."""
    return AESGCM(segment_key(day_key, segment_id))


def _context(camera: CameraId, day: Day) -> str:
    return f"day:{camera}:{day}"
