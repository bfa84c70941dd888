"""What a picture looks like, in a few small maps, and how that compares with the long-term scene.

All maps are of a small luma picture about 160 pixels wide, cut into blocks of 8 pixels; none says who is in it.
"""

import io
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from civicam.core.errors import RedactionError
from civicam.redaction.picture import Picture, Plane

Map: TypeAlias = NDArray[np.float32]

_WIDTH_PX = 160
_BLOCK_PX = 8
_LEAST_SIDE_PX = 64
_COARSE_PX = 4
_EPSILON = 1e-6
_MAPS = 5


@dataclass(frozen=True, slots=True)
class Look:
    """One picture's appearance.

    Attributes:
        small: luma, (rows, columns), about 160 columns.
        across: its gradient along columns, as `small`.
        down: its gradient along rows.
        energy: each block's mean squared gradient, (block rows, block columns).
        fine: each block's mean difference of neighbours in the whole picture: sharp edges and noise.
        raw: some pixels of the whole picture as they are, to be compared with the next key's.
        mean: of the luma.
        dark: the 2nd percentile of the luma.
        bright: its 98th percentile.
        white: the share of pixels at the upper end.
    """

    small: Map
    across: Map
    down: Map
    energy: Map
    fine: Map
    raw: Plane
    mean: float
    dark: float
    bright: float
    white: float


def _check_maps(maps: list[Map]) -> None:
    """Raises ValueError where these are no maps of one picture."""
    rows, columns = maps[0].shape
    wanted = [(rows, columns)] * 3 + [(rows // _BLOCK_PX, columns // _BLOCK_PX)] * 2
    if [one.shape for one in maps] != wanted or min(rows, columns) < _BLOCK_PX:
        raise ValueError("not the shapes of a picture's maps")
    if any(one.dtype != np.float32 or not np.isfinite(one).all() for one in maps):
        raise ValueError("not the values of a picture's maps")


def look_at(picture: Picture) -> Look | None:
    """The picture's appearance; None for one too small to say anything."""
    luma = picture.y
    if min(luma.shape) < _LEAST_SIDE_PX:
        return None
    factor = max(1, luma.shape[1] // _WIDTH_PX)
    rows = luma.shape[0] // (factor * _BLOCK_PX) * _BLOCK_PX
    columns = luma.shape[1] // (factor * _BLOCK_PX) * _BLOCK_PX
    luma = luma[: rows * factor, : columns * factor]
    # One side after the other, which is several times faster than both at once.
    sums = luma.reshape(rows, factor, columns * factor).sum(1, dtype=np.uint16).reshape(rows, columns, factor)
    small = sums.sum(2, dtype=np.float32) / np.float32(factor * factor)
    across, down = np.zeros_like(small), np.zeros_like(small)
    across[:, 1:-1] = (small[:, 2:] - small[:, :-2]) / 2
    down[1:-1] = (small[2:] - small[:-2]) / 2
    dark, bright = np.percentile(small, (2, 98))
    return Look(
        small,
        across,
        down,
        _blocks(across**2 + down**2),
        _fine(luma, factor),
        luma[::4, ::4].copy(),
        float(small.mean()),
        float(dark),
        float(bright),
        float((small >= 226).mean()),
    )


def _fine(luma: Plane, factor: int) -> Map:
    """Each block's mean difference of neighbours in a row; of some rows, which is enough."""
    some = luma[:: max(1, factor // 2)]
    steps = np.zeros_like(some)
    left, right = some[:, :-1], some[:, 1:]
    np.subtract(np.maximum(left, right), np.minimum(left, right), out=steps[:, :-1])
    rows = luma.shape[0] // (_BLOCK_PX * factor)
    side = _BLOCK_PX * factor
    by_row = steps.reshape(len(steps), -1, side).sum(2, dtype=np.uint32).reshape(rows, len(steps) // rows, -1)
    fine: Map = by_row.sum(1, dtype=np.float32) / np.float32(side * len(steps) // rows)
    return fine


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a picture compares with the scene. All are 0 to 1 unless said otherwise.

    Attributes:
        texture: how much of the scene has edges at all.
        match: how much of the scene's edges are where they belong.
        gone: the share of the scene's edges where nothing is left: neither the same edges nor others.
        softened: the share of the scene's edges that lost their sharpness.
        sharpness: of all fine detail, over the scene's; 1 is as ever, more is sharper.
        coarse: how much the large shapes of the whole picture correlate with the scene's, -1 to 1.
        outlines: the same of the edges of the large shapes, which light changes less.
        busy: edges in the picture over the scene's, of any kind; above 1 there are more.
        shift: how far the scene lies off its place, (down, across), in shares of the picture's width.
        shifted_match: as `match`, were the picture shifted back; of what is still in view.
        whiter: how much more of the picture is white than of the scene.
    """

    texture: float
    match: float
    gone: float
    softened: float
    sharpness: float
    coarse: float
    outlines: float
    busy: float
    shift: tuple[float, float]
    shifted_match: float
    whiter: float


class SceneReference:
    """The long-term scene of one camera: means of appearances, so that what moves averages out.

    Args:
        look: the first picture.
        tau_s: the time constant; the first pictures count as much as all before them.
    """

    def __init__(self, look: Look, tau_s: float) -> None:
        self._tau_s = tau_s
        self._maps = [look.small, look.across, look.down, look.energy, look.fine]
        self._white = look.white
        self.count = 1
        self.bright = look.bright

    def to_bytes(self, said: dict[str, Any]) -> bytes:
        """The scene, and what its owner adds, as a NumPy archive (`.npz`)."""
        about = {"white": self._white, "bright": self.bright, "count": self.count, "said": said}
        file = io.BytesIO()
        np.savez(file, np.frombuffer(json.dumps(about).encode(), np.uint8), *self._maps)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, tau_s: float) -> tuple["SceneReference", dict[str, Any]]:
        """The scene that `to_bytes` gave, and what its owner added.

        Raises:
            RedactionError: the bytes are something else.
        """
        one = cls.__new__(cls)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                about, *one._maps = (file[f"arr_{number}"] for number in range(1 + _MAPS))
            about = json.loads(about.tobytes())
            _check_maps(one._maps)
            one._tau_s, one._white, one.bright = tau_s, float(about["white"]), float(about["bright"])
            one.count, said = int(about["count"]), dict(about["said"])
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            raise RedactionError("these bytes are no scene of a camera's health") from None
        return one, said

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the small luma picture."""
        return self._maps[0].shape

    def learn(self, look: Look, since_s: float) -> None:
        """Moves towards `look`, which comes `since_s` after the one before."""
        self.count += 1
        share = np.float32(max(1 / self.count, 1 - np.exp(-since_s / self._tau_s)))
        new = [look.small, look.across, look.down, look.energy, look.fine]
        self._maps = [old + share * (one - old) for old, one in zip(self._maps, new, strict=True)]
        self._white += float(share) * (look.white - self._white)
        self.bright += float(share) * (look.bright - self.bright)

    def compare(self, look: Look) -> Comparison:
        """How `look`, of the same shape, compares."""
        small, across, down, energy, fine = self._maps
        own = _blocks(across**2 + down**2)  # of the mean gradient: what moves has none
        has_edges = own > max(2.0, 0.05 * float(np.percentile(own, 95)))
        weight = np.sqrt(own) * has_edges
        total = float(weight.sum()) + _EPSILON
        match = _match(look.across, look.down, across, down)
        left = look.energy / (own + _EPSILON)
        gone = (match < 0.3) & (left < 0.3)
        sharpness = look.fine / (fine + _EPSILON)
        shift, shifted_match = self._shift(look, weight)
        shapes, scene_shapes = _coarse(look.small), _coarse(small)
        return Comparison(
            texture=float(has_edges.mean()),
            match=float((np.maximum(match, 0) * weight).sum() / total),
            gone=float((gone * weight).sum() / total),
            softened=float(((sharpness < 0.7) * weight).sum() / total),
            sharpness=float((look.fine * weight).sum() / ((fine * weight).sum() + _EPSILON)),
            coarse=_correlation(shapes, scene_shapes),
            outlines=_correlation(_outlines(shapes), _outlines(scene_shapes)),
            busy=float(look.energy.sum() / (energy.sum() + _EPSILON)),
            shift=shift,
            shifted_match=shifted_match,
            whiter=look.white - self._white,
        )

    def _shift(self, look: Look, weight: Map) -> tuple[tuple[float, float], float]:
        """How far the scene lies off, by phase correlation of edges, and how its edges match once shifted back.

        Kuglin and Hines, "The phase correlation image alignment method", 1975.
        """
        _, across, down, _, _ = self._maps
        window = _window(self.shape)
        # Both directions in one transform.
        scene, now = across + np.complex64(1j) * down, look.across + np.complex64(1j) * look.down
        # In single precision (numpy 2 keeps it), which is enough for a place among 16,000.
        product = np.fft.fft2(now * window) * np.conj(np.fft.fft2(scene * window))
        product /= np.abs(product) + np.float32(_EPSILON)
        peaks = np.abs(np.fft.ifft2(product * _low_pass(self.shape)))
        rows, columns = (int(n) for n in np.unravel_index(int(peaks.argmax()), peaks.shape))
        rows -= self.shape[0] * (rows > self.shape[0] // 2)
        columns -= self.shape[1] * (columns > self.shape[1] // 2)
        back = [np.roll(one, (-rows, -columns), (0, 1)) for one in (look.across, look.down)]
        in_view = weight * _in_view(weight.shape, rows, columns)
        if in_view.sum() < 0.3 * weight.sum():
            return (0.0, 0.0), 0.0
        match = np.maximum(_match(back[0], back[1], across, down), 0)
        width = self.shape[1]
        return (rows / width, columns / width), float((match * in_view).sum() / (in_view.sum() + _EPSILON))


def change_between(before: Look, look: Look) -> float:
    """The mean difference of two keys, in luma steps, the most different tenth left out: what moves is no noise."""
    differences = np.abs(before.raw.astype(np.int16) - look.raw)
    counts = np.bincount(differences.ravel(), minlength=256)
    kept = int(differences.size * 0.9)
    below = np.minimum(np.cumsum(counts), kept)
    return float((np.diff(below, prepend=0) * np.arange(len(counts))).sum()) / kept


def _blocks(values: Map) -> Map:
    rows, columns = (side // _BLOCK_PX for side in values.shape)
    sums = values.reshape(rows, _BLOCK_PX, -1).sum(1).reshape(rows, columns, _BLOCK_PX).sum(2)
    mean: Map = sums / np.float32(_BLOCK_PX**2)
    return mean


def _match(across: Map, down: Map, scene_across: Map, scene_down: Map) -> Map:
    """The cosine between the gradients of two pictures, block by block: it does not depend on how bright either is."""
    both = _blocks(across * scene_across + down * scene_down)
    sizes = _blocks(across**2 + down**2) * _blocks(scene_across**2 + scene_down**2)
    cosine: Map = both / (np.sqrt(sizes) + 0.5)
    return cosine


def _coarse(small: Map) -> Map:
    rows, columns = (side // _COARSE_PX for side in small.shape)
    sums = small.reshape(rows, _COARSE_PX, -1).sum(1).reshape(rows, columns, _COARSE_PX).sum(2)
    mean: Map = sums / np.float32(_COARSE_PX**2)
    return mean


def _in_view(blocks: tuple[int, ...], rows: int, columns: int) -> NDArray[np.bool_]:
    """The blocks of the scene that are still in a picture in which it lies so many pixels lower and further right."""
    inside = np.ones(blocks, np.bool_)
    for axis, pixels in enumerate((rows, columns)):
        lost = -(-abs(pixels) // _BLOCK_PX)
        if lost:
            ends = slice(-lost, None) if pixels > 0 else slice(0, lost)
            inside[(slice(None), ends) if axis else (ends, slice(None))] = False
    return inside


def _outlines(shapes: Map) -> Map:
    outlines: Map = np.concatenate([np.diff(shapes, axis=0).ravel(), np.diff(shapes, axis=1).ravel()])
    return outlines


def _correlation(one: Map, other: Map) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (np.sqrt((one**2).sum() * (other**2).sum()) + _EPSILON))


@cache
def _window(shape: tuple[int, ...]) -> Map:
    window: Map = np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32)
    return window


@cache
def _low_pass(shape: tuple[int, ...]) -> Map:
    """Noise is in the high frequencies, where a scene is not."""
    down, across = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None]
    kept: Map = np.exp(-(down**2 + across**2) / (2 * 0.15**2)).astype(np.float32)
    return kept
