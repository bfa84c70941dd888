"""One view's work on a thread: samples in, redacted fragments out, one a frame. What cannot be redacted is covered."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import DecodeError
from civicam.player.encoder import Encoder
from civicam.player.inbox import Hole, Item, Jump, Quiet
from civicam.player.viewer import FragmentMessage, InitMessage
from civicam.recorder.fmp4 import codec_string, fragment, fragment_sample, init_segment
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import FullCover, RedactedPicture

Output: TypeAlias = InitMessage | FragmentMessage

_UNKNOWN_SIZE = (640, 360)
_FPS = 15.0
_FRAME_90K = 6_000
_LONGEST_FRAME_90K = 45_000
_MOST_SHOWN_AT_ONCE = 6


class SampleDecoder(Protocol):
    """Samples to pictures; `vision.decoder.Decoder` is one."""

    def setup(self, setup: H264Setup) -> None:
        """How the samples that follow are coded; what was begun is forgotten. May raise DecodeError."""
        ...

    def decode(self, sample: Sample) -> list[Picture]:
        """The pictures that came out, in order of presentation; may raise DecodeError."""
        ...

    def flush(self) -> list[Picture]:
        """The pictures held back; a key comes next. May raise DecodeError."""
        ...


class PictureRedactor(Protocol):
    """Pictures to redacted ones; `redaction.redactor.Redactor` is one."""

    def redact(self, picture: Picture) -> RedactedPicture:
        """The picture as it may be shown."""
        ...

    def cover_all(self, size: tuple[int, int], reason: FullCover, pts_90k: int, wall_ns: int) -> RedactedPicture:
        """A picture of that size of which nothing is shown but the reason."""
        ...


@dataclass(slots=True)
class _Timeline:
    """The view's own time. A frame lasts as long as the one before it took, so that frames follow without a hole.

    Where the camera's time jumps or stands still, the timeline does not: a player then waits for the next frame, and
    is no later afterwards.
    """

    start_90k: int = 0
    frame_90k: int = _FRAME_90K
    pts_90k: int | None = None

    def next(self, pts_90k: int | None) -> tuple[int, int]:
        """Start and duration of a frame with that time of its camera, None for one that has none."""
        if pts_90k is not None and self.pts_90k is not None and 0 < pts_90k - self.pts_90k <= _LONGEST_FRAME_90K:
            self.frame_90k = pts_90k - self.pts_90k
        self.pts_90k = pts_90k
        start_90k = self.start_90k
        self.start_90k += self.frame_90k
        return start_90k, self.frame_90k


class ViewPipeline:
    """Decodes, redacts, codes and wraps the samples of one stream. Not for two threads at once.

    Every sample gives a frame, or is one that the decoder holds back to put frames in order. Where the picture is
    missing (a broken sample, those up to the next key, a hole) the frame is a covered one. Of many samples at once (the
    GOP in hand when a view begins, or after a pause) all are decoded, and only the last `_MOST_SHOWN_AT_ONCE` shown.

    Args:
        decoder: of this view alone.
        redactor: of this stream.
        gop_s: seconds from one key of the view to the next.
    """

    def __init__(self, decoder: SampleDecoder, redactor: PictureRedactor, *, gop_s: float = 2.0) -> None:
        self._decoder, self._redactor, self._gop_s = decoder, redactor, gop_s
        self._setup: H264Setup | None = None
        self._encoder: Encoder | None = None
        self._timeline = _Timeline()
        self._sequence = 0
        self._missing: FullCover | None = FullCover.NO_PICTURE
        self._pts_90k = 0
        self._samples_left = 0

    def process(self, items: Sequence[Item], *, want_key: bool = False) -> list[Output]:
        """What `items` become; with `want_key` the first frame is a key.

        Raises:
            EncodeError: the codec failed; call `restart`.
        """
        if want_key and self._encoder is not None:
            self._encoder.force_key()
        outputs: list[Output] = []
        self._samples_left = sum(isinstance(item, Sample) for item in items)
        for item in items:
            for redacted, pts_90k in self._redacted(item):
                outputs += self._coded(redacted, pts_90k)
        return outputs

    def restart(self, wall_ns: int) -> list[Output]:
        """Starts anew after an error whose reach is not known: decoder and encoder are new, and a key must come first.

        Returns:
            A covered frame that says so, of time `wall_ns`.
        """
        self._encoder = None
        self._missing = FullCover.ERROR
        return list(self._coded(self._cover(FullCover.ERROR, None, wall_ns), None))

    def _redacted(self, item: Item) -> Iterator[tuple[RedactedPicture, int | None]]:
        """Redacted pictures, each with its time for the timeline."""
        match item:
            case Sample():
                yield from self._sample(item)
            case H264Setup():
                self._set_up(item)
            case Hole():
                self._missing = item.reason
                if item.wall_ns is not None:
                    yield self._cover(item.reason, None, item.wall_ns), None
            case Jump():
                self._timeline.pts_90k = None
            case Quiet():
                yield self._cover(self._missing or FullCover.NO_PICTURE, None, item.wall_ns), None

    def _set_up(self, setup: H264Setup) -> None:
        self._setup = None
        self._missing = self._missing or FullCover.NO_PICTURE
        with suppress(DecodeError):  # it stays without a setup then: all is covered up to the next one
            self._decoder.setup(setup)
            self._setup = setup

    def _sample(self, sample: Sample) -> Iterator[tuple[RedactedPicture, int | None]]:
        self._samples_left -= 1
        is_shown = self._samples_left < _MOST_SHOWN_AT_ONCE
        try:
            for picture in self._decoded(sample) if is_shown else self._passed_over(sample):
                self._pts_90k = picture.pts_90k
                yield self._redactor.redact(picture), picture.pts_90k
        except DecodeError:
            self._missing = FullCover.NO_PICTURE
        if self._missing and is_shown:
            yield self._cover(self._missing, sample.pts_90k, sample.wall_ns), sample.pts_90k

    def _passed_over(self, sample: Sample) -> list[Picture]:
        """Decodes a sample for the sake of those that refer to it."""
        self._decoded(sample)
        return []

    def _decoded(self, sample: Sample) -> list[Picture]:
        if self._missing and sample.is_key and self._setup is not None:
            with suppress(DecodeError):
                self._decoder.flush()  # so that no picture is made of what came before the hole
            self._missing = None
        return [] if self._missing else self._decoder.decode(sample)

    def _cover(self, reason: FullCover, pts_90k: int | None, wall_ns: int) -> RedactedPicture:
        self._pts_90k = self._pts_90k + 90_000 if pts_90k is None else pts_90k
        return self._redactor.cover_all(self._size(), reason, self._pts_90k, wall_ns)

    def _size(self) -> tuple[int, int]:
        if self._setup is None:
            return _UNKNOWN_SIZE if self._encoder is None else self._encoder.size
        return self._setup.width & ~1, self._setup.height & ~1

    def _coded(self, redacted: RedactedPicture, pts_90k: int | None) -> Iterator[Output]:
        encoder = self._encoder
        if encoder is None or encoder.size != redacted.picture.size:
            encoder = self._encoder = Encoder(*redacted.picture.size, fps=_FPS, gop_s=self._gop_s)
            setup = encoder.setup
            yield InitMessage(codec_string(setup), setup.width, setup.height, init_segment(setup))
        sample = encoder.encode(redacted)
        start_90k, duration_90k = self._timeline.next(pts_90k)
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        row = fragment_sample(duration_90k, len(sample.data), sample.is_key, 0)
        data = fragment(self._sequence, start_90k, [row], [sample.data])
        yield FragmentMessage(data, start_90k, sample.wall_ns, sample.is_key, redacted.reason)
