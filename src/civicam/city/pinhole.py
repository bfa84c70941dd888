"""The simulated camera's lens: world metres -> pixels.

The world is a flat ground plane: x to the right, y ahead, z up, in metres. The camera stands at (x, y, z), is turned by
`yaw_deg` (clockwise seen from above, 0 looks along y) and looks down by `pitch_deg`.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pinhole:
    """An ideal lens without distortion.

    Attributes:
        width: pixels.
        height: pixels.
        position_m: where it hangs.
        yaw_deg: where it looks, clockwise from the y axis.
        pitch_deg: how far down it looks.
        fov_deg: its horizontal angle of view.
    """

    width: int
    height: int
    position_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    fov_deg: float

    @cached_property
    def focal_px(self) -> float:
        """The focal length in pixels: a metre at a depth of one metre."""
        return self.width / 2 / math.tan(math.radians(self.fov_deg) / 2)

    @cached_property
    def axes(self) -> Floats:
        """Rows: right, down, ahead; each a unit vector in the world."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
        level = np.array([math.sin(yaw), math.cos(yaw), 0.0])
        ahead = level * math.cos(pitch) - np.array([0.0, 0.0, math.sin(pitch)])
        return np.stack([right, np.cross(ahead, right), ahead])

    @cached_property
    def horizon_px(self) -> float:
        """The row of the horizon; above the picture when negative."""
        return self.height / 2 - self.focal_px * math.tan(math.radians(self.pitch_deg))

    def scaled(self, factor: int) -> "Pinhole":
        """The same view in a picture `factor` times as wide and high."""
        return replace(self, width=self.width * factor, height=self.height * factor)

    def project(self, points_m: Floats) -> Floats:
        """Returns n rows (x px, y px, depth m) for n rows (x, y, z); depth is along the line of sight.

        What is behind the lens gets a depth under 0.1 and a meaningless place.
        """
        seen = (points_m - self.position_m) @ self.axes.T
        depth = seen[:, 2]
        scale = self.focal_px / np.maximum(depth, 0.1)
        return np.stack([self.width / 2 + seen[:, 0] * scale, self.height / 2 + seen[:, 1] * scale, depth], axis=1)

    def ground(self, pixels: Floats) -> Floats:
        """Returns n rows (x m, y m) on the ground for n rows (x px, y px) below the horizon."""
        rays = np.stack(
            [
                (pixels[:, 0] - self.width / 2) / self.focal_px,
                (pixels[:, 1] - self.height / 2) / self.focal_px,
                np.ones(len(pixels)),
            ],
            axis=1,
        )
        world = rays @ self.axes
        reach = -self.position_m[2] / world[:, 2]
        return np.asarray(self.position_m)[:2] + world[:, :2] * reach[:, None]


def homography(source: Floats, target: Floats) -> tuple[float, ...]:
    """The 8 coefficients with which Pillow's `transform(PERSPECTIVE)` shows `source` (4 rows x, y) at `target`."""
    rows = []
    for (u, v), (x, y) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(np.array(rows, float), source.reshape(8))
    return tuple(float(value) for value in solved)
