"""Whether a frame that a viewer decoded may have been shown: pixel for pixel against what the camera saw.

In cells that are said to be covered every pixel is the cover's colour, up to what the codec changes. A frame that is
said to be all covered is the covered frame that a redactor without any model makes: it cannot hold anything of the
source. And whatever is said: where the ground truth has somebody or something, decoded pixels are the cover's, but for
what redaction itself may miss; and the number that is drawn into every frame cannot be read.
"""

from dataclasses import dataclass, field

import av
import numpy as np
from numpy.typing import NDArray

from civicam.city.barcode import read_barcode
from civicam.redaction.picture import Picture, Plane
from civicam.redaction.redacted import CELL_PX, CellMask, FullCover, RedactedPicture

Mask = NDArray[np.bool_]

PIXEL_LEVELS = 24
"""How far the codec may move a pixel of a flat cell, edges to uncovered neighbours included: 15 is the most seen."""
CELL_LEVELS = 10.0
"""The same for a cell's mean, 7.5 is the most seen: a trace of a tenth of the source's contrast is above it."""
FRAME_LEVELS = 1.0
"""The same for the mean of a frame that is all covered, letters and their edges included: 0.06 is the most seen."""
MOST_SEEN_SHARE = 0.10
"""An object of which more is seen counts as seen; thin edges of mixed pixels do not."""
LEAST_OBJECT_PX = 24
"""Of what is smaller (a speck of 5 pixels square in 480x272) it is only counted what all of it together shows."""
MOST_SEEN_FRAMES = 3
"""For so many frames (200 ms) redaction may be late for one object: who enters shows a sleeve first."""
MOST_SEEN_OF_ALL = 0.03
"""So much of all objects' pixels together, in no frame more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A decoded frame, planes as in `Picture`."""

    y: Plane
    u: Plane
    v: Plane


def seen(frame: av.VideoFrame) -> Seen:
    """Copies a decoded frame's planes."""
    height, width = frame.height, frame.width
    stacked = np.asarray(frame.to_ndarray(), np.uint8)
    chroma = stacked[height:].reshape(2, height // 2, width // 2)
    return Seen(stacked[:height], chroma[0], chroma[1])


@dataclass
class Checker:
    """Judges frames.

    Attributes:
        cover_yuv: the flat cover's colour.
        frames: how many were judged.
        full: how many of them were all covered.
        reasons: the same by why.
        objects: how many objects were looked at in the others.
        object_px: their pixels.
        exposed_px: those that were not covered.
        open_share: of the others' pixels, how many were not covered, on average.
        most_of_all: the share of all objects' pixels that was seen in one frame, at most.
        longest_seen: for how many frames on end an object was seen, at most.
        faults: what was found.
    """

    cover_yuv: tuple[int, int, int]
    frames: int = 0
    full: int = 0
    objects: int = 0
    object_px: int = 0
    exposed_px: int = 0
    reasons: dict[FullCover, int] = field(default_factory=dict)
    open_px: int = 0
    px: int = 0
    most_of_all: float = 0.0
    longest_seen: int = 0
    faults: list[str] = field(default_factory=list)
    _seen_for: dict[int, int] = field(default_factory=dict)

    @property
    def open_share(self) -> float:
        """See the class."""
        return self.open_px / max(1, self.px)

    def judge(
        self, shown: Seen, given: RedactedPicture, blank: RedactedPicture | None, ids: NDArray[np.uint16]
    ) -> bool:
        """Whether `shown` may have been.

        Args:
            shown: what the viewer decoded.
            given: what was said of it: which cells are covered, and why.
            blank: the covered frame of its size and reason that holds nothing of any source; None where not all of it
                is said to be covered.
            ids: the ground truth: whose pixel each is, 0 for nobody's.
        """
        self.frames += 1
        if given.reason is not None:
            assert blank is not None
            self.full += 1
            self.reasons[given.reason] = self.reasons.get(given.reason, 0) + 1
            faults = self._judge_full(shown, blank.picture)
        else:
            faults = [*self._judge_cells(shown, given.covered), *self._judge_objects(shown, ids)]
            if read_barcode(shown.y) is not None:
                faults.append("the frame's number can be read")
        self.faults += faults
        return not faults

    def _judge_full(self, shown: Seen, blank: Picture) -> list[str]:
        far = [_far(shown.y, blank.y), _far(shown.u, blank.u), _far(shown.v, blank.v)]
        flat = [far[0][blank.y == self.cover_yuv[0]], *far[1:]]  # letters have hard edges, which the codec rounds
        most, mean = max(int(one.max()) for one in flat), max(float(one.mean()) for one in far)
        if most > PIXEL_LEVELS or mean > FRAME_LEVELS:
            return [f"a full cover differs by {most} levels, {mean:.1f} on average"]
        return []

    def _judge_cells(self, shown: Seen, covered: CellMask) -> list[str]:
        if not covered.any():
            return []
        y, u, v = self.cover_yuv
        far = np.maximum(_far(shown.y, y), _doubled(np.maximum(_far(shown.u, u), _far(shown.v, v))))
        within = pixels(covered, *shown.y.shape)
        starts = [np.arange(0, length, CELL_PX) for length in shown.y.shape]
        sums = np.add.reduceat(np.add.reduceat(far * within, starts[0], axis=0, dtype=np.int64), starts[1], axis=1)
        most, mean = int(far[within].max()), float(sums[covered].max()) / CELL_PX**2
        if most > PIXEL_LEVELS or mean > CELL_LEVELS:
            return [f"covered cells differ from the cover by {most} levels, one by {mean:.1f} on average"]
        return []

    def _judge_objects(self, shown: Seen, ids: NDArray[np.uint16]) -> list[str]:
        bare = ~self.is_cover(shown)
        self.open_px += int(np.count_nonzero(bare))
        self.px += bare.size
        sizes = np.bincount(ids.ravel())
        exposed = np.bincount(ids[bare], minlength=len(sizes))
        sizes[0] = exposed[0] = 0
        self.objects += int(np.count_nonzero(sizes))
        self.object_px += int(sizes.sum())
        self.exposed_px += int(exposed.sum())
        seen_now = np.flatnonzero((sizes >= LEAST_OBJECT_PX) & (exposed > MOST_SEEN_SHARE * sizes)).tolist()
        self._seen_for = {identity: self._seen_for.get(identity, 0) + 1 for identity in seen_now}
        self.longest_seen = max([self.longest_seen, *self._seen_for.values()])
        faults = [
            f"object {identity} is seen for {frames} frames: now {exposed[identity]} of {sizes[identity]} pixels"
            for identity, frames in self._seen_for.items()
            if frames > MOST_SEEN_FRAMES
        ]
        self.most_of_all = max(self.most_of_all, float(exposed.sum() / max(1, sizes.sum())))
        if exposed.sum() > MOST_SEEN_OF_ALL * sizes.sum():
            faults.append(f"{exposed.sum()} of {sizes.sum()} pixels of objects are seen")
        return faults

    def is_cover(self, shown: Seen) -> Mask:
        """Which luma pixels have the cover's colour."""
        y, u, v = self.cover_yuv
        chroma = np.maximum(_far(shown.u, u), _far(shown.v, v))
        mask: Mask = np.maximum(_far(shown.y, y), _doubled(chroma)) <= PIXEL_LEVELS
        return mask


def pixels(cells: CellMask, height: int, width: int) -> Mask:
    """The luma pixels of `cells`."""
    mask: Mask = cells.repeat(CELL_PX, 0).repeat(CELL_PX, 1)[:height, :width]
    return mask


def _doubled(plane: NDArray[np.int16]) -> NDArray[np.int16]:
    return plane.repeat(2, 0).repeat(2, 1)


def _far(one: Plane, other: Plane | int) -> NDArray[np.int16]:
    far: NDArray[np.int16] = np.abs(one.astype(np.int16) - other)
    return far
