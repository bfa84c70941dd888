"""The long-term scene of one camera, and which cells of a picture are not it.

The recipe: a running mean and deviation, learned only where nothing is covered; something is where the difference is
above what noise explains, in luma by fine pixels, and in luma and colour by patches, in which noise and rain average
out; then a vote of neighbours (a faint mark counts when it was there in the picture before too), a margin, cells, and a
hold. What is covered is not learned unless it has been there, and has been the
same, for `stays_s`, less the time that something else was seen in its place (a majority vote, Boyer and Moore 1981).
Time is the pictures' own.
"""

from dataclasses import dataclass

import numpy as np

from civicam.redaction.align import Alignment, Registration, correlate, light, shifted
from civicam.redaction.bootstrap import Bootstrap
from civicam.redaction.morphology import Mask, at_least, closed, dilated, pooled, sum_of_nine
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import CellMask, FullCover
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Float, Grid, SmallPicture, make_small

_LEARN_EVERY_S = 0.2
_DERIVE_EVERY_S = 3.0
_STAYS_EVERY_S = 4.0
_LONGEST_STEP_S = 10.0
_DEVIATION_TAU_S = 20.0
_DEVIATION_A_MEAN = 1.25
"""A normal distribution's standard deviation over its mean absolute deviation."""
_MOST_LIMIT = 48.0
_EDGE_SHARE = 0.2
_BRIGHT_LUMA = 48.0
_LEAST_CONTRAST = 0.45
_SURE_FINE, _SURE_COARSE = 4, 3
_WEAK_FINE, _WEAK_COARSE = 2, 1
"""Of a place and its eight neighbours: what is enough, and what is if it was so in the picture before too."""
_LEAST_LIGHT_CHANGE = 0.02
_LEAST_GAIN = 0.6
_MORE_ROUNDS = 3
_DARK_LUMA = 70.0
"""Below, parts of whoever passes are seen, and others not; hence a margin around what is seen."""
_DARK_MARGIN_UNITS = 1
_MOST_SHIFT_UNITS = 4
_ALIKE = 8.0
_NEVER_S = -1e9


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture shows beside the scene.

    Attributes:
        cells: which are not the scene, those held included.
        reason: why nothing may be shown at all; None where the cells say it.
        changed: share of the picture that is not the scene, without margins.
    """

    cells: CellMask
    reason: FullCover | None
    changed: float = 1.0


@dataclass(slots=True)
class Scene:
    """What is learned, as arrays. `small.Grid` gives the shapes.

    Attributes:
        fine: mean luma.
        fine_deviation: mean absolute deviation.
        coarse: mean luma, U and V.
        coarse_deviation: mean absolute deviation of patches.
        stays_fine: luma of what may become scene, uint8.
        stays_coarse: its luma, U and V, uint8.
        stays_s: seconds for which it has been seen, less those in which something else was, by cells.
    """

    fine: Float
    fine_deviation: Float
    coarse: Float
    coarse_deviation: Float
    stays_fine: Mask
    stays_coarse: Mask
    stays_s: Float


@dataclass(frozen=True, slots=True)
class _Derived:
    """What follows from the scene, found anew every few seconds.

    Attributes:
        fine_limit: what difference of luma is something.
        coarse_limit: the same of patches' luma, U and V.
        is_dark: units where a margin is needed.
        registration: lays pictures over it.
    """

    fine_limit: Float
    coarse_limit: Float
    is_dark: Mask
    registration: Registration


class BackgroundModel:
    """The scene of pictures of one size. One thread at a time.

    Args:
        settings: thresholds and times.
        grid: the pictures' size.
        scene: what was learned before; None: it is learned from the pictures to come.
    """

    def __init__(self, settings: RedactionSettings, grid: Grid, scene: Scene | None = None) -> None:
        self.settings, self.grid = settings, grid
        self._scene = scene
        self._bootstrap: Bootstrap | None = None if scene else Bootstrap(settings.bootstrap_s)
        self._now_s: float | None = None
        self._held_until_s = np.full(grid.cells, _NEVER_S)
        self._covered: Mask = np.zeros(grid.cells, np.uint8)
        self._before: Mask = np.zeros(grid.units, np.uint8)
        self._before_next: Mask = self._before
        self._unlearned_s = self._unstayed_s = 0.0
        self._derive_in_s = 0.0
        self._derived: _Derived | None = None

    @property
    def is_warm(self) -> bool:
        """The scene is known."""
        return self._scene is not None

    @property
    def scene(self) -> Scene | None:
        """What is learned, as it is now; None while the model is cold."""
        return self._scene

    def see(self, picture: Picture) -> Seen:
        """Tells what is not the scene in a picture of this model's size, and learns from it.

        A picture from before the last one (by at most the hold's time and some) is looked at and not learned from.
        """
        since_s = self._since(picture.wall_ns)
        small = make_small(picture, self.grid)
        if self._scene is None:
            self._begin(small, since_s)
            return self._nothing(FullCover.COLD)
        seen = self._look(small, self._scene, since_s)
        if seen.reason is not None:
            self._relearn(small, since_s)
        else:
            self._bootstrap = None
        return seen

    def to_bytes(self) -> bytes:
        """See `snapshot.to_bytes`."""
        from civicam.redaction.snapshot import to_bytes  # noqa: PLC0415 - it needs this class

        return to_bytes(self)

    @staticmethod
    def from_bytes(data: bytes, settings: RedactionSettings) -> "BackgroundModel":
        """See `snapshot.from_bytes`."""
        from civicam.redaction.snapshot import from_bytes  # noqa: PLC0415 - it needs this class

        return from_bytes(data, settings)

    def _since(self, wall_ns: int) -> float:
        now_s = wall_ns / 1e9
        since_s = 0.0 if self._now_s is None else now_s - self._now_s
        if self._now_s is not None and since_s < -_LONGEST_STEP_S:  # a clock set back: holds count from the new time
            self._held_until_s += since_s
            self._now_s = now_s
            return 0.0
        self._now_s = now_s if self._now_s is None else max(self._now_s, now_s)
        return min(max(since_s, 0.0), _LONGEST_STEP_S)

    def _nothing(self, reason: FullCover) -> Seen:
        return Seen(np.ones(self.grid.cells, np.bool_), reason)

    def _begin(self, small: SmallPicture, since_s: float) -> None:
        if self._bootstrap is None:
            self._bootstrap = Bootstrap(self.settings.bootstrap_s)
        self._bootstrap.see(small, since_s)
        if self._bootstrap.is_complete:
            self._scene = self._first_scene(*self._bootstrap.scene())
            self._bootstrap, self._derived = None, None
            self._covered[:] = 0

    def _relearn(self, small: SmallPicture, since_s: float) -> None:
        """All is different: unless the scene comes back, it is learned anew from here."""
        self._begin(small, since_s)

    def _first_scene(self, fine: Float, fine_dev: Float, coarse: Float, coarse_dev: Float) -> Scene:
        empty = np.zeros(fine.shape, np.uint8), np.zeros(coarse.shape, np.uint8)
        return Scene(fine, fine_dev, coarse, coarse_dev, *empty, np.zeros(self.grid.cells, np.float32))

    def _look(self, small: SmallPicture, scene: Scene, since_s: float) -> Seen:
        if self._derived is None:
            self._derived = self._derive(scene)
        small, alignment = self._aligned(small, scene, self._derived.registration)
        fine_away, coarse_away, marks, changed = self._differences(small, scene, self._derived)
        if changed > self.settings.most_changed * 0.7:
            shift = correlate(small.coarse[0], scene.coarse[0])
            if shift is not None and shift != (0, 0):
                if max(map(abs, shift)) <= _MOST_SHIFT_UNITS:
                    small = shifted(small, *shift)
                    alignment = Alignment(alignment.down + shift[0], alignment.right + shift[1])
                    fine_away, coarse_away, marks, changed = self._differences(small, scene, self._derived)
                elif changed > self.settings.most_changed:
                    return self._nothing(FullCover.MOVED)
        if changed > self.settings.most_changed:
            return self._nothing(FullCover.LIGHT_JUMP)
        cells = pooled(self._with_margin(marks, self._derived, alignment), self.grid.units_a_cell)
        self._before = dilated(self._before_next, 1)
        assert self._now_s is not None
        self._held_until_s[cells != 0] = self._now_s + self.settings.hold_s
        covered = self._held_until_s >= self._now_s
        covered |= closed(cells, 1) != 0
        self._covered = covered.view(np.uint8)
        self._learn(small, scene, (fine_away, coarse_away), since_s)
        return Seen(covered, None, changed)

    def _with_margin(self, marks: Mask, derived: _Derived, alignment: Alignment) -> Mask:
        """Marks are where the scene is, cells where the picture is: a shift between them needs as much around."""
        shift = max(abs(alignment.down), abs(alignment.right))
        reach = 1 + int(np.ceil(shift - 0.1)) if alignment.is_shifted else 0
        wide = dilated(marks, reach)
        return wide | (dilated(wide, _DARK_MARGIN_UNITS) & derived.is_dark)

    def _aligned(self, small: SmallPicture, scene: Scene, registration: Registration) -> tuple[SmallPicture, Alignment]:
        """Lays the picture over the scene, and gives the scene the picture's light."""
        usable = np.repeat(np.repeat(self._covered, self.grid.units_a_cell, 0), self.grid.units_a_cell, 1) == 0
        if np.count_nonzero(usable) < usable.size // 2:
            usable[:] = True
        found, laid = registration.align(small.coarse[0], usable), small
        for _ in range(_MORE_ROUNDS):
            if max(abs(found.down), abs(found.right)) > _MOST_SHIFT_UNITS:
                return small, Alignment()
            if not found.is_shifted:
                break
            # Always from the picture itself: what is moved twice is blurred twice.
            laid = shifted(small, found.down, found.right)
            rest = registration.align(laid.coarse[0], usable)
            down, right = found.down + rest.down, found.right + rest.right
            is_enough = not rest.is_shifted
            found = Alignment(down, right)
            if is_enough:
                break
        small = laid
        found = Alignment(found.down, found.right, *light(small.coarse[0], scene.coarse[0], usable))
        if not _LEAST_GAIN <= found.gain <= 1 / _LEAST_GAIN:
            return small, found
        if max(abs(found.light_change(32)), abs(found.light_change(128))) > _LEAST_LIGHT_CHANGE:
            for plane in (scene.fine, scene.coarse[0]):
                np.multiply(plane, np.float32(found.gain), out=plane)
                np.add(plane, np.float32(found.offset), out=plane)
                np.clip(plane, 0, 255, out=plane)
        return small, found

    def _differences(self, small: SmallPicture, scene: Scene, derived: _Derived) -> tuple[Float, Float, Mask, float]:
        fine_away = small.fine - scene.fine
        np.abs(fine_away, out=fine_away)
        fine = sum_of_nine((fine_away > derived.fine_limit).view(np.uint8))
        coarse_away = _patches(small.coarse - scene.coarse)
        np.abs(coarse_away, out=coarse_away)
        planes = (coarse_away > derived.coarse_limit).view(np.uint8)
        coarse = sum_of_nine(planes[0] | planes[1] | planes[2])
        sure = pooled(at_least(fine, _SURE_FINE), 2) | at_least(coarse, _SURE_COARSE)
        weak = pooled(at_least(fine, _WEAK_FINE), 2) | at_least(coarse, _WEAK_COARSE)
        marks = sure | (weak & self._before)
        self._before_next = weak
        return fine_away, coarse_away, marks, float(np.count_nonzero(marks)) / marks.size

    def _derive(self, scene: Scene) -> _Derived:
        is_dark = (scene.coarse[0] < _DARK_LUMA).view(np.uint8)
        return _Derived(*self._limits(scene), dilated(is_dark, 1), Registration(scene.coarse[0]))

    def _limits(self, scene: Scene) -> tuple[Float, Float]:
        """What difference is something, by place: noise, and at the scene's edges a little that a shake moves."""
        settings = self.settings
        factor = np.float32(settings.deviations * _DEVIATION_A_MEAN)
        fine = np.maximum(scene.fine_deviation * factor, settings.fine_luma * _contrast(scene.fine))
        fine += _steepness(scene.fine) * np.float32(_EDGE_SHARE)
        coarse = scene.coarse_deviation * factor
        np.maximum(coarse[0], settings.coarse_luma * _contrast(scene.coarse[0]), out=coarse[0])
        np.maximum(coarse[1:], settings.coarse_chroma, out=coarse[1:])
        np.minimum(fine, _MOST_LIMIT, out=fine)
        np.minimum(coarse, _MOST_LIMIT, out=coarse)
        return fine, coarse

    def _learn(self, small: SmallPicture, scene: Scene, away: tuple[Float, Float], since_s: float) -> None:
        self._unlearned_s += since_s
        self._unstayed_s += since_s
        self._derive_in_s -= since_s
        if self._unlearned_s >= _LEARN_EVERY_S:
            self._follow(small, scene, away, self._unlearned_s)
            self._unlearned_s = 0.0
        if self._unstayed_s >= _STAYS_EVERY_S:
            self._let_stay(small, scene, self._unstayed_s)
            self._unstayed_s = 0.0
        if self._derive_in_s <= 0:
            self._derived, self._derive_in_s = None, _DERIVE_EVERY_S

    def _follow(self, small: SmallPicture, scene: Scene, away: tuple[Float, Float], since_s: float) -> None:
        share, deviation_share = _share(since_s, self.settings.tau_s), _share(since_s, _DEVIATION_TAU_S)
        weights = (1 - self._covered.astype(np.float32)) * share
        units = _spread(weights, self.grid.units_a_cell)
        fine = _spread(weights, 2 * self.grid.units_a_cell)
        for mean, value, weight in ((scene.fine, small.fine, fine), (scene.coarse, small.coarse, units)):
            step = value - mean
            step *= weight
            np.add(mean, step, out=mean)
        fine *= deviation_share / share
        units *= deviation_share / share
        for deviation, difference, weight in (
            (scene.fine_deviation, away[0], fine),
            (scene.coarse_deviation, away[1], units),
        ):
            step = difference - deviation
            step *= weight
            np.add(deviation, step, out=deviation)

    def _let_stay(self, small: SmallPicture, scene: Scene, since_s: float) -> None:
        """Gives each covered cell's vote for or against what may become scene there."""
        size = self.grid.units_a_cell
        away = np.abs(small.coarse - scene.stays_coarse.astype(np.float32)).max(axis=0) > _ALIKE
        is_other = pooled(away.view(np.uint8), size) != 0
        covered = self._covered != 0
        votes = scene.stays_s
        votes[covered & ~is_other] += since_s
        votes[covered & is_other] -= since_s
        votes[~covered] = np.maximum(votes[~covered] - since_s, 0)
        self._write_cells(small, scene, covered & (votes < 0))
        votes[votes < 0] = 0
        stayed = covered & (votes >= self.settings.stays_s)
        if stayed.any():
            self._adopt_cells(scene, stayed)
            votes[stayed] = 0

    def _write_cells(self, small: SmallPicture, scene: Scene, cells: CellMask) -> None:
        size = self.grid.units_a_cell
        is_unit, is_fine = _spread_mask(cells, size), _spread_mask(cells, 2 * size)
        np.copyto(scene.stays_coarse, np.rint(small.coarse), where=is_unit, casting="unsafe")
        np.copyto(scene.stays_fine, np.rint(small.fine), where=is_fine, casting="unsafe")

    def _adopt_cells(self, scene: Scene, cells: CellMask) -> None:
        size = self.grid.units_a_cell
        is_unit, is_fine = _spread_mask(cells, size), _spread_mask(cells, 2 * size)
        np.copyto(scene.coarse, scene.stays_coarse, where=is_unit)
        np.copyto(scene.fine, scene.stays_fine, where=is_fine)


def _share(since_s: float, tau_s: float) -> np.float32:
    return np.float32(1 - np.exp(-since_s / tau_s))


def _spread(cells: Float, size: int) -> Float:
    return np.repeat(np.repeat(cells, size, 1), size, 0)


def _spread_mask(cells: CellMask, size: int) -> CellMask:
    return np.repeat(np.repeat(cells, size, 1), size, 0)


def _patches(differences: Float) -> Float:
    """Means of 3 by 3 units, for each of the planes; beyond the edges there is no difference."""
    rows = differences.copy()
    rows[:, 1:] += differences[:, :-1]
    rows[:, :-1] += differences[:, 1:]
    rows[:, 0] += differences[:, 0]
    rows[:, -1] += differences[:, -1]
    sums = rows.copy()
    sums[:, :, 1:] += rows[:, :, :-1]
    sums[:, :, :-1] += rows[:, :, 1:]
    sums[:, :, 0] += rows[:, :, 0]
    sums[:, :, -1] += rows[:, :, -1]
    sums *= np.float32(1 / 9)
    return sums


def _contrast(luma: Float) -> Float:
    """Where it is dark, what is there differs less from what is behind it."""
    contrast: Float = np.clip((luma - 16) * np.float32(1 / _BRIGHT_LUMA), np.float32(_LEAST_CONTRAST), np.float32(1))
    return contrast


def _steepness(plane: Float) -> Float:
    """How much neighbours differ at each place."""
    steep = np.zeros_like(plane)
    down, right = np.abs(np.diff(plane, axis=0)), np.abs(np.diff(plane, axis=1))
    for part, difference in ((steep[1:], down), (steep[:-1], down), (steep[:, 1:], right), (steep[:, :-1], right)):
        np.maximum(part, difference, out=part)
    return steep
