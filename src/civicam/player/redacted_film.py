"""Redacted films for exports: what playback shows of a stretch, as one film for each run of footage of one size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.evidence.mp4 import place_of
from civicam.evidence.order import Area, Order
from civicam.evidence.redacted import Coded
from civicam.player.archive_reader import ArchiveReader
from civicam.player.playback import Playback, PlaybackLimits, Request, StoredScenes, even, initialisation
from civicam.redaction.settings import Rectangle, RedactionSettings
from civicam.vision.model_store import ModelStore

_PIECE_NS: Final = 4_000_000_000
_THOUSANDTHS: Final = 1000


class RedactedFilms:
    """Gives redacted films. See `evidence.redacted.FilmSource`.

    Args:
        archive: gives footage.
        store: what scenes were learned.
        settings_of: how a camera's pictures are redacted.
    """

    def __init__(
        self, archive: ArchiveReader, store: ModelStore, settings_of: Callable[[CameraId], RedactionSettings]
    ) -> None:
        self._archive, self._store, self._settings_of = archive, store, settings_of

    def settings_of(self, camera: CameraId) -> str:
        """See `FilmSource`."""
        return repr(self._settings_of(camera))

    def films(self, key: StreamKey, spans: Sequence[Span], order: Order) -> Iterator[Coded]:
        """See `FilmSource`."""
        shown, hidden = (
            tuple(_rectangle(one) for one in areas if one.camera == key.camera)
            for areas in (order.shown, order.covered)
        )
        settings = replace(self._settings_of(key.camera), shown=shown, hidden=hidden)
        scenes = StoredScenes(self._store, lambda _: settings)
        playback = Playback(self._archive, scenes, PlaybackLimits(cache_bytes=0, scenes=1))
        for window in spans:
            for span, size in self._runs(key, window):
                yield Coded(span, initialisation(size).data, _fragments(playback, key, span, size))

    def _runs(self, key: StreamKey, window: Span) -> list[tuple[Span, tuple[int, int]]]:
        """A stretch in parts of one size; where footage overlaps, a clock was set back, and the first one goes on."""
        runs: list[tuple[Span, tuple[int, int]]] = []
        for span, found in self._archive.sizes(key, window):
            size = even(found)
            start_ns = max(span[0], window[0], runs[-1][0][1] if runs else 0)
            end_ns = min(span[1], window[1])
            if start_ns < end_ns and runs and runs[-1][1] == size:
                runs[-1] = (runs[-1][0][0], end_ns), size
            elif start_ns < end_ns:
                runs.append(((start_ns, end_ns), size))
        return runs


def _fragments(playback: Playback, key: StreamKey, span: Span, size: tuple[int, int]) -> Iterator[tuple[int, bytes]]:
    for sequence, start_ns in enumerate(range(span[0], span[1], _PIECE_NS), 1):
        window = start_ns, min(start_ns + _PIECE_NS, span[1])
        place_90k = place_of(start_ns, span[0])
        yield place_90k, playback.stretch(Request(key, window, 1.0, size)).media_segment(place_90k, sequence)


def _rectangle(area: Area) -> Rectangle:
    edges = (area.left, area.top, area.right, area.bottom)
    return Rectangle(area.start_ns, area.end_ns, *(edge / _THOUSANDTHS for edge in edges))
