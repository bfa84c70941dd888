"""What the ledger says of an export, and what it committed to, once its proofs hold."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from civicam.catalogue.models import Segment
from civicam.core.errors import EvidenceError, LedgerError, SegmentError
from civicam.core.spans import Span
from civicam.evidence.manifest import AnyManifest, CommittedModel, LedgerProof, export_facts, parse_moment
from civicam.evidence.members import decoded, decoded_hash
from civicam.evidence.verdict import Verdict
from civicam.footage.segment_format import (
    HEADER_START_BYTES,
    IndexEntry,
    SegmentHeader,
    encode_header,
    header_json_bytes,
    parse_header_json,
    parse_index,
    segment_digest,
)
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.encoding import decode
from civicam.ledger.entry import Kind
from civicam.ledger.merkle import check_inclusion, leaf_hash
from civicam.ledger.note import Note, VerifierKey
from civicam.ledger.verify import open_checkpoint
from civicam.upkeep.written import footage_leaf

_EARLY_NS: Final = 60_000_000_000
"""What is recorded ends where its last frame does, which may be a moment past the clock's now."""


class Recorded(NamedTuple):
    """A segment, once it is known that the ledger committed to it.

    Attributes:
        header: what it says of itself.
        header_digest: SHA-256 of that.
        entries: its index.
        span: what it covers of wall time.
        leaf: what the ledger committed to.
    """

    header: SegmentHeader
    header_digest: bytes
    entries: list[IndexEntry]
    span: Span
    leaf: bytes


class Proven:
    """What the ledger says, once its proofs hold.

    Args:
        proof: the entries, and how they are proven.
        manifest: what the package says.
        verdict: is told what is found out.
        witnesses: must have signed the tree.

    Attributes:
        key: the city's, with which the tree is signed.
        checkpoint: of the tree.
        entries: by their place.

    Raises:
        EvidenceError: something does not hold.
    """

    def __init__(
        self, proof: LedgerProof, manifest: AnyManifest, verdict: Verdict, witnesses: Sequence[VerifierKey]
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
            self.entries = {one.index: self._entry(decoded(one.data), one.index, one.proof) for one in proof.entries}
        except LedgerError as error:
            raise EvidenceError(f"what the ledger says does not hold: {error.what}") from error
        wanted = {segment.proof.entry for segment in manifest.segments} | {proof.export}
        if set(self.entries) != wanted or len(self.entries) != len(proof.entries):
            raise EvidenceError("the ledger's entries are not those that the package needs")

    def _entry(self, data: bytes, index: int, proof: Sequence[str]) -> Mapping[str, object]:
        hashes = [decoded_hash(one) for one in proof]
        check_inclusion(leaf_hash(data), index, self.checkpoint.size, hashes, self.checkpoint.root)
        return decode(data)

    def check_export(self, digest: bytes, certificate: bytes) -> None:
        """Returns if the ledger says that this very package was exported; raises EvidenceError."""
        entry = self.entries[self._export]
        manifest = self._manifest
        said = export_facts(manifest, digest, sha256(certificate).hexdigest()) | {"kind": Kind.EXPORT.value}
        if any(entry.get(name) != value for name, value in said.items()):
            raise EvidenceError("the ledger's entry is of another export, or says something else of it")
        self._verdict.entry, self._verdict.logged = self._export, str(entry["at"])

    def segments(self, models: Sequence[CommittedModel]) -> list[Recorded]:
        """Segments, once it is known that the ledger committed to each.

        Raises:
            EvidenceError: it did not, or one is there twice.
        """
        found = [self._segment(one) for one in models]
        if len({one.leaf for one in found}) != len(found):
            raise EvidenceError("a segment is in the package twice")
        return found

    def _segment(self, segment: CommittedModel) -> Recorded:
        raw, index = decoded(segment.header), decoded(segment.index)
        try:
            if header_json_bytes(raw[:HEADER_START_BYTES]) != len(raw) - HEADER_START_BYTES:
                raise EvidenceError("a segment's header was altered")
            header, entries = parse_header_json(raw[HEADER_START_BYTES:]), parse_index(index)
        except SegmentError as error:
            raise EvidenceError(f"a segment's header or index was altered: {error.what}") from error
        end_ns, name = int(segment.end_ns), header.name
        row = Segment(
            name.key, name.start_wall_ns, end_ns, name.epoch, "", segment.size, len(entries), 0,
            segment_digest(raw, index),
        )  # fmt: skip
        if not entries or encode_header(header) != raw:
            raise EvidenceError("a segment's header or index is not as recorders write it")
        leaf = leaf_hash(footage_leaf(row))
        self._check_segment(leaf, segment)
        return Recorded(header, sha256(raw).digest(), entries, (name.start_wall_ns, end_ns), leaf)

    def _check_segment(self, leaf: bytes, segment: CommittedModel) -> None:
        proof, entry = segment.proof, self.entries.get(segment.proof.entry, {})
        if (
            entry.get("kind") != Kind.FOOTAGE.value
            or entry.get("segments") != proof.size
            or proof.entry >= self._export
        ):
            raise EvidenceError(f"entry {proof.entry} of the ledger does not commit to this footage")
        root = decoded_hash(str(entry.get("root")))
        try:
            check_inclusion(leaf, proof.index, proof.size, [decoded_hash(one) for one in proof.hashes], root)
        except LedgerError:
            raise EvidenceError(f"entry {proof.entry} of the ledger does not commit to this footage") from None
        late_ns = parse_moment(str(entry["at"])) - int(segment.end_ns)
        if late_ns < -_EARLY_NS:
            raise EvidenceError(f"entry {proof.entry} of the ledger commits to footage before that was recorded")
        self._verdict.late_ns = max(self._verdict.late_ns, late_ns)
