"""What the ledger committed to of one stream and stretch, with the proof from each segment to its commitment."""

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Segment
from civicam.core.errors import EvidenceError, NotWrittenYetError
from civicam.core.ids import StreamKey
from civicam.core.spans import Span
from civicam.evidence.manifest import CommittedModel, ProofModel, as_base64
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import IndexEntry, pack_entry, pack_index
from civicam.ledger.merkle import inclusion_proof, leaf_hash, root_of
from civicam.upkeep.written import footage_leaf


class Committed:
    """The segments of a stream that touch a stretch.

    Args:
        catalogue: what there is.
        key: of which stream.
        window: which stretch.

    Attributes:
        rows: the segments, by start.

    Raises:
        NotWrittenYetError: some of it is not closed and committed to yet.
        CatalogueError: the catalogue cannot be read.
    """

    def __init__(self, catalogue: Catalogue, key: StreamKey, window: Span) -> None:
        self._entries = catalogue.commitments(key, window)
        self._leaves = {entry: catalogue.leaves(entry) for entry in set(self._entries.values())}
        self.rows = catalogue.segments(key, window)
        if any(row.digest is None or row.start_wall_ns not in self._entries for row in self.rows):
            raise NotWrittenYetError(
                f"footage of {key} in that stretch was not closed and written down yet",
                fix="try again in a minute or two",
            )

    def model(self, reader: SegmentReader, row: Segment) -> CommittedModel:
        """A segment as it was committed to.

        Raises:
            EvidenceError: the ledger does not commit to it as it is.
            FootageError: it cannot be read.
        """
        entries = b"".join(pack_entry(IndexEntry(one.offset, one.digest or b"")) for one in reader.ending().extents)
        return CommittedModel(
            header=as_base64(reader.raw_header),
            index=as_base64(pack_index(entries)),
            size=row.size_bytes,
            end_ns=str(row.end_wall_ns),
            proof=self._proof(row),
        )

    def _proof(self, row: Segment) -> ProofModel:
        entry = self._entries[row.start_wall_ns]
        leaves = self._leaves[entry]
        leaf = leaf_hash(footage_leaf(row))
        if leaf not in leaves:
            raise EvidenceError(
                f"entry {entry} of the ledger does not commit to the footage as it is", fix="run civicam check --deep"
            )
        index = leaves.index(leaf)

        def node(level: int, number: int) -> bytes:
            return root_of(leaves[number << level : (number + 1) << level])

        hashes = inclusion_proof(index, len(leaves), node)
        return ProofModel(entry=entry, index=index, size=len(leaves), hashes=[as_base64(one) for one in hashes])
