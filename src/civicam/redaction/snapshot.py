"""A background model as bytes, so that it survives a restart and can be kept with the footage of its time.

offset  bytes  what
0       4      "CVBG"
4       2      version, 2; all numbers are little-endian
6       2      width in luma pixels
8       2      height in luma pixels
10      4      CRC-32 of all that follows
14      4      length of what follows when it is unpacked
18             zlib: means (fine, coarse) as 1/256 steps in 16 bits; deviations (fine, coarse) as 1/8 steps in 8 bits;
               what may become scene (fine, coarse) in 8 bits; its seconds by cells in 32 bits
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from civicam.core.errors import RedactionError
from civicam.redaction.background import BackgroundModel, Scene
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Float, Grid

_HEAD = struct.Struct("<4sHHHII")
_MAGIC, _VERSION = b"CVBG", 2
_LEAST_SIDE_PX, _MOST_SIDE_PX = 32, 8192
MOST_BYTES = 32 << 20
"""A snapshot is never larger, packed or unpacked."""


def to_bytes(model: BackgroundModel) -> bytes:
    """Returns the model's scene.

    Raises:
        RedactionError: the model is cold: there is nothing to keep.
    """
    scene = model.scene
    if scene is None:
        raise RedactionError("a scene that is not known yet cannot be kept", fix="wait until the model is warm")
    parts = [
        *(np.rint(np.clip(mean, 0, 255) * 256).astype("<u2") for mean in (scene.fine, scene.coarse)),
        *(_deviation(values) for values in (scene.fine_deviation, scene.coarse_deviation)),
        scene.stays_fine,
        scene.stays_coarse,
        np.rint(np.clip(scene.stays_s, 0, 4e9)).astype("<u4"),
    ]
    plain = b"".join(part.tobytes() for part in parts)
    packed = zlib.compress(plain, 1)
    grid = model.grid
    return _HEAD.pack(_MAGIC, _VERSION, grid.width, grid.height, zlib.crc32(packed), len(plain)) + packed


def from_bytes(data: bytes, settings: RedactionSettings) -> BackgroundModel:
    """Returns a warm model with the scene that `to_bytes` gave.

    Raises:
        RedactionError: it is anything else: damaged, cut off, of another version, or too large.
    """
    if not _HEAD.size <= len(data) <= MOST_BYTES:
        raise _wrong(f"{len(data)} bytes are not the length of a scene")
    magic, version, width, height, crc, length = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise _wrong(f"a scene of version {_VERSION} does not begin with {data[:6].hex()}")
    if any(side % 2 or not _LEAST_SIDE_PX <= side <= _MOST_SIDE_PX for side in (width, height)):
        raise _wrong(f"no picture is {width}x{height}")
    grid = Grid(width, height)
    packed = data[_HEAD.size :]
    if length != sum(_sizes(grid)) or length > MOST_BYTES or zlib.crc32(packed) != crc:
        raise _wrong("the bytes are damaged or cut off")
    return BackgroundModel(settings, grid, _scene(_unpacked(packed, length), grid))


def _deviation(values: Float) -> NDArray[np.uint8]:
    return np.rint(np.clip(values * 8, 0, 255)).astype(np.uint8)


def _wrong(what: str) -> RedactionError:
    return RedactionError(what, where="background model", fix="delete it; the scene is learned anew")


def _sizes(grid: Grid) -> tuple[int, ...]:
    fine, coarse = int(np.prod(grid.fine)), 3 * int(np.prod(grid.units))
    return 2 * fine, 2 * coarse, fine, coarse, fine, coarse, 4 * int(np.prod(grid.cells))


def _unpacked(packed: bytes, length: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(packed, length + 1)
    except zlib.error as error:
        raise _wrong("the bytes cannot be unpacked") from error
    if len(plain) != length or unpacker.unconsumed_tail or unpacker.unused_data or not unpacker.eof:
        raise _wrong("the bytes do not unpack to a scene")
    return plain


def _scene(plain: bytes, grid: Grid) -> Scene:
    ends = np.cumsum(_sizes(grid)).tolist()
    parts = [plain[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    fine, coarse = grid.fine, (3, *grid.units)
    return Scene(
        fine=_floats(parts[0], "<u2", 256).reshape(fine),
        coarse=_floats(parts[1], "<u2", 256).reshape(coarse),
        fine_deviation=_floats(parts[2], "u1", 8).reshape(fine),
        coarse_deviation=_floats(parts[3], "u1", 8).reshape(coarse),
        stays_fine=np.frombuffer(parts[4], np.uint8).reshape(fine).copy(),
        stays_coarse=np.frombuffer(parts[5], np.uint8).reshape(coarse).copy(),
        stays_s=_floats(parts[6], "<u4", 1).reshape(grid.cells),
    )


def _floats(data: bytes, kind: str, steps: int) -> Float:
    values: Float = np.frombuffer(data, kind).astype(np.float32) * np.float32(1 / steps)
    return values
