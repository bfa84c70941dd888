"""What the ledger reads: notes, checkpoints, entries, bundles, keys, journals, messages, requests to witnesses."""

import contextlib
import sys
import tempfile
from pathlib import Path

from civicam.core.errors import CivicamError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.encoding import canonical, decode, encode
from civicam.ledger.entry import Draft, Kind, Part, PersonId
from civicam.ledger.journal import Journal, Record
from civicam.ledger.messages import draft_line, parse_draft, parse_number
from civicam.ledger.note import Algorithm, Note, Signer, VerifierKey
from civicam.ledger.parts import SealedPart, parts_from_json, parts_to_json
from civicam.ledger.tiles import pack_entries, unpack_entries
from civicam.ledger.witness import AddCheckpoint
from tests.fuzz import harness

_SIGNER = Signer("ledger.example", b"k" * 32)
_COSIGNER = Signer("witness.example", b"w" * 32, Algorithm.COSIGNATURE)
_TEXT = Checkpoint("ledger.example", 700, b"r" * 32).text
_NOTE = Note(_TEXT, (_SIGNER.sign(_TEXT), _COSIGNER.sign(_TEXT, 1_800_000_000)))
_PERSON = PersonId("0" * 32)
_DRAFT = Draft(Kind.VIEW, {"camera": "gate-1", "grant": 7}, {"viewer": Part(_PERSON, {"name": "N"})})
_ENTRY = encode(_DRAFT, 1_772_366_400_000_000_000, {"viewer": "AAAA"})


def _journal() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal", 3)
        journal.append([Record(_ENTRY, b"parts"), Record(_ENTRY, b"")])
        journal.close()
        return (Path(folder) / "journal").read_bytes()


SEEDS = [
    str(_NOTE).encode(),
    _ENTRY,
    pack_entries([_ENTRY, b"x"]),
    str(_COSIGNER.verifier).encode(),
    draft_line(5, _DRAFT),
    b'{"id":1,"index":7,"wall_ns":9}\n',
    parts_to_json({"viewer": SealedPart(_PERSON, b"sealed")}),
    AddCheckpoint(300, (b"h" * 32, b"i" * 32), _NOTE).to_bytes(),
    _journal(),
]


def one(data: bytes) -> None:
    text = data.decode(errors="replace")
    for read in (_note, _entry, _bundle, _key, _draft, _answer, _parts, _asked, _kept):
        with contextlib.suppress(CivicamError):
            read(data, text)


def _note(data: bytes, text: str) -> None:
    note = Note.parse(data)
    assert Note.parse(str(note).encode()) == note
    assert Checkpoint.parse(note.text).text == note.text
    for signer in (_SIGNER, _COSIGNER):
        note.check(signer.verifier)
        assert note.text == _TEXT  # nobody can sign anything else without the key


def _entry(data: bytes, text: str) -> None:
    assert canonical(decode(data)) == data


def _bundle(data: bytes, text: str) -> None:
    assert pack_entries(unpack_entries(data, "bundle")) == data


def _key(data: bytes, text: str) -> None:
    assert str(VerifierKey.parse(text)) == text.strip()


def _draft(data: bytes, text: str) -> None:
    number, draft = parse_draft(data)
    encode(draft, 0, {})
    assert parse_draft(draft_line(number, draft)) == (number, draft)


def _answer(data: bytes, text: str) -> None:
    parse_number(data)


def _parts(data: bytes, text: str) -> None:
    assert parts_from_json(parts_to_json(found := parts_from_json(data))) == found


def _asked(data: bytes, text: str) -> None:
    asked = AddCheckpoint.parse(data)
    assert AddCheckpoint.parse(asked.to_bytes()) == asked


def _kept(data: bytes, text: str) -> None:
    """A journal that was altered is refused, or begins with what was appended."""
    if not data.startswith(b"CIVJRNL1"):
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "journal"
        path.write_bytes(data)
        journal = Journal(path, 0)
        journal.append([Record(b"more", b"")])
        records = [*journal.records]
        journal.close()
        again = Journal(path, 0)
        assert again.records == records
        again.close()


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
