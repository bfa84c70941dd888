"""The first scene: what most pictures of a while agree on, place by place."""

import numpy as np
from numpy.typing import NDArray

from civicam.redaction.align import Registration, shifted
from civicam.redaction.small import Float, SmallPicture

SAMPLES = 25
_ALIKE = 10.0
_FAR = 24.0


class Bootstrap:
    """Gathers pictures spread over a time, and makes a scene of them.

    A place's value is that of the picture which is nearest to most of the others, so that who passes, or waits for a
    while, is not learned; a mean or a median would be drawn towards them.

    Args:
        lasts_s: how long a scene must have been seen.
    """

    def __init__(self, lasts_s: float) -> None:
        self._lasts_s = lasts_s
        self._seen_s = 0.0
        self._fine: list[NDArray[np.uint8]] = []
        self._coarse: list[NDArray[np.uint8]] = []

    @property
    def is_complete(self) -> bool:
        """Enough has been seen."""
        return self._seen_s >= self._lasts_s and len(self._fine) >= SAMPLES

    def see(self, small: SmallPicture, since_s: float) -> None:
        """A picture, `since_s` after the one before."""
        self._seen_s += since_s
        if len(self._fine) < SAMPLES and self._seen_s >= self._lasts_s * len(self._fine) / (SAMPLES - 1) * 0.999:
            small = self._laid_over_first(small)
            self._fine.append(np.rint(small.fine).astype(np.uint8))  # a quarter of the memory while waiting
            self._coarse.append(np.rint(small.coarse).astype(np.uint8))

    def _laid_over_first(self, small: SmallPicture) -> SmallPicture:
        """A mount that shakes would blur the scene."""
        if not self._coarse:
            return small
        first = self._coarse[0][0].astype(np.float32)
        found = Registration(first).align(small.coarse[0], np.ones(first.shape, np.bool_))
        return shifted(small, found.down, found.right) if found.is_shifted else small

    def scene(self) -> tuple[Float, Float, Float, Float]:
        """Fine mean and deviation, coarse mean and deviation."""
        return *_agreed(self._fine), *_agreed(self._coarse)


def _agreed(samples: list[NDArray[np.uint8]]) -> tuple[Float, Float]:
    stack = np.stack([sample.astype(np.float32) for sample in samples])
    best, least = stack[0].copy(), np.full(stack.shape[1:], np.inf, np.float32)
    for sample in stack:
        away = np.minimum(np.abs(stack - sample), np.float32(_FAR)).sum(axis=0)
        better = away < least
        np.copyto(best, sample, where=better)
        np.copyto(least, away, where=better)
    alike = np.abs(stack - best) <= _ALIKE
    count = alike.sum(axis=0)
    mean = (stack * alike).sum(axis=0) / count
    deviation = (np.abs(stack - mean) * alike).sum(axis=0) / count
    return mean.astype(np.float32), deviation.astype(np.float32)
