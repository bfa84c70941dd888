"""Finds out what holds of an export, from its file alone: no city, no network, no key but those that stand in it.

Each recorded fragment is sealed again with its segment's key, and must come out as what the ledger committed to when it
was recorded (`docs/design/evidence.md`). Whatever the file holds, only EvidenceError and OSError come out of here.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from civicam.catalogue.models import Segment
from civicam.core.errors import EvidenceError, LedgerError, SegmentError
from civicam.core.spans import Span, intersect, subtract, union
from civicam.evidence import mp4
from civicam.evidence.certificate import check_signature
from civicam.evidence.manifest import (
    CERTIFICATE,
    FOOTAGE,
    LEDGER,
    MANIFEST,
    MOST_BYTES,
    PRINTED,
    SIGNATURE,
    STATEMENT,
    FileModel,
    LedgerProof,
    Manifest,
    SegmentModel,
    parse_moment,
    read_ledger,
    read_manifest,
    reading_order,
    unit_of,
)
from civicam.evidence.package import Placed, read_package
from civicam.evidence.statement import VERIFIER, verifier_page
from civicam.footage.segment_format import (
    HEADER_START_BYTES,
    Framed,
    IndexEntry,
    SegmentHeader,
    header_json_bytes,
    nonce,
    parse_fields,
    parse_header_json,
    parse_index,
    segment_digest,
)
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.encoding import decode, moment
from civicam.ledger.entry import Kind
from civicam.ledger.merkle import HASH_BYTES, check_inclusion, leaf_hash
from civicam.ledger.note import Note, VerifierKey
from civicam.ledger.verify import open_checkpoint
from civicam.upkeep.written import footage_leaf

Progress = Callable[[int], None]
_SMALL: Final = 4 << 20
_KEY_BYTES: Final = 32
_MINUTE_NS: Final = 60_000_000_000
_LATE_NS: Final = 15 * _MINUTE_NS
"""A segment is closed within minutes, and committed to within one more; what is later is told."""
_EARLY_NS: Final = _MINUTE_NS
"""What is recorded ends where its last frame does, which may be a moment past the clock's now."""


@dataclass(slots=True)
class Verdict:
    """What holds of an export.

    Attributes:
        manifest: what it says, once that is known to be what the city signed and wrote down; None for an MP4 alone.
        entry: the ledger's entry that says that it was exported.
        logged: when that was written.
        witnesses: who signed the ledger's tree as well: those whose keys were given, and who did.
        unchecked: how many signatures more stand under it, of which nothing is known.
        late_ns: how long after its end the ledger committed to some of the footage, at most.
        holes: stretches within what was asked for that hold no footage, by camera, each with why.
        holds: what is proven, in words.
        unproven: what is not, in words.
    """

    manifest: Manifest | None = None
    entry: int | None = None
    logged: str = ""
    witnesses: list[str] = field(default_factory=list)
    unchecked: int = 0
    late_ns: int = 0
    holes: dict[str, list[tuple[Span, str]]] = field(default_factory=dict)
    holds: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


class _Recorded(NamedTuple):
    """A segment, once it is known that the ledger committed to it."""

    header: SegmentHeader
    header_digest: bytes
    entries: list[IndexEntry]
    aead: AESGCM
    leaf: bytes


class _Fragment(NamedTuple):
    """A fragment that was verified."""

    segment: int
    framed: Framed
    is_last: bool


def verify(path: Path, witnesses: Sequence[VerifierKey] = (), progress: Progress = lambda _: None) -> Verdict:
    """What holds of an export, or of an MP4 out of one.

    Args:
        path: the file.
        witnesses: keys of witnesses that must have signed the ledger's tree.
        progress: is told how many bytes more were looked at.

    Raises:
        EvidenceError: something does not hold: it was altered, or is no export.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size_bytes = path.stat().st_size
        if file.read(8)[4:] == b"ftyp":
            return _verify_alone(file, size_bytes)
        return _Package(file, size_bytes, progress).verify(witnesses)


def _verify_alone(file: BinaryIO, size_bytes: int) -> Verdict:
    signed = mp4.read_signed(file, size_bytes)
    name = check_signature(signed.certificate, signed.digest, signed.signature)
    return Verdict(
        holds=[
            f"Nothing in this file was changed since {signed.operator} exported it with {signed.unit}:"
            f" the signature of {name} is over all of it (certificate {sha256(signed.certificate).hexdigest()})."
        ],
        unproven=[
            "Whose certificate that is: compare its SHA-256 with what the city publishes.",
            "When it was recorded, and that nothing was cut: only the whole package tells, with the ledger's proofs.",
        ],
    )


class _Package:
    """A package that is being verified."""

    def __init__(self, file: BinaryIO, size_bytes: int, progress: Progress) -> None:
        self._file, self._progress = file, progress
        self._members = read_package(file, size_bytes)
        self._by_name: Mapping[str, Placed] = {one.member.name: one for one in self._members}
        if len(self._by_name) != len(self._members):
            raise EvidenceError("two files in the package have one name")

    def verify(self, witnesses: Sequence[VerifierKey]) -> Verdict:
        """All of it."""
        data, certificate = self._small(MANIFEST, MOST_BYTES), self._small(CERTIFICATE)
        digest = sha256(data).digest()
        check_signature(certificate, digest, self._small(SIGNATURE))
        manifest = read_manifest(data)
        self._check_members(manifest)
        verdict = Verdict(manifest)
        facts = _Ledger(read_ledger(self._small(LEDGER, MOST_BYTES)), manifest, verdict, witnesses)
        facts.check_export(digest, certificate)
        recorded = [_recorded(segment, facts) for segment in manifest.segments]
        if len({one.leaf for one in recorded}) != len(recorded):
            raise EvidenceError("a segment is in the package twice")
        verified: dict[str, list[_Fragment]] = {}
        for one in manifest.files:
            verified.setdefault(one.camera, []).extend(self._check_file(one, recorded, certificate, manifest))
        for camera in manifest.cameras:
            fragments = verified.get(camera.id, [])
            verdict.holes[camera.id] = _Story(camera.id, recorded, manifest).holes(fragments)
        _say(verdict, facts)
        if any(one.name == VERIFIER for one in manifest.documents) and self._small(VERIFIER) != verifier_page():
            verdict.unproven.append(
                f"That the page {VERIFIER} in it checks what it says: it is not this civicam's own."
            )
        return verdict

    def _check_members(self, manifest: Manifest) -> None:
        """Nothing is in the package that the manifest does not list, and nothing is missing."""
        documents = [one.name for one in manifest.documents]
        if documents != sorted(set(documents)) or not {STATEMENT} <= set(documents) <= {STATEMENT, PRINTED, VERIFIER}:
            raise EvidenceError("the package has other documents than exports have")
        _check_names(manifest)
        small = sorted([MANIFEST, SIGNATURE, CERTIFICATE, LEDGER, *documents], key=reading_order)
        if [one.member.name for one in self._members] != [*small, *(one.name for one in manifest.files)]:
            raise EvidenceError("the package does not hold what it should, in the order in which it should")
        for document in manifest.documents:
            if sha256(self._small(document.name)).hexdigest() != document.sha256:
                raise EvidenceError(f"{document.name} was altered")

    def _small(self, name: str, most: int = _SMALL) -> bytes:
        """A member's bytes, held against their CRC."""
        placed = self._by_name.get(name)
        if placed is None:
            raise EvidenceError(f"the package has no {name}")
        if placed.member.size_bytes > most:
            raise EvidenceError(f"{name} is longer than it can be")
        data = self._read(placed.offset, placed.member.size_bytes)
        if zlib.crc32(data) != placed.member.crc32:
            raise EvidenceError(f"{name} was altered, or its CRC")
        return data

    def _read(self, at: int, size_bytes: int) -> bytes:
        self._file.seek(at)
        data = self._file.read(size_bytes)
        self._progress(len(data))
        return data

    def _check_file(
        self, one: FileModel, recorded: list[_Recorded], certificate: bytes, manifest: Manifest
    ) -> list[_Fragment]:
        """A file's fragments, once each is what was recorded and nothing else is in the file."""
        placed = self._by_name[one.name]
        where, member = one.name, placed.member
        if (member.size_bytes, member.crc32) != (one.size, one.crc32):
            raise EvidenceError(f"{where} is not as long as it was, or its CRC was altered")
        opening = mp4.opening(_source(one, one.fragments[0][0], recorded, where).header.setup.init)
        if self._read(placed.offset, len(opening)) != opening:
            raise EvidenceError(f"{where} begins with something else than exports do")
        digest, at = sha256(opening), placed.offset + len(opening)
        found: list[_Fragment] = []
        keys: list[tuple[int, int]] = []
        start_ns: int | None = None
        for number, (segment, fields) in enumerate(one.fragments):
            source, raw = _source(one, segment, recorded, f"fragment {number} of {where}"), _decoded(fields)
            framed = _framed(raw, f"fragment {number} of {where}")
            start_ns = framed.header.start_wall_ns if start_ns is None else start_ns
            place = mp4.place_of(framed.header.start_wall_ns, start_ns)
            data = self._read(at, framed.ciphertext_bytes)
            digest.update(data)
            _check_fragment(data, place, framed, raw, source, where=f"fragment {number} of {where}")
            if framed.header.is_sync:
                keys.append((place, at - placed.offset))
            at += len(data)
            found.append(_Fragment(segment, framed, framed.sequence == len(source.entries) - 1))
        labels, signature = _labels_of(one, manifest, start_ns or 0), _decoded(one.signature)
        tail = mp4.tail(keys)
        ending = tail + mp4.seal(labels, certificate, signature)
        if self._read(at, len(ending)) != ending or at + len(ending) - placed.offset != one.size:
            raise EvidenceError(f"{where} ends with something else than exports do")
        digest.update(tail + mp4.seal(labels, certificate, bytes(len(signature))))
        check_signature(certificate, digest.digest(), signature)
        return found


def _check_names(manifest: Manifest) -> None:
    """Cameras and films are called as exports call them, and there is one picture of each camera."""
    cameras = [one.id for one in manifest.cameras]
    if len(set(cameras)) != len(cameras):
        raise EvidenceError("a camera is listed twice")
    counts: dict[str, int] = {}
    for one in manifest.files:
        counts[one.camera] = counts.get(one.camera, 0) + 1
        if one.camera not in cameras or one.name != f"{FOOTAGE}{one.camera}-{one.stream}-{counts[one.camera]}.mp4":
            raise EvidenceError("a film is of a camera that is not listed, or is called in another way than exports do")
    if len({(one.camera, one.stream) for one in manifest.files}) != len(counts):
        raise EvidenceError("there are two pictures of one camera in the package")


def _labels_of(one: FileModel, manifest: Manifest, start_ns: int) -> mp4.Labels:
    return mp4.Labels(
        unit=unit_of(manifest.city),
        operator=manifest.operator,
        at_ns=parse_moment(manifest.exported),
        source=one.camera,
        line=one.stream,
        start_ns=start_ns,
    )


def _source(one: FileModel, segment: int, recorded: Sequence[_Recorded], where: str) -> _Recorded:
    """The segment that a fragment is of: one of that camera, whose pictures are of the film's kind."""
    if not 0 <= segment < len(recorded):
        raise EvidenceError(f"{where} is of no segment")
    found = recorded[segment]
    if (found.header.name.camera, found.header.name.stream) != (one.camera, one.stream):
        raise EvidenceError(f"{where} is of another camera")
    if found.header.setup.init != recorded[one.fragments[0][0]].header.setup.init:
        raise EvidenceError(f"{where} has pictures of another kind")
    return found


def _framed(raw: bytes, where: str) -> Framed:
    try:
        return parse_fields(raw)
    except SegmentError as error:
        raise EvidenceError(f"{where} has no fields of a recording: {error.what}") from error


def _check_fragment(data: bytes, place: int, framed: Framed, raw: bytes, source: _Recorded, *, where: str) -> None:
    """A fragment, sealed again, is what the index of its segment says."""
    if place < 0 or len(data) != framed.ciphertext_bytes or framed.sequence >= len(source.entries):
        raise EvidenceError(f"{where} is cut off, or of no place in its segment")
    payload = mp4.placed(data, framed.header.start_90k)
    if mp4.place_in(data) != place:
        raise EvidenceError(f"{where} does not stand where it was recorded")
    sealed = source.aead.encrypt(nonce(framed.sequence), payload, source.header_digest + raw)
    digest = sha256(raw)
    digest.update(sealed)
    if digest.digest() != source.entries[framed.sequence].digest:
        raise EvidenceError(f"{where} is not what was recorded")


def _recorded(segment: SegmentModel, ledger: "_Ledger") -> _Recorded:
    """A segment, once it is known that the ledger committed to it."""
    raw, index, key = _decoded(segment.header), _decoded(segment.index), _decoded(segment.key)
    try:
        if header_json_bytes(raw[:HEADER_START_BYTES]) != len(raw) - HEADER_START_BYTES:
            raise EvidenceError("a segment's header was altered")
        header, entries = parse_header_json(raw[HEADER_START_BYTES:]), parse_index(index)
    except SegmentError as error:
        raise EvidenceError(f"a segment's header or index was altered: {error.what}") from error
    if len(key) != _KEY_BYTES:
        raise EvidenceError("a segment's key was altered")
    row = Segment(
        header.name.key, header.name.start_wall_ns, int(segment.end_ns), header.name.epoch, "", segment.size,
        len(entries), 0, segment_digest(raw, index),
    )  # fmt: skip
    leaf = leaf_hash(footage_leaf(row))
    ledger.check_segment(leaf, segment)
    return _Recorded(header, sha256(raw).digest(), entries, AESGCM(key), leaf)


class _Ledger:
    """What the ledger says, once its proofs hold."""

    def __init__(
        self, proof: LedgerProof, manifest: Manifest, verdict: Verdict, witnesses: Sequence[VerifierKey]
    ) -> None:
        self._verdict, self._manifest, self._export = verdict, manifest, proof.export
        try:
            self.key = VerifierKey.parse(manifest.ledger)
            note = Note.parse(proof.checkpoint.encode())
            self.checkpoint: Checkpoint = open_checkpoint(note, self.key)
            for witness in witnesses:
                note.check(witness)
            verdict.witnesses = [one.name for one in witnesses]
            verdict.unchecked = len(note.signatures) - 1 - len(witnesses)
            self.entries = {one.index: self._entry(_decoded(one.data), one.index, one.proof) for one in proof.entries}
        except LedgerError as error:
            raise EvidenceError(f"what the ledger says does not hold: {error.what}") from error
        wanted = {segment.proof.entry for segment in manifest.segments} | {proof.export}
        if set(self.entries) != wanted or len(self.entries) != len(proof.entries):
            raise EvidenceError("the ledger's entries are not those that the package needs")

    def _entry(self, data: bytes, index: int, proof: Sequence[str]) -> Mapping[str, object]:
        hashes = [_hash(one) for one in proof]
        check_inclusion(leaf_hash(data), index, self.checkpoint.size, hashes, self.checkpoint.root)
        return decode(data)

    def check_export(self, digest: bytes, certificate: bytes) -> None:
        """The ledger says that this very package was exported."""
        entry = self.entries[self._export]
        manifest = self._manifest
        told = [entry.get(name) for name in ("kind", "manifest", "certificate", "export", "cameras", "from", "to")]
        if told != [
            Kind.EXPORT.value, digest.hex(), sha256(certificate).hexdigest(), manifest.number,
            sorted(one.id for one in manifest.cameras), manifest.asked_from, manifest.asked_to,
        ]:  # fmt: skip
            raise EvidenceError("the ledger's entry is of another export, or says something else of it")
        self._verdict.entry, self._verdict.logged = self._export, str(entry["at"])

    def check_segment(self, leaf: bytes, segment: SegmentModel) -> None:
        """The ledger committed to a segment."""
        proof, entry = segment.proof, self.entries.get(segment.proof.entry, {})
        if (
            entry.get("kind") != Kind.FOOTAGE.value
            or entry.get("segments") != proof.size
            or proof.entry >= self._export
        ):
            raise EvidenceError(f"entry {proof.entry} of the ledger does not commit to this footage")
        root = _hash(str(entry.get("root")))
        try:
            check_inclusion(leaf, proof.index, proof.size, [_hash(one) for one in proof.hashes], root)
        except LedgerError:
            raise EvidenceError(f"entry {proof.entry} of the ledger does not commit to this footage") from None
        late_ns = parse_moment(str(entry["at"])) - int(segment.end_ns)
        if late_ns < -_EARLY_NS:
            raise EvidenceError(f"entry {proof.entry} of the ledger commits to footage before that was recorded")
        self._verdict.late_ns = max(self._verdict.late_ns, late_ns)


class _Story:
    """What there is of a camera, in order: nothing is cut out, added or moved, and every hole has its reason."""

    def __init__(self, camera: str, recorded: Sequence[_Recorded], manifest: Manifest) -> None:
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


def _say(verdict: Verdict, ledger: _Ledger) -> None:
    """What holds, and what does not, in words."""
    manifest = verdict.manifest
    assert manifest is not None
    names = ", ".join(f"{one.title} ({one.id})" for one in manifest.cameras)
    count = sum(len(one.fragments) for one in manifest.files)
    entry, late_ns = verdict.entry, verdict.late_ns
    apart = " apart from what the city says it could not export" if manifest.absent else ""
    when = (
        f"within {max(1, -(-late_ns // _MINUTE_NS))} minutes of its end" if late_ns <= _LATE_NS
        else f"up to {late_ns / (1440 * _MINUTE_NS):.1f} days after its end"
    )  # fmt: skip
    verdict.holds = [
        f"{manifest.city} recorded this with {names}.",
        f"All {count} pieces of footage are what was recorded, byte for byte, with the times that they were recorded"
        f" with; nothing was added, cut out or put in another order{apart}. Where there is none, the list of holes says"
        " why.",
        f"The city's ledger committed to each piece {when}, in {len(ledger.entries) - 1} entries, and says that"
        f" {manifest.operator} exported exactly this for {manifest.recipient}: entry {entry}, {verdict.logged}.",
        f"The ledger's tree of {ledger.checkpoint.size} entries is signed by {ledger.key}"
        + (f" and by {', '.join(verdict.witnesses)}." if verdict.witnesses else "."),
    ]
    verdict.unproven = [
        "Whose key that is: compare it with what the city publishes, and ask a witness whether it saw the same ledger.",
        "That the camera's clock and the city's were right, and that the camera filmed what it seems to.",
        "That the city did not write false footage down when it was recorded.",
        "That nothing was there that the recording itself tells as missing: what came damaged may have been left out.",
    ]
    if late_ns > _LATE_NS:
        verdict.unproven.insert(0, f"That it was recorded when it says: the ledger was told only {when}.")
    if not verdict.witnesses:
        more = f"; {verdict.unchecked} more signatures stand under it, which were not checked" * bool(verdict.unchecked)
        verdict.unproven.append(
            f"That the city has shown everybody the same ledger: no witness that you named signed this tree{more}."
        )


def _decoded(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EvidenceError("something in the package is not base64") from None
    if base64.b64encode(found).decode() != text:
        raise EvidenceError("something in the package is base64 in another way than exports write it")
    return found


def _hash(text: str) -> bytes:
    found = _decoded(text)
    if len(found) != HASH_BYTES:
        raise EvidenceError("a hash in the package has another length")
    return found
