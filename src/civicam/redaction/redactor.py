"""One camera's pictures, redacted; in doubt all is covered."""

import logging
from collections import OrderedDict

import numpy as np

from civicam.redaction.background import BackgroundModel
from civicam.redaction.cover import FullCovers, cells_touched, cells_within, covered_picture, polygon_cells
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import CELL_PX, CellMask, FullCover, RedactedPicture
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Grid

_log = logging.getLogger(__name__)

_MOST_SIZES = 2
_LEAST_SIDE_PX = 32
_MOST_SIDE_PX = 8192
_BACK_NS = 5_000_000_000


class Redactor:
    """Covers what is not a camera's long-term scene. One thread at a time.

    The scene is learned from every picture that `learn` and `redact` see; both may see the same stream, `redact`
    somewhat later. A picture of another size starts a scene of its own; the last one is kept for when its size returns.

    Args:
        settings: the camera's.
    """

    def __init__(self, settings: RedactionSettings | None = None) -> None:
        self._settings = settings or RedactionSettings()
        self._covers = FullCovers(self._settings.cover_yuv)
        self._models: OrderedDict[tuple[int, int], BackgroundModel] = OrderedDict()
        self._polygons: tuple[tuple[int, int], CellMask, CellMask] | None = None
        self._last_ns: int | None = None

    @property
    def settings(self) -> RedactionSettings:
        """The camera's settings."""
        return self._settings

    @property
    def model(self) -> BackgroundModel | None:
        """The scene of the size seen last; None before the first picture."""
        return next(reversed(self._models.values()), None)

    @property
    def is_warm(self) -> bool:
        """The scene is known."""
        model = self.model
        return model is not None and model.is_warm

    def adopt(self, model: BackgroundModel) -> None:
        """Goes on with a scene that was learned elsewhere, or before."""
        self._keep(model)

    def learn(self, picture: Picture) -> None:
        """Learns from a picture that is not shown. A picture that cannot be used teaches nothing."""
        try:
            if (model := self._model_for(picture)) is not None:
                model.see(picture)
        except Exception:  # noqa: BLE001 - logged; see below
            # It may be anything, and the next one may be well; what is shown is decided in `redact`.
            _log.exception("a picture could not be learned from")

    def redact(self, picture: Picture) -> RedactedPicture:
        """The picture as it may be shown; its planes are its own. Never raises."""
        try:
            return self._redacted(picture)
        except Exception:  # noqa: BLE001 - the one edge that must not raise
            # The one edge at which redaction fails closed: whatever went wrong, nothing of the picture is shown.
            _log.exception("a redaction failed, and all is covered")
            return self._failed(picture)

    def cover_all(self, size: tuple[int, int], reason: FullCover, pts_90k: int, wall_ns: int) -> RedactedPicture:
        """A picture of which nothing is shown but the reason.

        Args:
            size: width and height in luma pixels; 640x360 is taken for a size that no picture can have.
            reason: what is drawn on it.
            pts_90k: its time.
            wall_ns: its time.
        """
        picture = self._covers.make(size, reason, pts_90k, wall_ns, is_key=False)
        return RedactedPicture(picture, np.ones(Grid(*picture.size).cells, np.bool_), reason)

    def _redacted(self, picture: Picture) -> RedactedPicture:
        before, size = self.model, picture.size
        model = self._model_for(picture)
        if model is None:
            return self._failed(picture)
        is_back = self._last_ns is not None and picture.wall_ns < self._last_ns - _BACK_NS
        self._last_ns = picture.wall_ns
        seen = model.see(picture)
        reason = seen.reason
        if is_back:
            reason = reason or FullCover.ERROR
        elif before is not None and before is not model:
            reason = FullCover.SIZE
        if reason is not None:
            return self.cover_all(size, reason, picture.pts_90k, picture.wall_ns)
        masks, always = self._polygon_cells(model.grid)
        shown = cells_within(self._settings.shown, picture.wall_ns, model.grid)
        hidden = cells_touched(self._settings.hidden, picture.wall_ns, model.grid)
        cells = (seen.cells & ~shown) | hidden | always
        return RedactedPicture(covered_picture(picture, cells, masks, self._settings), cells | masks, None)

    def _failed(self, picture: Picture) -> RedactedPicture:
        try:
            size = picture.size
        except (AttributeError, IndexError):  # no plane at all
            size = (0, 0)
        return self.cover_all(size, FullCover.ERROR, picture.pts_90k, picture.wall_ns)

    def _model_for(self, picture: Picture) -> BackgroundModel | None:
        """The model of the picture's size, a new one where there is none; None for what is no picture."""
        if not _is_usable(picture):
            return None
        model = self._models.get(picture.size)
        if model is None:
            model = BackgroundModel(self._settings, Grid(*picture.size))
        self._keep(model)
        return model

    def _keep(self, model: BackgroundModel) -> None:
        size = model.grid.width, model.grid.height
        self._models[size] = model
        self._models.move_to_end(size)
        if len(self._models) > _MOST_SIZES:
            self._models.popitem(last=False)

    def _polygon_cells(self, grid: Grid) -> tuple[CellMask, CellMask]:
        size = grid.width, grid.height
        if self._polygons is None or self._polygons[0] != size:
            settings = self._settings
            self._polygons = size, polygon_cells(settings.masks, grid), polygon_cells(settings.always, grid)
        return self._polygons[1:]


def _is_usable(picture: Picture) -> bool:
    planes = (picture.y, picture.u, picture.v)
    if any(plane.ndim != 2 or plane.dtype != np.uint8 for plane in planes):
        return False
    width, height = picture.size
    if width % 2 or height % 2 or not all(_LEAST_SIDE_PX <= side <= _MOST_SIDE_PX for side in (width, height)):
        return False
    return picture.u.shape == picture.v.shape == (height // 2, width // 2)


assert CELL_PX % 8 == 0  # a cell covers whole chroma samples, and whole units at every factor
