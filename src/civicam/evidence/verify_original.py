"""Finds out what holds of films as they were recorded: each fragment, sealed again, is what the ledger committed to."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from civicam.core.errors import EvidenceError, SegmentError
from civicam.core.spans import Span, intersect, subtract, union
from civicam.evidence import mp4
from civicam.evidence.certificate import check_signature
from civicam.evidence.manifest import FileModel, Manifest, labels_of, parse_moment
from civicam.evidence.media_signing import signing_messages
from civicam.evidence.members import Members, decoded, decoded_hash
from civicam.evidence.proven import Proven, Recorded
from civicam.evidence.provenance import with_room, without_store
from civicam.evidence.verdict import Verdict
from civicam.footage.segment_format import Framed, nonce, parse_fields
from civicam.ledger.encoding import moment

_KEY_BYTES: Final = 32


class _Source(NamedTuple):
    """A recorded segment, and what seals it."""

    recorded: Recorded
    aead: AESGCM


class _Fragment(NamedTuple):
    """A fragment that was verified."""

    segment: int
    framed: Framed
    is_last: bool


def check_original(members: Members, manifest: Manifest, certificate: bytes, proven: Proven, verdict: Verdict) -> None:
    """Finds out what there is of each camera, and what is missing.

    Raises:
        EvidenceError: something does not hold.
        OSError: the package cannot be read.
    """
    recorded = proven.segments(manifest.segments)
    keys = [decoded(one.key) for one in manifest.segments]
    if any(len(key) != _KEY_BYTES for key in keys):
        raise EvidenceError("a segment's key was altered")
    sources = [_Source(one, AESGCM(key)) for one, key in zip(recorded, keys, strict=True)]
    films = _Films(members, manifest, certificate, sources)
    verified: dict[str, list[_Fragment]] = {}
    for one in manifest.files:
        verified.setdefault(one.camera, []).extend(films.check(one))
    for fragments in verified.values():
        for fragment in fragments:
            header = fragment.framed.header
            if not header.is_damaged:
                stretch = (header.start_wall_ns, header.end_wall_ns)
                verdict.footage.setdefault(recorded[fragment.segment].leaf, []).append(stretch)
    verdict.signed = {camera: count for camera, count in films.signed.items() if count}
    for camera in manifest.cameras:
        verdict.holes[camera.id] = _Story(camera.id, recorded, manifest).holes(verified.get(camera.id, []))


class _Films:
    """Verifies films one after the other."""

    def __init__(self, members: Members, manifest: Manifest, certificate: bytes, sources: Sequence[_Source]) -> None:
        self._members, self._manifest, self._certificate, self._sources = members, manifest, certificate, sources
        self.signed: dict[str, int] = {}

    def check(self, one: FileModel) -> list[_Fragment]:
        """A film's fragments, once each is what was recorded and nothing else is in the film."""
        where, start = one.name, self._members.film(one)
        init = _source(one, one.fragments[0][0], self._sources, where).recorded.header.setup.init
        opening = self._opening(one, start, with_room(mp4.opening(init)))
        digest, at = sha256(opening), start + len(opening)
        found: list[_Fragment] = []
        keys: list[tuple[int, int]] = []
        start_ns: int | None = None
        signed = 0
        for number, (segment, fields) in enumerate(one.fragments):
            here = f"fragment {number} of {where}"
            source, raw = _source(one, segment, self._sources, here), decoded(fields)
            framed = _framed(raw, here)
            start_ns = framed.header.start_wall_ns if start_ns is None else start_ns
            place = mp4.place_of(framed.header.start_wall_ns, start_ns)
            data = self._members.read(at, framed.ciphertext_bytes)
            digest.update(data)
            _check_fragment(data, place, framed, raw, source, where=here)
            if framed.header.is_sync:
                keys.append((place, at - start))
            at, signed = at + len(data), signed + signing_messages(data)
            found.append(_Fragment(segment, framed, framed.sequence == len(source.recorded.entries) - 1))
        self.signed[one.camera] = self.signed.get(one.camera, 0) + signed
        labels, signature = labels_of(self._manifest, one, start_ns or 0), decoded(one.signature)
        tail = mp4.tail(keys)
        ending = tail + mp4.seal(labels, self._certificate, signature)
        if self._members.read(at, len(ending)) != ending or at + len(ending) - start != one.size:
            raise EvidenceError(f"{where} ends with something else than exports do")
        digest.update(tail + mp4.seal(labels, self._certificate, bytes(len(signature))))
        check_signature(self._certificate, digest.digest(), signature)
        return found

    def _opening(self, one: FileModel, start: int, empty: bytes) -> bytes:
        """What a film begins with: what follows from the recording, and its credentials, as the manifest knows them."""
        found = self._members.read(start, len(empty))
        if without_store(found) != empty or sha256(found).digest() != decoded_hash(one.opening):
            raise EvidenceError(f"{one.name} begins with something else than exports do")
        return found


def _source(one: FileModel, segment: int, sources: Sequence[_Source], where: str) -> _Source:
    """The segment that a fragment is of: one of that camera, whose pictures are of the film's kind."""
    if not 0 <= segment < len(sources):
        raise EvidenceError(f"{where} is of no segment")
    found, first = sources[segment].recorded.header, sources[one.fragments[0][0]].recorded.header
    if (found.name.camera, found.name.stream) != (one.camera, one.stream):
        raise EvidenceError(f"{where} is of another camera")
    if found.setup.init != first.setup.init:
        raise EvidenceError(f"{where} has pictures of another kind")
    return sources[segment]


def _framed(raw: bytes, where: str) -> Framed:
    try:
        return parse_fields(raw)
    except SegmentError as error:
        raise EvidenceError(f"{where} has no fields of a recording: {error.what}") from error


def _check_fragment(data: bytes, place: int, framed: Framed, raw: bytes, source: _Source, *, where: str) -> None:
    """A fragment, sealed again, is what the index of its segment says."""
    if place < 0 or len(data) != framed.ciphertext_bytes or framed.sequence >= len(source.recorded.entries):
        raise EvidenceError(f"{where} is cut off, or of no place in its segment")
    payload = mp4.placed(data, max(framed.header.start_90k, 0))
    if mp4.place_in(data) != place:
        raise EvidenceError(f"{where} does not stand where it was recorded")
    sealed = source.aead.encrypt(nonce(framed.sequence), payload, source.recorded.header_digest + raw)
    digest = sha256(raw)
    digest.update(sealed)
    if digest.digest() != source.recorded.entries[framed.sequence].digest:
        raise EvidenceError(f"{where} is not what was recorded")


class _Story:
    """What there is of a camera, in order: nothing is cut out, added or moved, and every hole has its reason."""

    def __init__(self, camera: str, recorded: Sequence[Recorded], manifest: Manifest) -> None:
        self._camera, self._recorded = camera, recorded
        self._asked = parse_moment(manifest.asked_from), parse_moment(manifest.asked_to)
        self._absent = sorted(
            ((int(one.start_ns), int(one.end_ns)), one.why) for one in manifest.absent if one.camera == camera
        )
        self._missing = union([span for span, _ in self._absent])

    def holes(self, fragments: Sequence[_Fragment]) -> list[tuple[Span, str]]:
        """The stretches without footage, each with why.

        Raises:
            EvidenceError: something is missing that neither the recording nor the city accounts for.
        """
        seen: set[tuple[int, int]] = set()
        holes: list[tuple[Span, str]] = []
        before: _Fragment | None = None
        covered_ns = self._asked[0]
        for one in fragments:
            header, place = one.framed.header, (one.segment, one.framed.sequence)
            if place in seen:
                raise EvidenceError(f"a fragment of {self._camera} is in the package twice")
            seen.add(place)
            if before is not None:
                self._check_order(before, one)
            before = one
            if header.is_damaged:
                continue
            if header.start_wall_ns > covered_ns:
                gap_ns = header.gap.duration_ns if header.gap else 0
                told_ns = max(covered_ns, header.start_wall_ns - gap_ns)
                holes += self._explained((covered_ns, told_ns), "nothing earlier is in the package")
                cause = header.gap.cause.label if header.gap else ""
                holes += self._explained((told_ns, header.start_wall_ns), f"by the recording itself: {cause}")
            covered_ns = max(covered_ns, header.end_wall_ns)
        words = "nothing later is in the package" if fragments else "there is no footage of it in the package"
        return [*holes, *self._explained((covered_ns, self._asked[1]), words)]

    def _explained(self, hole: Span, words: str) -> list[tuple[Span, str]]:
        """A hole in parts: what the city says is absent, and the rest."""
        if hole[0] >= hole[1]:
            return []
        city = [(part, f"by the city: {why}") for span, why in self._absent for part in intersect([span], hole)]
        return sorted([*city, *((part, words) for part in subtract([hole], self._missing))])

    def _check_order(self, before: _Fragment, one: _Fragment) -> None:
        """A fragment follows on the one before, or what is between is accounted for."""
        header, was = one.framed.header, before.framed.header
        if one.segment == before.segment and one.framed.sequence == before.framed.sequence + 1:
            return
        earlier, later = self._recorded[before.segment].header.name, self._recorded[one.segment].header.name
        hole = (was.end_wall_ns, header.start_wall_ns)
        gap_ns = header.gap.duration_ns if header.gap else 0
        goes_on = one.segment > before.segment and later.start_wall_ns >= earlier.start_wall_ns
        if goes_on and before.is_last and one.framed.sequence == 0 and hole[1] - hole[0] <= gap_ns:
            return
        is_same = one.segment == before.segment and one.framed.sequence > before.framed.sequence
        if (goes_on or is_same) and hole[0] < hole[1] and not subtract([hole], self._missing):
            return
        raise EvidenceError(
            f"footage of {self._camera} between {moment(hole[0])} and {moment(hole[1])} was cut out or put in"
            " another order"
        )
