"""Asks witnesses to sign a log's checkpoint (C2SP tlog-witness). One that does not answer is an alarm, never a wait."""

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

from civicam.core.errors import LedgerError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.merkle import consistency_proof
from civicam.ledger.note import Note, Signature, VerifierKey
from civicam.ledger.plan import WitnessPlan
from civicam.ledger.tiles import TileReader
from civicam.ledger.witness import AddCheckpoint, Refusal

WITHIN_S: Final = 10.0
_ANSWER_BYTES: Final = 4096

Post = Callable[[str, bytes], tuple[int, bytes]]
"""Sends a body to a URL; returns status and body of the answer. Raises OSError where there is none."""


class RolledBackError(LedgerError):
    """A witness has signed more of this log than there is of it: it was restored from an old backup, or forked."""


class WitnessClient:
    """One witness. Blocks while it asks; one thread at a time.

    Args:
        plan: where it is, and its key.
        post: how it is asked.

    Raises:
        LedgerError: the key is none.
    """

    def __init__(self, plan: WitnessPlan, post: Post | None = None) -> None:
        self.key = VerifierKey.parse(plan.key)
        self._url = f"{plan.url.rstrip('/')}/add-checkpoint"
        self._post = post or _post
        self._size = 0

    def sign(self, note: Note, reader: TileReader) -> Signature:
        """Has the newest checkpoint signed.

        Args:
            note: the checkpoint, signed by the log.
            reader: the tree's tiles.

        Raises:
            RolledBackError: the witness has signed more than there is.
            LedgerError: it does not answer, or does not sign.
        """
        size = Checkpoint.parse(note.text).size
        status, body = self._ask(note, reader)
        if status == Refusal.OTHER_SIZE:
            self._size = _size_in(body, self.key.name)
            if self._size > size:
                raise RolledBackError(
                    f"{self.key.name} has signed {self._size} entries of this ledger, and there are {size}",
                    fix="nothing is written to it; restore the newest backup of the whole ledger",
                )
            status, body = self._ask(note, reader)
        if status == Refusal.OTHER_SIZE and _size_in(body, self.key.name) == size:
            raise RolledBackError(
                f"{self.key.name} has signed another tree of {size} entries of this ledger",
                fix="nothing is written to it; find out which of the two is the ledger",
            )
        if status != 200:
            raise LedgerError(f"{self.key.name} does not sign: it answers {status}", where=self._url)
        signature = self._signature_in(body, note)
        self._size = size
        return signature

    def _ask(self, note: Note, reader: TileReader) -> tuple[int, bytes]:
        proof = consistency_proof(self._size, reader.size, reader.node)
        try:
            return self._post(self._url, AddCheckpoint(self._size, tuple(proof), note).to_bytes())
        except OSError as error:
            raise LedgerError(f"{self.key.name} does not answer: {error}", where=self._url) from error

    def _signature_in(self, body: bytes, note: Note) -> Signature:
        signed = Note.parse(note.text.encode() + b"\n" + body)
        signed.check(self.key)
        return next(one for one in signed.signatures if one.key_id == self.key.id and one.name == self.key.name)


def _size_in(body: bytes, name: str) -> int:
    text = body.strip()
    if not text.isdigit() or len(text) > 19:
        raise LedgerError(f"{name} answers something that is no size")
    return int(text)


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain"})  # noqa: S310 - settings say http(s)
    try:
        with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:  # noqa: S310
            return answer.status, answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_ANSWER_BYTES)
