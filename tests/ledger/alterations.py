"""Ways to alter a log, as somebody might who holds its files, or its key too; every one must be found.

`python -m tests.ledger.alterations --runs 100000 --seed 1` tries that many.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from civicam.core.errors import LedgerError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.merkle import EMPTY_ROOT, leaf_hash, root_of
from civicam.ledger.note import Algorithm, Note, Signer
from civicam.ledger.tiles import WIDTH, entries_path, pack_entries, tile_path
from civicam.ledger.verify import Trust, verify
from tests.ledger.house import NOON_NS, LedgerHouse, drafts

Files = dict[str, bytes]
"""A log's public files, by path."""

WITNESSES = [Signer(f"witness-{number}.example", bytes([7, number] * 16), Algorithm.COSIGNATURE) for number in (1, 2)]


@dataclass(frozen=True)
class Truth:
    """A log as it was published, what was seen of it before, and the key that it is signed with."""

    entries: list[bytes]
    files: Files
    earlier: Note
    signer: Signer
    trust: Trust


def cosigned(note: Note) -> Note:
    """The note with both witnesses' signatures."""
    return note.with_signatures(one.sign(note.text, 1_800_000_000) for one in WITNESSES)


def signed(signer: Signer, entries: list[bytes]) -> Note:
    """A checkpoint of these entries, as whoever holds the log's key can make."""
    root = root_of([leaf_hash(entry) for entry in entries]) if entries else EMPTY_ROOT
    text = Checkpoint(signer.verifier.name, len(entries), root).text
    return Note(text, (signer.sign(text),))


def published(entries: list[bytes], note: Note) -> Files:
    """The public files of a log of these entries."""
    files = {"checkpoint": str(note).encode()}
    for at in range(0, len(entries), WIDTH):
        part = entries[at : at + WIDTH]
        files[entries_path(at // WIDTH, len(part))] = pack_entries(part)
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    while hashes:
        for at in range(0, len(hashes), WIDTH):
            part = hashes[at : at + WIDTH]
            files[tile_path(level, at // WIDTH, len(part))] = b"".join(part)
        hashes = [root_of(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - len(hashes) % WIDTH, WIDTH)]
        level += 1
    return files


def make_truth(folder: Path, size: int = 600) -> Truth:
    """A log of that many entries, with witnesses, and a checkpoint of its first half seen before."""
    house = LedgerHouse.build(folder)
    log = house.open()
    log.append(drafts(size // 2), NOON_NS)
    log.integrate()
    earlier = log.note()
    log.append(drafts(size - size // 2, size // 2), NOON_NS + 10**9)
    log.integrate()
    note = cosigned(log.note())
    reader = log.reader()
    entries = [reader.entry(index) for index in range(size)]
    trust = Trust(log.verifier, [one.verifier for one in WITNESSES], 2, [earlier])
    truth = Truth(entries, published(entries, note), earlier, log._signer, trust)
    for path, data in truth.files.items():
        if path != "checkpoint":
            assert (house.folder.public / path).read_bytes() == data
    log.close()
    return truth


def problems_of(files: Files, trust: Trust) -> list[str]:
    """What the verifier says of a log."""

    def read(path: str) -> bytes:
        if path not in files:
            raise LedgerError("there is no such file", where=path)
        return files[path]

    return verify(read, trust).problems


Alteration = Callable[[Truth, random.Random], tuple[Files, Trust]]


def bit_flipped(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """One bit of one file."""
    path = rng.choice(list(truth.files))
    data = bytearray(truth.files[path])
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return truth.files | {path: bytes(data)}, truth.trust


def file_gone(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """One file deleted."""
    gone = rng.choice(list(truth.files))
    return {path: data for path, data in truth.files.items() if path != gone}, truth.trust


def file_cut(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """One file ends early."""
    path = rng.choice(list(truth.files))
    return truth.files | {path: truth.files[path][: rng.randrange(len(truth.files[path]))]}, truth.trust


def _rewritten(truth: Truth, entries: list[bytes], *, with_key: bool) -> Files:
    """All files made anew; with the log's key the checkpoint too, but never the witnesses' signatures."""
    note = signed(truth.signer, entries) if with_key else Note.parse(truth.files["checkpoint"])
    return published(entries, note)


def entry_edited(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """Another camera, and all tiles made anew."""
    entries = [*truth.entries]
    at = rng.randrange(len(entries))
    entries[at] = entries[at].replace(b"gate-1", b"gate-%d" % rng.randint(2, 9))
    return _rewritten(truth, entries, with_key=rng.random() < 0.5), truth.trust


def entry_deleted(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """One entry left out."""
    entries = [*truth.entries]
    del entries[rng.randrange(len(entries))]
    return _rewritten(truth, entries, with_key=rng.random() < 0.5), truth.trust


def entry_added(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """One entry more, somewhere."""
    entries = [*truth.entries]
    entries.insert(rng.randrange(len(entries) + 1), rng.choice(truth.entries))
    return _rewritten(truth, entries, with_key=rng.random() < 0.5), truth.trust


def entries_swapped(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """Two entries in each other's place."""
    entries = [*truth.entries]
    one, other = rng.sample(range(len(entries)), 2)
    entries[one], entries[other] = entries[other], entries[one]
    return _rewritten(truth, entries, with_key=rng.random() < 0.5), truth.trust


def rolled_back(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """The log as it was earlier, from a backup: sound in itself, and shorter than what was seen."""
    entries = truth.entries[: rng.randrange(len(truth.entries) // 2)]
    old = cosigned(signed(truth.signer, entries))  # the witnesses did sign it, then
    return published(entries, old), truth.trust


def forked(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """Another history from somewhere before what was seen, signed with the log's key and by witnesses who forgot."""
    at = rng.randrange(len(truth.entries) // 2)
    entries = [*truth.entries[:at], *(rng.sample(truth.entries, len(truth.entries) - at))]
    entries[at] = truth.entries[at].replace(b"redacted", b"clear000")
    return published(entries, cosigned(signed(truth.signer, entries))), truth.trust


def split_view(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """Each witness was shown another tree of one size; none of the two checkpoints has both."""
    at = rng.randrange(len(truth.entries) // 2, len(truth.entries))
    entries = [*truth.entries]
    entries[at] = entries[at].replace(b"gate-1", b"gate-2")
    note = signed(truth.signer, entries)
    fooled = rng.choice(WITNESSES)
    return published(entries, note.with_signatures([fooled.sign(note.text, 1_800_000_000)])), truth.trust


def signed_by_another(truth: Truth, rng: random.Random) -> tuple[Files, Trust]:
    """The right name, and another key."""
    other = Signer(truth.signer.verifier.name, rng.randbytes(32))
    return published(truth.entries, cosigned(signed(other, truth.entries))), truth.trust


ALTERATIONS: list[Alteration] = [
    bit_flipped, file_gone, file_cut, entry_edited, entry_deleted, entry_added, entries_swapped, rolled_back, forked,
    split_view, signed_by_another,
]  # fmt: skip


def main() -> None:
    """Tries as many as asked; ends with 1 if any was not found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    rng, missed = random.Random(chosen.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        truth = make_truth(Path(folder) / "ledger")
    assert problems_of(truth.files, truth.trust) == []
    for run in range(chosen.runs):
        alter = ALTERATIONS[run % len(ALTERATIONS)]
        files, trust = alter(truth, rng)
        if files != truth.files and not problems_of(files, trust):
            missed += 1
            sys.stdout.write(f"run {run}: {alter.__name__} was not found\n")
    sys.stdout.write(f"{chosen.runs} alterations, seed {chosen.seed}: {missed} not found\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
