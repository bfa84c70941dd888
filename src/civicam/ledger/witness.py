"""A witness: it signs a log's checkpoint only if the log extends what it signed before (C2SP tlog-witness).

Whoever shows two people two versions of a log would need the witnesses to forget what they signed. So what was seen is
durable before anything is signed.
"""

import base64
import binascii
import hashlib
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from civicam.core.citykey import KEY_BYTES, Entropy
from civicam.core.errors import LedgerError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.durable import explained, write_whole
from civicam.ledger.merkle import EMPTY_ROOT, HASH_BYTES, Hash, check_consistency
from civicam.ledger.note import NOTE_BYTES, Algorithm, Note, Signature, Signer, VerifierKey
from civicam.ledger.verify import open_checkpoint

REQUEST_BYTES: Final = NOTE_BYTES + 8192
_MOST_HASHES: Final = 63
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")


def load_witness_key(folder: Path, name: str, entropy: Entropy = os.urandom) -> Signer:
    """The witness's key in `folder`, made if there is none.

    Args:
        folder: its own.
        name: what a new one is known by; one that is there keeps its name.
        entropy: where a new key comes from.

    Raises:
        LedgerError: it cannot be read or made, or goes by another name.
    """
    path = folder / "witness.key"
    with explained("the witness's key was read", path):
        if not path.exists():
            Signer(name, bytes(KEY_BYTES))  # a name that cannot be one is told before anything is made
            write_whole(path, entropy(KEY_BYTES) + name.encode(), 0o600)
        data = path.read_bytes()
    kept = data[KEY_BYTES:].decode(errors="replace")
    if name not in ("", kept):
        raise LedgerError(f"this witness goes by {kept}", where=str(path), fix="leave --name out")
    return Signer(kept, data[:KEY_BYTES], Algorithm.COSIGNATURE)


class Refusal(IntEnum):
    """Why a witness does not sign, as the status that it answers with."""

    MALFORMED = 400
    NO_SIGNATURE = 403
    UNKNOWN_LOG = 404
    OTHER_SIZE = 409
    NO_PROOF = 422


class WitnessError(LedgerError):
    """A checkpoint is not signed.

    Args:
        refusal: why.
        what: in words.
        size: of the tree that was signed last, where that is why.
    """

    def __init__(self, refusal: Refusal, what: str, size: int = 0) -> None:
        super().__init__(what)
        self.refusal, self.size = refusal, size


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a log asks of a witness.

    Attributes:
        old_size: the tree that the witness signed last, as the log believes.
        proof: that the new tree extends it.
        note: the new checkpoint, signed by the log.
    """

    old_size: int
    proof: tuple[Hash, ...]
    note: Note

    def to_bytes(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old_size}", *(base64.b64encode(one).decode() for one in self.proof), "", str(self.note)]
        return "\n".join(lines).encode()

    @classmethod
    def parse(cls, data: bytes) -> "AddCheckpoint":
        """The request in a body.

        Raises:
            WitnessError: there is none.
        """
        head, is_divided, note = data.partition(b"\n\n")
        try:
            first, *hashes = head.decode("ascii").split("\n")
            proof = tuple(base64.b64decode(one, validate=True) for one in hashes)
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise WitnessError(Refusal.MALFORMED, "the proof is no base64") from None
        old = _OLD.fullmatch(first)
        is_proof = len(proof) <= _MOST_HASHES and all(len(one) == HASH_BYTES for one in proof)
        if old is None or not is_divided or not is_proof or len(data) > REQUEST_BYTES:
            raise WitnessError(Refusal.MALFORMED, "write 'old SIZE', a proof, an empty line, and a checkpoint")
        try:
            return cls(int(old[1]), proof, Note.parse(note))
        except LedgerError as error:
            raise WitnessError(Refusal.MALFORMED, error.what) from None


class Witness:
    """Signs for some logs. Any thread may ask it; one request of a log at a time is looked at.

    Args:
        folder: where it keeps what it signed.
        signer: its cosigning key.
        logs: the keys of the logs that it signs for.
    """

    def __init__(self, folder: Path, signer: Signer, logs: Sequence[VerifierKey]) -> None:
        self._folder = folder
        self._signer = signer
        self._logs = {key.name: key for key in logs}
        self._lock = threading.Lock()

    def add_checkpoint(self, asked: AddCheckpoint, now_s: int) -> Signature:
        """Signs a checkpoint that extends what was signed before.

        Args:
            asked: the checkpoint, and the proof.
            now_s: seconds since 1970.

        Raises:
            WitnessError: it does not, and why.
            LedgerError: what is signed cannot be written down.
        """
        origin = asked.note.text.partition("\n")[0]
        key = self._logs.get(origin)
        if key is None:
            raise WitnessError(Refusal.UNKNOWN_LOG, "this witness does not know that log")
        try:
            new = open_checkpoint(asked.note, key)
        except LedgerError as error:
            raise WitnessError(Refusal.NO_SIGNATURE, error.what) from None
        with self._lock:
            last = self._last(key)
            _check_extends(last, asked, new)
            with explained("what is signed was written down", self._path(key)):
                write_whole(self._path(key), str(asked.note).encode())
            return self._signer.sign(asked.note.text, now_s)

    def _last(self, key: VerifierKey) -> Checkpoint:
        path = self._path(key)
        if not path.exists():
            return Checkpoint(key.name, 0, EMPTY_ROOT)
        with explained("what was signed before was read", path):
            return open_checkpoint(Note.parse(path.read_bytes()), key)

    def _path(self, key: VerifierKey) -> Path:
        return self._folder / f"{hashlib.sha256(key.name.encode()).hexdigest()[:32]}.checkpoint"


def _check_extends(last: Checkpoint, asked: AddCheckpoint, new: Checkpoint) -> None:
    if asked.old_size > new.size:
        raise WitnessError(Refusal.MALFORMED, "the old tree is larger than the new one")
    if asked.old_size != last.size or (new.size == last.size and new.root != last.root):
        raise WitnessError(Refusal.OTHER_SIZE, f"another tree was signed last, of {last.size} entries", last.size)
    try:
        check_consistency(last.size, new.size, last.root, new.root, asked.proof)
    except LedgerError as error:
        raise WitnessError(Refusal.NO_PROOF, error.what) from None
