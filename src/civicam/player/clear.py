"""Clear footage. One function, which demands a grant and a ledger entry; nothing can make either.

Both arrive with access control and the ledger. Until then this file says what they will have to say.
"""

from collections.abc import Iterator
from dataclasses import InitVar, dataclass
from typing import NoReturn

from civicam.core.errors import NotAllowedError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.player.archive_reader import ArchivedFragment, ArchiveReader


class Seal:
    """What a grant or an entry is made with. There is none."""

    def __new__(cls) -> NoReturn:
        """Refuses.

        Raises:
            NotAllowedError: always.
        """
        raise NotAllowedError("nobody can be granted clear footage yet")


@dataclass(frozen=True)
class Grant:
    """Why somebody may see clear footage.

    Attributes:
        number: the grant.
        cameras: of which cameras.
        window: of which stretch of wall time.
        expires_wall_ns: until when it holds.
        made_by: proves that two people decided it.
    """

    number: int
    cameras: frozenset[CameraId]
    window: Span
    expires_wall_ns: int
    made_by: InitVar[Seal]

    def __post_init__(self, made_by: Seal) -> None:
        _check_seal(made_by)


@dataclass(frozen=True)
class LedgerEntry:
    """That a look was written down before it happened.

    Attributes:
        index: the entry's place in the ledger.
        grant_number: the grant that it was written for.
        key: the stream that is looked at.
        window: the stretch of wall time.
        wall_ns: when it was written.
        made_by: proves that the ledger has it.
    """

    index: int
    grant_number: int
    key: StreamKey
    window: Span
    wall_ns: int
    made_by: InitVar[Seal]

    def __post_init__(self, made_by: Seal) -> None:
        _check_seal(made_by)


def clear_fragments(
    archive: ArchiveReader, key: StreamKey, window: Span, grant: Grant, entry: LedgerEntry
) -> Iterator[ArchivedFragment]:
    """The fragments of `window` as they were recorded. Nothing calls this; tests hold that.

    Raises:
        NotAllowedError: the grant does not cover this, or the entry is of another look.
        CatalogueError: the catalogue cannot be read.
    """
    is_granted = key.camera in grant.cameras and grant.window[0] <= window[0] < window[1] <= grant.window[1]
    if not is_granted or entry.wall_ns >= grant.expires_wall_ns:
        raise NotAllowedError("the grant does not cover this stream and stretch, or has expired", where=str(key))
    if (entry.grant_number, entry.key, entry.window) != (grant.number, key, window):
        raise NotAllowedError("the ledger's entry is of another look", where=str(key))
    return archive.fragments(key, window)


def _check_seal(seal: object) -> None:
    if not isinstance(seal, Seal):
        raise NotAllowedError("nothing can make a grant or a ledger entry yet")
