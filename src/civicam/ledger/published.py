"""The ledger as everybody may have it: the checkpoint that its key signed, and the tree of that size."""

from dataclasses import dataclass

from civicam.core.errors import LedgerError
from civicam.ledger.log import LedgerFolder, read_verifier
from civicam.ledger.note import Note, VerifierKey
from civicam.ledger.tiles import TileReader, files_in
from civicam.ledger.verify import open_checkpoint


@dataclass(frozen=True, slots=True)
class Published:
    """What is published at one moment.

    Attributes:
        checkpoint: the signed note, as its file holds it.
        verifier: the key that signed it.
        reader: reads the tree of the checkpoint's size.
    """

    checkpoint: bytes
    verifier: VerifierKey
    reader: TileReader


def read_published(folder: LedgerFolder) -> Published:
    """The newest checkpoint of the ledger in `folder`, once its signature is checked. Blocks.

    Raises:
        LedgerError: there is no log, its checkpoint cannot be read, or its key did not sign that.
    """
    verifier = read_verifier(folder)
    try:
        text = folder.checkpoint.read_bytes()
    except OSError as error:
        raise LedgerError(f"the checkpoint cannot be read: {error.strerror}", where=str(folder.checkpoint)) from error
    size = open_checkpoint(Note.parse(text), verifier).size
    return Published(text, verifier, TileReader(size, files_in(folder.public)))
