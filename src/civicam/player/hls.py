"""HTTP Live Streaming (RFC 8216; EXT-X-GAP: draft-pantos-hls-rfc8216bis) of a stretch of the archive.

All playlists of a stretch have the same segments: four seconds of the player's time, aligned to wall time, so that
several cameras stay in step and the same address is asked for again; the first one is short, so that something is shown
soon. Media time is zero where the stretch begins.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from civicam.core.errors import PlayerError
from civicam.core.ids import StreamKey
from civicam.core.spans import Span, intersect
from civicam.player.archive_reader import ArchiveReader
from civicam.player.playback import FASTEST, SLOWEST, media_90k

SEGMENT_S = 4
FIRST_S = 1
CONTENT_TYPE = "application/vnd.apple.mpegurl"

_NS = 1_000_000_000
_MOST_SEGMENTS = 20_000
_UNKNOWN_SIZE = (640, 360)


@dataclass(frozen=True, slots=True)
class Slot:
    """One segment of a playlist.

    Attributes:
        window: what it shows of wall time.
        size: width and height.
        is_gap: nothing of it is playable.
    """

    window: Span
    size: tuple[int, int]
    is_gap: bool


def slots(archive: ArchiveReader, key: StreamKey, window: Span, speed: float = 1.0) -> list[Slot]:
    """The segments of a stretch. Blocks while it reads.

    Raises:
        PlayerError: the stretch or the speed is none that is played.
        CatalogueError: the catalogue cannot be read.
    """
    windows = slot_windows(window, speed)
    playable = archive.playable(key, window)
    sizes = archive.sizes(key, window)
    starts = [span[0] for span, _ in sizes]
    found = []
    size = _even(sizes[0][1]) if sizes else _UNKNOWN_SIZE
    for one in windows:
        number = bisect_right(starts, one[0]) - 1
        if sizes:
            size = _even(sizes[max(number, 0)][1])
        found.append(Slot(one, size, not _overlapping(playable, one)))
    return found


def _overlapping(spans: list[Span], window: Span) -> bool:
    first = bisect_right(spans, window[0], key=lambda span: span[1])
    return first < len(spans) and bool(intersect(spans[first : first + 1], window))


def slot_windows(window: Span, speed: float) -> list[Span]:
    """How a stretch is divided, whatever the camera.

    Raises:
        PlayerError: the stretch is empty or too long, or nothing is played at that speed.
    """
    start_ns, end_ns = window
    if not SLOWEST <= speed <= FASTEST:
        raise PlayerError(f"nothing is played at {speed:g}x", fix=f"choose {SLOWEST:g} to {FASTEST:g}")
    slot_ns, first_ns = round(SEGMENT_S * speed * _NS), round(FIRST_S * speed * _NS)
    if not 0 <= start_ns < end_ns or end_ns - start_ns > _MOST_SEGMENTS * slot_ns:
        raise PlayerError("that stretch cannot be played", fix="ask for a shorter one that ends after it starts")
    if (start_ns // slot_ns + 1) * slot_ns - start_ns > first_ns:
        cuts = [start_ns, min((start_ns // first_ns + 1) * first_ns, end_ns)]
    else:
        cuts = [start_ns]
    while cuts[-1] < end_ns:
        cuts.append(min((cuts[-1] // slot_ns + 1) * slot_ns, end_ns))
    return list(pairwise(cuts))


def playlist(segments: list[Slot], speed: float = 1.0) -> str:
    """The media playlist of `segments`. Addresses are relative to its own: `playback.mp4` and `playback.m4s`.

    A segment's address says `from`, `to` (RFC 3339), `zero` (where media time begins), `speed` and `size`.

    Raises:
        PlayerError: there are none.
    """
    if not segments:
        raise PlayerError("a playlist needs a segment")
    zero_ns = segments[0].window[0]
    longest_90k = max(media_90k(slot.window[1] - slot.window[0], speed) for slot in segments)
    lines = [
        "#EXTM3U", "#EXT-X-VERSION:8", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS",
        f"#EXT-X-TARGETDURATION:{-(-longest_90k // 90_000)}", "#EXT-X-MEDIA-SEQUENCE:0",
    ]  # fmt: skip
    before: Slot | None = None
    for slot in segments:
        lines += _entry(slot, before, zero_ns, speed)
        before = slot
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _entry(slot: Slot, before: Slot | None, zero_ns: int, speed: float) -> list[str]:
    start_ns, end_ns = slot.window
    width, height = slot.size
    # By the media times at both ends, so that durations add up without an error that grows.
    length_90k = media_90k(end_ns - zero_ns, speed) - media_90k(start_ns - zero_ns, speed)
    lines = []
    if before is not None and (before.size != slot.size or before.is_gap != slot.is_gap):
        lines.append("#EXT-X-DISCONTINUITY")
    if before is None or before.size != slot.size:
        lines.append(f'#EXT-X-MAP:URI="playback.mp4?size={width}x{height}"')
    lines += [f"#EXT-X-PROGRAM-DATE-TIME:{moment(start_ns)}", f"#EXTINF:{length_90k / 90_000:.6f},"]
    if slot.is_gap:
        lines.append("#EXT-X-GAP")
    query = f"from={moment(start_ns)}&to={moment(end_ns)}&zero={moment(zero_ns)}&speed={speed:g}&size={width}x{height}"
    return [*lines, f"playback.m4s?{query}"]


def moment(wall_ns: int) -> str:
    """A moment as RFC 3339 writes it, UTC, to the microsecond."""
    return datetime.fromtimestamp(wall_ns // _NS, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{wall_ns % _NS // 1000:06d}Z"


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] & ~1, size[1] & ~1
