"""Clear footage: recorded pictures as they are. What gives them out demands a live grant and the ledger's receipt.

Nothing is coded anew. A stretch begins with the key that its first picture needs, which may be seconds before it, as
far as both the grant and the entry are for that, too; else with the first key within.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from civicam.access.decide import LiveGrant
from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import NotAllowedError, NotFoundError, PlayerError
from civicam.core.ids import StreamKey
from civicam.core.spans import Span
from civicam.ledger.entry import Kind, Receipt
from civicam.player.archive_reader import ArchivedFragment, ArchiveReader
from civicam.player.playback import CodedStretch, Initialisation, media_90k
from civicam.recorder.fmp4 import codec_string, fragment_sample, init_segment

LONGEST_NS: Final = 10_000_000_000
"""One request gives so much at most, so that a grant that ends ends what is seen."""
_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ClearStretch:
    """A stretch as it was recorded.

    Attributes:
        start_ns: when its first picture was seen, wall nanoseconds.
        initialisation: what a player needs before it.
        coded: its samples.
    """

    start_ns: int
    initialisation: Initialisation
    coded: CodedStretch


def clear_stretch(
    archive: ArchiveReader, key: StreamKey, window: Span, grant: LiveGrant, receipt: Receipt
) -> ClearStretch:
    """The samples of `window` as they were recorded.

    Raises:
        NotAllowedError: the grant is for something else, or the receipt is of another look.
        NotFoundError: nothing of it can be shown.
        PlayerError: the stretch is too long.
        CatalogueError: the catalogue cannot be read.
    """
    entered = _entered(receipt, key, grant)
    _check(key, window, grant, entered)
    least_ns = max(grant.window[0], entered[0])
    setup, samples = _run(_within(archive.fragments(key, window), (least_ns, window[1])), window[0])
    if setup is None or not samples:
        raise NotFoundError("nothing of this stretch can be shown", fix="see the camera's coverage")
    initialisation = Initialisation(codec_string(setup), init_segment(setup))
    return ClearStretch(min(one.wall_ns for one in samples), initialisation, _coded(samples, window[1]))


def _entered(receipt: Receipt, key: StreamKey, grant: LiveGrant) -> Span:
    """The stretch that the entry is about; to the millisecond, so a little more than it says."""
    facts = receipt.draft.facts
    is_of_it = receipt.draft.kind is Kind.VIEW and facts.get("media") == "clear" and facts.get("grant") == grant.number
    if not (is_of_it and facts.get("camera") == key.camera):
        raise NotAllowedError("the ledger's entry is of another look", where=str(key))
    start, end = (datetime.fromisoformat(str(facts[name])) for name in ("from", "to"))
    return round(start.timestamp() * 1000) * _MS, round(end.timestamp() * 1000) * _MS + _MS


def _check(key: StreamKey, window: Span, grant: LiveGrant, entered: Span) -> None:
    if not 0 <= window[0] < window[1] <= window[0] + LONGEST_NS:
        raise PlayerError("clear footage is given in short stretches", fix=f"ask for {LONGEST_NS / 1e9:g} s at most")
    if grant.camera != key.camera or not grant.window[0] <= window[0] < window[1] <= grant.window[1]:
        raise NotAllowedError("the grant is for something else", where=str(key))
    if not entered[0] <= window[0] < window[1] <= entered[1]:
        raise NotAllowedError("the ledger's entry is of another stretch", where=str(key))


def _within(pieces: Iterator[ArchivedFragment], window: Span) -> Iterator[tuple[H264Setup | None, Sample]]:
    for piece in pieces:
        for sample in piece.samples:
            if window[0] <= sample.wall_ns < window[1]:
                yield piece.setup, sample


def _run(found: Iterator[tuple[H264Setup | None, Sample]], start_ns: int) -> tuple[H264Setup | None, list[Sample]]:
    """From the last key that is not after `start_ns`, else from the first one, as long as the parameter sets stay."""
    setup: H264Setup | None = None
    samples: list[Sample] = []
    for own, sample in found:
        if sample.is_key and (not samples or sample.wall_ns <= start_ns):
            setup, samples = own, []
        elif not samples:
            continue
        elif own != setup:
            break
        samples.append(sample)
    return setup, samples


def _coded(samples: list[Sample], end_ns: int) -> CodedStretch:
    """Decoding times are the presentation times in rising order, as in what was recorded."""
    zero_ns = min(one.wall_ns for one in samples)
    shown_90k = [media_90k(one.wall_ns - zero_ns, 1.0) for one in samples]
    decoded_90k = sorted(shown_90k)
    ends_90k = [*decoded_90k[1:], media_90k(end_ns - zero_ns, 1.0)]
    rows = tuple(
        fragment_sample(max(end - at, 1), len(sample.data), sample.is_key, shown - at)
        for at, end, shown, sample in zip(decoded_90k, ends_90k, shown_90k, samples, strict=True)
    )
    data = tuple(sample.data for sample in samples)
    return CodedStretch(rows, data, sum(len(one) for one in data))
