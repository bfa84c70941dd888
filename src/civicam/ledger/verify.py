"""Checks a whole log: its entries make its tree, its tree is what its checkpoint signs, and it only ever grew."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from civicam.core.errors import LedgerError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.encoding import decode
from civicam.ledger.merkle import Hash, check_consistency, consistency_proof, leaf_hash, root_of
from civicam.ledger.note import Note, VerifierKey
from civicam.ledger.tiles import WIDTH, ReadFile, TileReader, tile_path

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many entries of how many were read."""


@dataclass(slots=True)
class Verified:
    """What was found.

    Attributes:
        checkpoint: what the log says of itself; None where that cannot be believed.
        witnesses: who confirmed it, and when (seconds since 1970).
        problems: what is wrong, each with its place; empty where all is well.
    """

    checkpoint: Checkpoint | None = None
    witnesses: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of a log beforehand.

    Attributes:
        key: the log's.
        witnesses: keys of witnesses.
        quorum: so many of them must have signed.
        earlier: checkpoints seen before, signed by the log: the log must have grown from each.
    """

    key: VerifierKey
    witnesses: Sequence[VerifierKey] = ()
    quorum: int = 0
    earlier: Sequence[Note] = ()


def open_checkpoint(note: Note, key: VerifierKey) -> Checkpoint:
    """The checkpoint in `note`.

    Raises:
        LedgerError: `key`'s holder did not sign it, or it is another log's.
    """
    note.check(key)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != key.name:
        raise LedgerError(f"the checkpoint is of {checkpoint.origin}", where=key.name)
    return checkpoint


def verify(read_file: ReadFile, trust: Trust, progress: Progress | None = None) -> Verified:
    """Reads a whole log, and says what is wrong with it; raises nothing."""
    found = Verified()
    try:
        note = Note.parse(read_file("checkpoint"))
        checkpoint = found.checkpoint = open_checkpoint(note, trust.key)
    except LedgerError as error:
        found.problems.append(f"checkpoint: {error}")
        return found
    _check_witnesses(note, trust, found)
    leaves: list[Hash] = []
    try:
        for entry_hash in _leaves(checkpoint.size, read_file, found):
            leaves.append(entry_hash)
            if progress is not None and len(leaves) % WIDTH == 0:
                progress(len(leaves), checkpoint.size)
        _check_tree(leaves, checkpoint, read_file, found)
        reader = TileReader(checkpoint.size, read_file)
        for earlier in trust.earlier:
            _check_grown(earlier, trust.key, checkpoint, reader, found)
    except LedgerError as error:
        found.problems.append(str(error))
    return found


def _check_witnesses(note: Note, trust: Trust, found: Verified) -> None:
    for witness in trust.witnesses:
        try:
            found.witnesses[witness.name] = note.check(witness)
        except LedgerError as error:
            if "does not hold" in error.what:
                found.problems.append(f"checkpoint: {error}")
    if len(found.witnesses) < trust.quorum:
        found.problems.append(f"checkpoint: {len(found.witnesses)} witnesses signed it, and {trust.quorum} must")


def _leaves(size: int, read_file: ReadFile, found: Verified) -> Iterator[Hash]:
    reader, before = TileReader(size, read_file), ""
    for bundle in range(-(-size // WIDTH)):
        for number, entry in enumerate(reader.entries(bundle)):
            try:
                at = decode(entry)["at"]
                if at < before:
                    found.problems.append(f"entry {bundle * WIDTH + number}: is older than the one before it")
                before = max(at, before)
            except LedgerError as error:
                found.problems.append(f"entry {bundle * WIDTH + number}: {error}")
            yield leaf_hash(entry)


def _check_tree(leaves: list[Hash], checkpoint: Checkpoint, read_file: ReadFile, found: Verified) -> None:
    """The tree made of the entries alone is the checkpoint's, and so is every tile."""
    if root_of(leaves) != checkpoint.root:
        found.problems.append(f"the {checkpoint.size} entries do not make the tree that the checkpoint signs")
    level, hashes = 0, leaves
    while hashes:
        for number in range(-(-len(hashes) // WIDTH)):
            part = hashes[number * WIDTH : (number + 1) * WIDTH]
            path = tile_path(level, number, len(part))
            if read_file(path) != b"".join(part):
                found.problems.append(f"{path}: is not what the entries make")
        hashes = [root_of(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - len(hashes) % WIDTH, WIDTH)]
        level += 1


def _check_grown(earlier: Note, key: VerifierKey, checkpoint: Checkpoint, reader: TileReader, found: Verified) -> None:
    try:
        old = open_checkpoint(earlier, key)
        proof = consistency_proof(old.size, checkpoint.size, reader.node)
        check_consistency(old.size, checkpoint.size, old.root, checkpoint.root, proof)
    except LedgerError as error:
        found.problems.append(f"an earlier checkpoint: {error}")
