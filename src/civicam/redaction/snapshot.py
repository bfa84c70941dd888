"""A learned scene as bytes and back: what a restart takes up again, and what one redactor hands to another.

NumPy's `.npz` (a zip of arrays), means and deviations in half precision: an eighth of a step of luma is lost, which is
less than any limit. Nothing in it is code; whoever stores it must seal it, for it shows the scene.
"""

import io
import zipfile
from typing import Final

import numpy as np

from civicam.core.errors import RedactionError
from civicam.redaction.background import BackgroundModel, Scene
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Grid

_VERSION: Final = 1
_MOST_SIDE_PX: Final = 8192
_HALVES: Final = ("fine", "fine_deviation", "coarse", "coarse_deviation")
_BYTES: Final = ("stays_fine", "stays_coarse")


def model_to_bytes(model: BackgroundModel) -> bytes | None:
    """What `model` has learned; None while it is cold."""
    scene = model.scene
    if scene is None:
        return None
    arrays = {name: getattr(scene, name).astype(np.float16) for name in _HALVES}
    arrays |= {name: getattr(scene, name) for name in _BYTES}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        head=np.array([_VERSION, model.grid.width, model.grid.height], np.int64),
        stays_s=scene.stays_s.astype(np.float32),
        **arrays,
    )
    return buffer.getvalue()


def model_from_bytes(data: bytes, settings: RedactionSettings) -> BackgroundModel:
    """A model that goes on with what `model_to_bytes` gave.

    Args:
        data: the bytes.
        settings: of the new model.

    Raises:
        RedactionError: the bytes are something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            version, width, height = (int(value) for value in arrays["head"])
            if version != _VERSION or not (0 < width <= _MOST_SIDE_PX and 0 < height <= _MOST_SIDE_PX):
                raise RedactionError(f"a scene of version {version} and {width}x{height} cannot be used")
            grid = Grid(width, height)
            scene = Scene(
                **{name: arrays[name].astype(np.float32) for name in (*_HALVES, "stays_s")},
                **{name: arrays[name].astype(np.uint8) for name in _BYTES},
            )
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise RedactionError(f"these bytes are no learned scene: {error}") from error
    _check(scene, grid)
    return BackgroundModel(settings, grid, scene)


def _check(scene: Scene, grid: Grid) -> None:
    shapes = {
        "fine": grid.fine,
        "fine_deviation": grid.fine,
        "coarse": (3, *grid.units),
        "coarse_deviation": (3, *grid.units),
        "stays_fine": grid.fine,
        "stays_coarse": (3, *grid.units),
        "stays_s": grid.cells,
    }
    for name, shape in shapes.items():
        array = getattr(scene, name)
        if array.shape != shape or not np.isfinite(array).all():
            raise RedactionError(f"a learned scene's {name} is not what pictures of its size have")
