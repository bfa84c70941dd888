"""What an entry says, and what of it the public sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType, Protocol, TypeAlias

from civicam.core.errors import NotAllowedError

PersonId = NewType("PersonId", str)
"""A random name (32 hexadecimal digits), which says nothing about who it is."""

Value: TypeAlias = "str | int | list[Value]"
"""What may stand in an entry: no floats, whose text is not the same everywhere."""


class Kind(StrEnum):
    """What happened."""

    SIGN_IN = "sign-in"
    SIGN_IN_FAILED = "sign-in-failed"
    SIGN_OUT = "sign-out"
    VIEW = "view"
    VIEW_END = "view-end"
    CASE = "case"
    GRANT_ASKED = "grant-asked"
    GRANT_APPROVED = "grant-approved"
    GRANT_REFUSED = "grant-refused"
    GRANT_NARROWED = "grant-narrowed"
    GRANT_REVOKED = "grant-revoked"
    GRANT_EXPIRED = "grant-expired"
    BREAK_GLASS = "break-glass"
    PERSON = "person"
    PERSON_ERASED = "person-erased"
    ROLE_ASKED = "role-asked"
    ROLE = "role"
    TOKEN = "token"  # noqa: S105 - no secret, the word for one
    CAMERA = "camera"
    SETTING = "setting"
    HOLD = "hold"
    REQUEST = "request"
    EXPORT = "export"
    DELETION = "deletion"
    FOOTAGE = "footage"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Part:
    """Facts about one person, of which the public sees a commitment.

    Attributes:
        person: whose key seals it.
        facts: what is so, such as `name` and `reason`.
    """

    person: PersonId
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written down.

    Attributes:
        kind: what happened.
        facts: what everybody may know of it.
        parts: what belongs to people, by their role in it (`viewer`, `asked-by`, `approved-by`, …).
    """

    kind: Kind
    facts: Mapping[str, Value] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)


class Seal:
    """Kept by the ledger's own files: without it there is no `Receipt`."""


SEAL: Final = Seal()


class Receipt:
    """That a draft is durable in the ledger. Made by the ledger only; what gives out media takes one.

    Attributes:
        index: the entry's place, from 0.
        wall_ns: when it was written.
        draft: what was written.
    """

    __slots__ = ("draft", "index", "wall_ns")

    def __init__(self, index: int, wall_ns: int, draft: Draft, *, made_by: Seal) -> None:
        if made_by is not SEAL:
            raise NotAllowedError("only the ledger makes a receipt")
        self.index: Final = index
        self.wall_ns: Final = wall_ns
        self.draft: Final = draft


class Writer(Protocol):
    """Whatever writes drafts down, and returns when they are durable."""

    def append(self, draft: Draft) -> Receipt:
        """Writes `draft` down; blocks until it is durable.

        Raises:
            LedgerError: it is not written, and what it was for must not happen.
        """
        ...
