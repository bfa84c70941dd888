"""How often what happened, by month: what everybody may know of looks, grants, broken glass and deletions."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from civicam.ledger.encoding import decode
from civicam.ledger.entry import Kind
from civicam.ledger.tiles import WIDTH, TileReader

_ONCE: Final[Mapping[str, set[str]]] = {
    Kind.EXPORT.value: {"made"},
    Kind.HOLD.value: {"placed"},
    Kind.REQUEST.value: {"taken in"},
}
_STEPS: Final = {"answered": "request-answered", "refused": "request-refused"}
"""Of requests these steps are counted, too, each in the month in which it was taken."""
_MONTH: Final = len("2026-03")


class Counted(NamedTuple):
    """What is counted.

    Attributes:
        month: such as `2026-03` (UTC).
        kind: of entry; looks are `view` and, where they were not redacted, `clear`; residents' requests
            are `request` and, once they are decided, `request-answered` or `request-refused`.
    """

    month: str
    kind: str


class LedgerCounts:
    """Counts a ledger's entries, each once: what was counted before is not read again. Blocks; one thread at a time."""

    def __init__(self) -> None:
        self._counts: Counter[Counted] = Counter()
        self._size = 0

    def read(self, reader: TileReader) -> Mapping[Counted, int]:
        """The counts of all entries up to the reader's size.

        Raises:
            LedgerError: an entry cannot be read.
        """
        for number in range(self._size // WIDTH, -(-reader.size // WIDTH)):
            entries = reader.entries(number)
            for entry in entries[max(0, self._size - number * WIDTH) :]:
                self._count(entry)
                self._size += 1
        return self._counts

    def _count(self, entry: bytes) -> None:
        said = decode(entry)
        kind, month = str(said["kind"]), str(said["at"])[:_MONTH]
        if kind == Kind.REQUEST and (step := _STEPS.get(str(said.get("what")))):
            self._counts[Counted(month, step)] += 1
        if said.get("what") not in _ONCE.get(kind, {said.get("what")}):
            return  # what happens in steps is counted once
        self._counts[Counted(month, kind)] += 1
        if kind == Kind.VIEW and said.get("media") == "clear":
            self._counts[Counted(month, "clear")] += 1
