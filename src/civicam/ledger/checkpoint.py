"""Checkpoints: what a log says of its tree, to be signed (C2SP tlog-checkpoint)."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from civicam.core.errors import LedgerError
from civicam.ledger.merkle import HASH_BYTES, Hash

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree as it was.

    Attributes:
        origin: the log's name.
        size: entries.
        root: the tree's.
        extensions: further lines; none of ours has any.
    """

    origin: str
    size: int
    root: Hash
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        return "\n".join((self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint that a note's text holds.

        Raises:
            LedgerError: it holds none.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise LedgerError("a checkpoint has an origin, a size and a root, each on its line")
        origin, size, root, *extensions = lines[:-1]
        if not _SIZE.fullmatch(size):
            raise LedgerError(f"{size[:40]!r} is no size of a tree")
        try:
            raw = base64.b64decode(root, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != HASH_BYTES or base64.b64encode(raw).decode() != root:
            raise LedgerError(f"{root[:80]!r} is no root of a tree")
        return cls(origin, int(size), raw, tuple(extensions))
