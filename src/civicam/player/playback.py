"""Recorded pictures of any time, redacted with the scene of that time, and coded again for a player.

A stretch becomes one media segment that is complete: it begins with a key, and shows something at every moment. Where
nothing can be shown (a gap, a damaged fragment, no scene known) covered frames say why. Decoding begins at the key
before the stretch, and what lies between is learned from and not shown.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from civicam.camera.sample import H264Setup
from civicam.core.errors import DecodeError, PlayerError, RedactionError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.player.archive_reader import ArchivedFragment, ArchiveReader
from civicam.player.encoder import Encoder
from civicam.player.stills import Still, StillMaker
from civicam.recorder.fmp4 import FragmentSample, codec_string, fragment, fragment_sample, init_segment
from civicam.redaction.background import BackgroundModel
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import FullCover, RedactedPicture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.decoder import Decoder
from civicam.vision.model_store import ModelStore

SLOWEST, FASTEST = 0.25, 16.0
LONGEST_NS = 8_000_000_000
"""Media time of one segment, at most."""

_FPS = 15.0
_NEVER_90K = 1 << 40
_HOLE_NS = 150_000_000
_COVER_EVERY_NS = 1_000_000_000
_KEYS_ONLY_FROM = 4.0
_MOST_FPS = 30
_STEP_NS = 5_000_000_000
_AT_ONCE_NS = 1_000_000
_LEARNED_BEFORE_NS = 200_000_000
_UNKNOWN_SIZE = (640, 360)


class PlaybackRedactors(Protocol):
    """Where redactors come from."""

    def begin(self, key: StreamKey, wall_ns: int) -> Redactor:
        """A redactor of its own that knows the scene of that time, or is cold. May be called by any thread."""
        ...


class StoredScenes:
    """Redactors that know what the camera's model was at a time.

    Args:
        store: the models.
        settings_of: how a camera's pictures are redacted.
    """

    def __init__(self, store: ModelStore, settings_of: Callable[[CameraId], RedactionSettings]) -> None:
        self._store, self._settings_of = store, settings_of

    def begin(self, key: StreamKey, wall_ns: int) -> Redactor:
        """See `PlaybackRedactors`. A model that cannot be used counts as none."""
        settings = self._settings_of(key.camera)
        redactor = Redactor(settings)
        found = self._store.nearest(key.camera, wall_ns)
        if found is not None:
            with suppress(RedactionError):
                redactor.adopt(BackgroundModel.from_bytes(found[1], settings))
        return redactor


@dataclass(frozen=True, slots=True)
class PlaybackLimits:
    """What playback may take.

    Attributes:
        cache_bytes: of coded, redacted segments.
        scenes: redactors that wait for the stretch that follows.
        warm_s: keys from so long before a stretch are learned from, where it does not follow on the one before.
    """

    cache_bytes: int = 64 << 20
    scenes: int = 16
    warm_s: float = 6.0


class Request(NamedTuple):
    """A stretch to be played.

    Attributes:
        key: the stream.
        window: of wall time.
        speed: wall time over media time, `SLOWEST` to `FASTEST`.
        size: width and height that the player was told; a picture of another one is covered.
    """

    key: StreamKey
    window: Span
    speed: float
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CodedStretch:
    """A stretch, redacted and coded.

    Attributes:
        rows: the samples' rows of a `trun`.
        data: their bytes.
        size_bytes: of all of them.
    """

    rows: tuple[FragmentSample, ...]
    data: tuple[bytes, ...]
    size_bytes: int

    def media_segment(self, start_90k: int, sequence: int = 1) -> bytes:
        """It as `moof` and `mdat`, `start_90k` after the player's zero; of a film it is that fragment (8.8.5)."""
        return fragment(sequence, start_90k, self.rows, self.data)


@dataclass(frozen=True, slots=True)
class Initialisation:
    """What a player needs before segments of one size.

    Attributes:
        codec: RFC 6381 name.
        data: `ftyp` and `moov`.
    """

    codec: str
    data: bytes


class _Shown(NamedTuple):
    """A redacted picture, and from when on it is shown."""

    wall_ns: int
    redacted: RedactedPicture


class Playback:
    """Plays the archive. Every method blocks while it reads, decodes and codes; any thread may call it.

    Args:
        archive: gives footage.
        redactors: give redactors.
        limits: what it may take.
    """

    def __init__(
        self, archive: ArchiveReader, redactors: PlaybackRedactors, limits: PlaybackLimits | None = None
    ) -> None:
        self._archive, self._redactors = archive, redactors
        self._limits = limits or PlaybackLimits()
        self._lock = threading.Lock()
        self._coded: OrderedDict[Request, CodedStretch] = OrderedDict()
        self._coded_bytes = 0
        self._scenes: OrderedDict[tuple[StreamKey, int], Redactor] = OrderedDict()

    @property
    def cached_bytes(self) -> int:
        """Coded, redacted bytes that are kept."""
        return self._coded_bytes

    def stretch(self, asked: Request) -> CodedStretch:
        """The stretch as a player gets it; at every speed it lasts its wall time over `speed`.

        Raises:
            PlayerError: the stretch or the speed is none that is played.
            CatalogueError: the catalogue cannot be read.
            EncodeError: the size cannot be coded.
        """
        _check(asked)
        with self._lock:
            if (known := self._coded.get(asked)) is not None:
                self._coded.move_to_end(asked)
                return known
        made = _code(self._shown(asked), asked)
        self._keep(asked, made)
        return made

    def still(self, key: StreamKey, wall_ns: int, width: int = 1 << 14) -> Still:
        """What was shown at `wall_ns`, at most `width` pixels wide; a covered picture where nothing was.

        Raises:
            CatalogueError: the catalogue cannot be read.
            EncodeError: it cannot be coded.
        """
        window = wall_ns, wall_ns + 1
        shown = list(self._shown(Request(key, window, 1.0, self._size(key, window)), keeps_scene=False))
        return StillMaker(width).make(shown[-1].redacted)

    def beside(self, key: StreamKey, wall_ns: int, *, forward: bool) -> int | None:
        """When the picture after, or before, the one shown at `wall_ns` begins; None where none is near.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        window = (wall_ns, wall_ns + _STEP_NS) if forward else (max(wall_ns - _STEP_NS, 0), wall_ns + 1)
        times = sorted(
            sample.wall_ns for piece in self._archive.fragments(key, window) for sample in piece.samples
        )  # fmt: skip
        if forward:
            return next((at for at in times if at > wall_ns), None)
        shown = [at for at in times if at <= wall_ns]
        return shown[-2] if len(shown) > 1 else None

    def _size(self, key: StreamKey, window: Span) -> tuple[int, int]:
        found = self._archive.sizes(key, window)
        return even(found[0][1]) if found else _UNKNOWN_SIZE

    def _keep(self, asked: Request, made: CodedStretch) -> None:
        with self._lock:
            before = self._coded.pop(asked, None)
            self._coded_bytes += made.size_bytes - (before.size_bytes if before else 0)
            self._coded[asked] = made
            while self._coded_bytes > self._limits.cache_bytes:
                self._coded_bytes -= self._coded.popitem(last=False)[1].size_bytes

    def _shown(self, asked: Request, *, keeps_scene: bool = True) -> Iterator[_Shown]:
        """What is shown from the stretch's start to its end, by time; the first one at its start.

        A still keeps no scene: nothing follows on it, and many of them would push out those that players go on with.
        """
        redactor = self._scene(asked)
        is_known = redactor.is_warm and redactor.model is not None
        is_known = is_known and _grid_size(redactor) == asked.size
        reason = FullCover.NO_PICTURE
        if not is_known and self._archive.playable(asked.key, asked.window):
            reason = FullCover.NO_MODEL
        pieces = self._archive.fragments(asked.key, asked.window) if is_known else iter(())
        yield from _Stretch(asked, redactor, reason).shown(pieces)
        if is_known and keeps_scene:
            with self._lock:
                self._scenes[asked.key, asked.window[1]] = redactor
                while len(self._scenes) > self._limits.scenes:
                    self._scenes.popitem(last=False)

    def _scene(self, asked: Request) -> Redactor:
        """The redactor that saw the stretch before this one, or one that begins here."""
        start_ns = asked.window[0]
        with self._lock:
            kept = self._scenes.pop((asked.key, start_ns), None)
        if kept is not None:
            return kept
        redactor = self._redactors.begin(asked.key, start_ns)
        if redactor.is_warm and self._limits.warm_s:
            self._warm(redactor, asked)
        return redactor

    def _warm(self, redactor: Redactor, asked: Request) -> None:
        """Learns from the keys before the stretch: the light changes between two models."""
        start_ns = asked.window[0]
        window = max(0, start_ns - round(self._limits.warm_s * 1e9)), start_ns
        decoder = _ArchiveDecoder(keys_only=True)
        for piece in self._archive.fragments(asked.key, window):
            if piece.span[1] <= start_ns:
                for picture in decoder.pictures(piece):
                    redactor.learn(picture)


def initialisation(size: tuple[int, int]) -> Initialisation:
    """What a player needs before stretches of `size`.

    Raises:
        EncodeError: the size cannot be coded.
    """
    setup = Encoder(*size, fps=_FPS).setup
    return Initialisation(codec_string(setup), init_segment(setup))


def _check(asked: Request) -> None:
    start_ns, end_ns = asked.window
    if not SLOWEST <= asked.speed <= FASTEST:
        raise PlayerError(f"nothing is played at {asked.speed:g}x", fix=f"choose {SLOWEST:g} to {FASTEST:g}")
    if not 0 < end_ns - start_ns <= LONGEST_NS * asked.speed or start_ns < 0:
        raise PlayerError("a segment cannot be that long, or is empty", fix="take segments from the playlist")


def even(size: tuple[int, int]) -> tuple[int, int]:
    """The largest size that can be coded within one."""
    return size[0] & ~1, size[1] & ~1


def _grid_size(redactor: Redactor) -> tuple[int, int] | None:
    model = redactor.model
    return (model.grid.width, model.grid.height) if model else None


class _ArchiveDecoder:
    """Fragments to pictures by time; what does not decode is left out.

    Args:
        keys_only: only keys are decoded.

    Attributes:
        lost_ns: from when on the last fragment gave no pictures; None where it gave all.
    """

    def __init__(self, *, keys_only: bool) -> None:
        self.lost_ns: int | None = None
        self._decoder = Decoder()
        self._keys_only = keys_only
        self._setup: H264Setup | None = None
        self._last_ns = self._at_ns = -1
        self._count = 0

    def pictures(self, piece: ArchivedFragment) -> Iterator[Picture]:
        """The pictures that are complete with `piece`."""
        count, self.lost_ns = self._count, None
        try:
            if piece.setup is not None and piece.setup != self._setup:
                yield from self.rest()
                self._decoder.setup(piece.setup)
                self._setup = piece.setup
            try:
                yield from self._decoded(piece)
            except DecodeError:
                # Once more: a decoder learns that frames are reordered from the first one that is.
                yield from self._decoded(piece)
        except DecodeError:
            self.lost_ns = self._at_ns if piece.samples else piece.span[0]
        else:
            if self._count == count and (piece.is_sync or not self._keys_only):
                self.lost_ns = piece.span[0]

    def rest(self) -> Iterator[Picture]:
        """The pictures held back; the footage ends here, or a key follows."""
        with suppress(DecodeError):
            yield from self._newer(self._decoder.flush())

    def _decoded(self, piece: ArchivedFragment) -> Iterator[Picture]:
        for sample in piece.samples:
            if self._keys_only and not sample.is_key:
                continue
            self._at_ns = sample.wall_ns
            found = self._decoder.decode(sample)
            if self._keys_only and not found:
                found = self._decoder.flush()
            yield from self._newer(found)

    def _newer(self, pictures: list[Picture]) -> Iterator[Picture]:
        self._count += len(pictures)
        for picture in pictures:
            if picture.wall_ns > self._last_ns:
                self._last_ns = picture.wall_ns
                yield picture


class _Stretch:
    """One stretch on its way from fragments to what is shown.

    Args:
        asked: the stretch.
        redactor: knows the scene.
        reason: what is drawn where there is no picture.
    """

    def __init__(self, asked: Request, redactor: Redactor, reason: FullCover) -> None:
        self._asked, self._redactor, self._reason = asked, redactor, reason
        self._start_ns, self._end_ns = asked.window
        # What was seen so long before the stretch still holds cells covered in it.
        self._learn_from_ns = self._start_ns - round(redactor.settings.hold_s * 1e9) - _LEARNED_BEFORE_NS
        self._before: Picture | None = None
        self._is_begun = False
        self._next_ns = 0

    def shown(self, pieces: Iterator[ArchivedFragment]) -> Iterator[_Shown]:
        """Redacted pictures by time, the first one at the stretch's start."""
        decoder: _ArchiveDecoder | None = None
        at_ns: int | None = None
        for piece in pieces:
            decoder = decoder or _ArchiveDecoder(keys_only=self._is_keys_only(piece))
            if at_ns is not None and piece.span[0] - at_ns > _HOLE_NS:
                yield from self._pictures(decoder.rest())
                yield from self._covered(at_ns, piece.span[0])
            yield from self._pictures(decoder.pictures(piece))
            if decoder.lost_ns is not None:
                yield from self._pictures(decoder.rest())
                yield from self._covered(decoder.lost_ns, piece.span[1])
            at_ns = max(piece.span[1], at_ns or 0)
        if decoder is not None:
            yield from self._pictures(decoder.rest())
        yield from self._last(at_ns if at_ns is not None else self._start_ns)

    def _is_keys_only(self, piece: ArchivedFragment) -> bool:
        """At high speeds only keys are decoded, if they come at least once a second of the player's time."""
        speed = self._asked.speed
        return speed >= _KEYS_ONLY_FROM and piece.span[1] - piece.span[0] <= speed * 1e9

    def _pictures(self, pictures: Iterator[Picture]) -> Iterator[_Shown]:
        for picture in pictures:
            if picture.wall_ns >= self._end_ns:
                continue  # decoded all the same: the one before it may be held back
            if picture.wall_ns < self._start_ns:
                if self._before is not None and self._before.wall_ns >= self._learn_from_ns:
                    self._redactor.learn(self._before)
                self._before = picture
            else:
                if not self._is_begun and picture.wall_ns > self._start_ns + _AT_ONCE_NS:
                    yield from self._begin()
                self._is_begun = True
                if picture.wall_ns >= self._next_ns:
                    self._next_ns = picture.wall_ns + round(self._asked.speed * 1e9 / _MOST_FPS * 0.9)
                    yield self._redact(picture, picture.wall_ns)

    def _begin(self) -> Iterator[_Shown]:
        """What is on the screen when the stretch begins: the picture before, from the stretch's start on."""
        self._is_begun = True
        if self._before is not None:
            yield self._redact(self._before, self._start_ns)
        else:
            yield self._cover(self._start_ns)

    def _covered(self, start_ns: int, end_ns: int) -> Iterator[_Shown]:
        """Covered frames over what is missing."""
        if end_ns <= self._start_ns:
            self._before = None  # what is on the screen when the stretch begins is no picture
        start_ns, end_ns = max(start_ns, self._start_ns), min(end_ns, self._end_ns)
        if start_ns >= end_ns:
            return
        if not self._is_begun and start_ns > self._start_ns:
            yield from self._begin()
        self._is_begun, self._before = True, None
        step_ns = round(_COVER_EVERY_NS * self._asked.speed)
        for at_ns in range(start_ns, end_ns, step_ns):
            yield self._cover(at_ns)

    def _last(self, at_ns: int) -> Iterator[_Shown]:
        """The stretch's end, where the footage does not reach it."""
        if self._end_ns - at_ns > _HOLE_NS:
            yield from self._covered(at_ns, self._end_ns)
        if not self._is_begun:
            yield from self._begin()

    def _redact(self, picture: Picture, at_ns: int) -> _Shown:
        if picture.size != self._asked.size:
            return self._cover(at_ns, FullCover.SIZE)
        return _Shown(at_ns, self._redactor.redact(picture))

    def _cover(self, at_ns: int, reason: FullCover | None = None) -> _Shown:
        return _Shown(at_ns, self._redactor.cover_all(self._asked.size, reason or self._reason, 0, at_ns))


def _code(shown: Iterator[_Shown], asked: Request) -> CodedStretch:
    """Codes what is shown; each is shown until the next one, the last one until the stretch ends."""
    start_ns, end_ns = asked.window
    encoder = Encoder(*asked.size, fps=_FPS, gop_s=_NEVER_90K / 90_000)
    times_90k: list[int] = []
    coded: list[tuple[bytes, bool]] = []
    for at_ns, redacted in shown:
        at_90k = media_90k(at_ns - start_ns, asked.speed) if times_90k else 0
        if times_90k and at_90k <= times_90k[-1]:
            continue  # two at the same moment: the first stays
        sample = encoder.encode(redacted)
        times_90k.append(at_90k)
        coded.append((sample.data, sample.is_key))
    ends_90k = [*times_90k[1:], media_90k(end_ns - start_ns, asked.speed)]
    rows = tuple(
        fragment_sample(max(end - at, 1), len(data), is_key, 0)
        for at, end, (data, is_key) in zip(times_90k, ends_90k, coded, strict=True)
    )
    return CodedStretch(rows, tuple(data for data, _ in coded), sum(len(data) for data, _ in coded))


def media_90k(wall_ns: int, speed: float) -> int:
    """How long wall time lasts for a player."""
    return round(wall_ns * 9 / 100_000 / speed)
