"""The ground truth beside a simulated stream: what each frame shows, as JSON Lines.

The first line is about the stream: `stream`, `scene`, `width`, `height`, `fps`, `frames`, `barcode_box`. Every further
line is a frame: `frame` (its number, as in its barcode), `time_s` (from the loop's start) and `objects`. An object:

    id                its number, the same for one pass through the loop
    class             car, bus, cyclist or pedestrian
    box               left, top, right, bottom of its visible pixels, the last two exclusive
    mask              its visible pixels within the box: lengths of runs, row by row (a run may go on in the next row),
                      alternately not covered and covered, beginning with not covered (0 when the first pixel is)
    speed_m_s         over the ground
    direction_deg     where it heads, clockwise from the camera's line of sight: 0 goes away, 90 to the right
    is_moving         it goes at 0.2 m/s or more
    standing_since_s  when it came to stand, on the loop's clock, never more than one loop ago (so it may be negative);
                      null while it moves
    x_m, y_m          where its middle is on the ground

Shadows and light on the road belong to no object. Objects of which nothing is seen are left out.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from civicam.city.barcode import strip_box
from civicam.city.draw import Frame, Renderer
from civicam.city.traffic import STANDING_M_S, State
from civicam.core.errors import CityError

Box = tuple[int, int, int, int]


def encode_mask(mask: NDArray[np.bool_]) -> list[int]:
    """Returns the run lengths of a mask (rows by columns), as the module says."""
    flat = np.concatenate([[False], mask.reshape(-1)])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs: list[int] = np.diff(edges, prepend=0, append=mask.size).tolist()
    return runs


def decode_mask(runs: list[int], width: int, height: int) -> NDArray[np.bool_]:
    """Returns the mask (rows by columns) of run lengths.

    Raises:
        CityError: the runs do not add up to its size.
    """
    if min(runs, default=0) < 0 or sum(runs) != width * height:
        raise CityError(f"a mask's runs do not cover {width}x{height} pixels", fix="make the truth anew")
    covered = np.arange(len(runs)) % 2 == 1
    return np.repeat(covered, runs).reshape(height, width)


@dataclass(frozen=True, slots=True)
class TruthObject:
    """One object in one frame; the module says what each means."""

    id: int
    kind: str
    box: Box
    runs: list[int]
    speed_m_s: float
    direction_deg: float
    is_moving: bool
    standing_since_s: float | None
    x_m: float
    y_m: float

    def mask(self) -> NDArray[np.bool_]:
        """Its visible pixels within its box."""
        left, top, right, bottom = self.box
        return decode_mask(self.runs, right - left, bottom - top)

    def as_json(self) -> dict[str, Any]:
        """The object as it stands in the file."""
        fields = {"id": self.id, "class": self.kind, "box": list(self.box), "mask": self.runs}
        motion = {"speed_m_s": self.speed_m_s, "direction_deg": self.direction_deg, "is_moving": self.is_moving}
        return fields | motion | {"standing_since_s": self.standing_since_s, "x_m": self.x_m, "y_m": self.y_m}


@dataclass(frozen=True, slots=True)
class TruthFrame:
    """What one frame shows."""

    frame: int
    time_s: float
    objects: list[TruthObject]


def truth_of(frame: Frame, renderer: Renderer) -> TruthFrame:
    """Returns what `frame`, drawn by `renderer`, shows."""
    states = {state.id: state for state in frame.states}
    yaw = renderer.scene.mount.yaw_deg
    objects = [_object(states[identity], box, frame.ids, yaw) for identity, box in _boxes(frame.ids).items()]
    return TruthFrame(frame.number, round(frame.number / renderer.fps, 6), objects)


def _object(state: State, box: Box, ids: NDArray[np.uint16], yaw_deg: float) -> TruthObject:
    left, top, right, bottom = box
    since = state.standing_since_s
    return TruthObject(
        id=state.id,
        kind=state.kind.value,
        box=box,
        runs=encode_mask(ids[top:bottom, left:right] == state.id),
        speed_m_s=round(state.speed_m_s, 3),
        direction_deg=round((state.heading_deg - yaw_deg) % 360, 1) % 360,
        is_moving=state.speed_m_s >= STANDING_M_S,
        standing_since_s=None if since is None else round(since, 3),
        x_m=round(state.x_m, 3),
        y_m=round(state.y_m, 3),
    )


def _boxes(ids: NDArray[np.uint16]) -> dict[int, Box]:
    """The bounding box of every id that is there."""
    rows, columns = np.nonzero(ids)
    if not len(rows):
        return {}
    values = ids[rows, columns]
    order = np.argsort(values, kind="stable")
    values, rows, columns = values[order], rows[order], columns[order]
    firsts = np.flatnonzero(np.diff(values, prepend=0))
    edges = [
        np.minimum.reduceat(columns, firsts),
        np.minimum.reduceat(rows, firsts),
        np.maximum.reduceat(columns, firsts) + 1,
        np.maximum.reduceat(rows, firsts) + 1,
    ]
    found = zip(values[firsts].tolist(), *(edge.tolist() for edge in edges), strict=True)
    return {identity: (left, top, right, bottom) for identity, left, top, right, bottom in found}


def head_line(stream: str, renderer: Renderer) -> str:
    """The file's first line."""
    lens = renderer.lens
    head = {"stream": stream, "scene": renderer.scene.kind, "width": lens.width, "height": lens.height}
    head |= {"fps": renderer.fps, "frames": renderer.frames, "barcode_box": list(strip_box(lens.height))}
    return json.dumps(head) + "\n"


def frame_line(truth: TruthFrame) -> str:
    """A frame's line."""
    line = {"frame": truth.frame, "time_s": truth.time_s, "objects": [item.as_json() for item in truth.objects]}
    return json.dumps(line, separators=(",", ":")) + "\n"


def read_truth(path: Path) -> Iterator[TruthFrame]:
    """Yields the frames of a truth file, in order.

    Raises:
        CityError: the file is missing, or is not one.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                if number:
                    yield _parse(json.loads(line))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CityError(f"the ground truth cannot be read: {error!r}", where=str(path), fix="make it anew") from error


def _parse(line: dict[str, Any]) -> TruthFrame:
    objects = []
    for item in line["objects"]:
        left, top, right, bottom = item["box"]
        rest = {key: value for key, value in item.items() if key not in ("class", "box", "mask")}
        objects.append(TruthObject(kind=item["class"], box=(left, top, right, bottom), runs=item["mask"], **rest))
    return TruthFrame(line["frame"], line["time_s"], objects)
