"""Background models on disk: small, sealed, one file a camera and moment, for footage of any time."""

import os
import threading
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path

from civicam.core.citykey import CityKey
from civicam.core.errors import RedactionError, SealError
from civicam.core.ids import CameraId

MOST_MODEL_BYTES = 32 << 20
"""Larger files are no models."""

_BEFORE_NS = 24 * 3600 * 1_000_000_000
_AFTER_NS = 600 * 1_000_000_000
_MAGIC = b"civm\x01"
_SUFFIX = ".model"
_DIGITS = 20


class ModelStore:
    """Keeps the models of a city's cameras under `root`. Any thread may call it.

    A file is `<camera>/<wall_ns, 20 digits>.model`: five bytes that say what it is, and the model, wrapped by the
    city's key for this camera and moment alone.

    Attributes:
        damaged: files that were found altered, cut off or foreign; each counts as none.
    """

    def __init__(self, root: Path, city_key: CityKey) -> None:
        self.damaged = 0
        self._root = root
        self._key = city_key
        self._lock = threading.Lock()

    def save(self, camera: CameraId, wall_ns: int, model: bytes) -> None:
        """Keeps what a camera's model was at `wall_ns`; the file is whole or not there.

        Raises:
            RedactionError: it is too large, or cannot be written.
        """
        if len(model) > MOST_MODEL_BYTES or not 0 <= wall_ns < 10**_DIGITS:
            raise RedactionError("a background model cannot be kept: it is too large, or of no time", where=camera)
        path = self._path(camera, wall_ns)
        fresh = path.with_suffix(f".{threading.get_ident()}.new")
        data = _MAGIC + self._key.wrap(model, _context(camera, wall_ns))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fdatasync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink()
            raise RedactionError(f"a background model cannot be kept: {error.strerror}", where=str(path)) from error

    def load(self, camera: CameraId, wall_ns: int) -> bytes:
        """The model that was saved for exactly `wall_ns`.

        Raises:
            RedactionError: there is none, or it was altered.
        """
        path = self._path(camera, wall_ns)
        try:
            if path.stat().st_size > MOST_MODEL_BYTES + 64:
                raise RedactionError("a background model is larger than any can be", where=str(path))
            data = path.read_bytes()
        except OSError as error:
            raise RedactionError(f"a background model cannot be read: {error.strerror}", where=str(path)) from error
        if not data.startswith(_MAGIC):
            raise RedactionError("a file is no background model", where=str(path))
        try:
            return self._key.unwrap(data[len(_MAGIC) :], _context(camera, wall_ns))
        except SealError as error:
            raise RedactionError("a background model was altered", where=str(path), fix="delete the file") from error

    def nearest(self, camera: CameraId, wall_ns: int) -> tuple[int, bytes] | None:
        """The model for pictures of `wall_ns`: the last one before, within a day; else the first within 10 minutes.

        An altered one is passed over and counted.
        """
        moments = self._moments(camera)
        middle = bisect_right(moments, wall_ns)
        before = [moment for moment in reversed(moments[:middle]) if moment >= wall_ns - _BEFORE_NS]
        after = [moment for moment in moments[middle:] if moment <= wall_ns + _AFTER_NS]
        return self._first_whole(camera, before + after)

    def latest(self, camera: CameraId) -> tuple[int, bytes] | None:
        """The newest model that is whole."""
        return self._first_whole(camera, self._moments(camera)[::-1])

    def forget_before(self, wall_ns: int) -> int:
        """Deletes what is older, of all cameras, as footage of that time is; returns how many files went."""
        try:
            cameras = [CameraId(folder.name) for folder in self._root.iterdir()]
        except OSError:
            return 0
        return sum(self.forget(camera, wall_ns) for camera in cameras)

    def forget(self, camera: CameraId, wall_ns: int) -> int:
        """Deletes a camera's older models; returns how many files went. One that cannot be deleted is left."""
        count = 0
        for moment in self._moments(camera):
            if moment >= wall_ns:
                break
            with suppress(OSError):
                self._path(camera, moment).unlink()
                count += 1
        return count

    def _first_whole(self, camera: CameraId, moments: list[int]) -> tuple[int, bytes] | None:
        for moment in moments:
            try:
                return moment, self.load(camera, moment)
            except RedactionError:
                with self._lock:
                    self.damaged += 1
        return None

    def _moments(self, camera: CameraId) -> list[int]:
        """When there is a model of, in order. Files with other names are not ours."""
        try:
            names = [path.name for path in (self._root / camera).iterdir()]
        except OSError:
            return []
        stems = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
        return sorted(int(stem) for stem in stems if len(stem) == _DIGITS and stem.isascii() and stem.isdigit())

    def _path(self, camera: CameraId, wall_ns: int) -> Path:
        return self._root / camera / f"{wall_ns:0{_DIGITS}d}{_SUFFIX}"


def _context(camera: CameraId, wall_ns: int) -> str:
    return f"model:{camera}:{wall_ns}"
