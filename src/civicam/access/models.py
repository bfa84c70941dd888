"""What is known of people and of what they may: one dataclass a kind of row, each never changed but replaced.

`bytes` that are called sealed are opened with a person's key (`ledger.people_keys`), and noise once that is destroyed.
Times are wall nanoseconds.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from civicam.access.schedule import ALWAYS, Schedule
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.ledger.entry import PersonId

SessionId = NewType("SessionId", str)
"""SHA-256 of a session's secret, as hexadecimal digits: it finds the session, and opens nothing."""
TokenId = NewType("TokenId", str)
"""The same for a token of a program."""


class Role(StrEnum):
    """What somebody does here."""

    OPERATOR = "operator"
    INVESTIGATOR = "investigator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"


class PersonState(StrEnum):
    """Whether somebody is here."""

    INVITED = "invited"
    """they have not chosen a password yet"""
    ACTIVE = "active"
    LEFT = "left"
    ERASED = "erased"


class GrantState(StrEnum):
    """How far a grant has come."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"


class ChangeKind(StrEnum):
    """What a change of roles does."""

    GIVE = "give"
    TAKE = "take"
    GROUP = "group"
    ERASE = "erase"


class ChangeState(StrEnum):
    """How far a change of roles has come."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in, or could.

    Attributes:
        id: a random name.
        state: whether they are here.
        login_hash: a keyed hash of their login, which finds them; empty when they are erased.
        sealed: login and name.
        since_ns: when they were added.
        until_ns: when they left.
    """

    id: PersonId
    state: PersonState
    login_hash: str
    sealed: bytes
    since_ns: int
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Cameras that rights are given for.

    Attributes:
        name: what it is called.
        cameras: which.
    """

    name: str
    cameras: frozenset[CameraId]


@dataclass(frozen=True, slots=True)
class Right:
    """A role, for a group of cameras, at some hours.

    Attributes:
        id: its number.
        person: whose.
        role: which.
        group: the group's name; empty for every camera of the city.
        schedule: when.
        ended_ns: since when it is taken away.
    """

    id: int
    person: PersonId
    role: Role
    group: str = ""
    schedule: Schedule = ALWAYS
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """From where somebody asks: an approver must not be at the same place as who asked.

    Attributes:
        session: their session; empty at the machine itself.
        device: a random name that their browser keeps; empty at the machine itself.
    """

    session: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A change of rights or of a group, or that somebody is forgotten: two administrators do it together.

    Attributes:
        id: its number.
        kind: what it does.
        asked_by: the first administrator.
        asked_from: where they were.
        asked_ns: when.
        state: how far it has come.
        person: whose right, or who is forgotten.
        role: which is given.
        group: for which group; or the group that changes.
        schedule: at which hours.
        right: which is taken away.
        cameras: what the group then has.
        decided_by: the second administrator.
        decided_ns: when.
    """

    id: int
    kind: ChangeKind
    asked_by: PersonId
    asked_from: Where
    asked_ns: int
    state: ChangeState = ChangeState.ASKED
    person: PersonId | None = None
    role: Role | None = None
    group: str = ""
    schedule: Schedule = ALWAYS
    right: int | None = None
    cameras: frozenset[CameraId] = frozenset()
    decided_by: PersonId | None = None
    decided_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What clear video may be seen for.

    Attributes:
        number: as the authority writes it.
        purpose: one of the city's list.
        legal_reference: the provision it rests on.
        opened_by: who.
        opened_ns: when.
        closed_ns: since when nothing more is granted for it.
    """

    number: str
    purpose: str
    legal_reference: str
    opened_by: PersonId
    opened_ns: int
    closed_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """That one person may see clear video of some cameras and one stretch, for a case, for a while.

    Attributes:
        id: its number.
        case: the case's number; empty where glass was broken.
        person: who may see it; it was them who asked.
        cameras: which.
        window: of which stretch.
        sealed_reason: why, in their words.
        asked_ns: when.
        asked_from: where they were.
        lasts_ns: for how long, from its approval on.
        state: how far it has come.
        is_break_glass: one person took it by themselves.
        decided_by: who approved or refused it.
        decided_ns: when.
        expires_ns: until when it holds.
        ended_ns: when it was revoked or had expired.
    """

    id: int
    case: str
    person: PersonId
    cameras: frozenset[CameraId]
    window: Span
    sealed_reason: bytes
    asked_ns: int
    asked_from: Where
    lasts_ns: int
    state: GrantState = GrantState.ASKED
    is_break_glass: bool = False
    decided_by: PersonId | None = None
    decided_ns: int | None = None
    expires_ns: int | None = None
    ended_ns: int | None = None


class HoldState(StrEnum):
    """How far a hold has come."""

    ASKED = "asked"
    ACTIVE = "active"
    REFUSED = "refused"
    RELEASED = "released"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Hold:
    """Footage that is kept for a case, whatever its days are.

    Attributes:
        id: its number.
        case: the case's number.
        person: who asked for it.
        cameras: footage of which cameras.
        window: of which stretch.
        review_ns: until when; then it lapses.
        asked_ns: when.
        asked_from: where they were.
        state: how far it has come; what was asked for is kept, too.
        decided_by: who approved or refused it.
        decided_ns: when.
        ended_ns: when it was refused, released, or had lapsed.
    """

    id: int
    case: str
    person: PersonId
    cameras: frozenset[CameraId]
    window: Span
    review_ns: int
    asked_ns: int
    asked_from: Where
    state: HoldState = HoldState.ASKED
    decided_by: PersonId | None = None
    decided_ns: int | None = None
    ended_ns: int | None = None


class RequestState(StrEnum):
    """How far a resident's request has come."""

    OPEN = "open"
    ANSWERED = "answered"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    """Why a resident's request is refused (GDPR)."""

    IDENTITY = "identity-not-proven"
    """who asks is not who is seen, as far as anybody knows (Art. 12(6))"""
    NO_FOOTAGE = "no-footage"
    """there is none: deleted after its days, or never recorded (Art. 15(1))"""
    NOT_FOUND = "not-to-be-found"
    """who asks cannot be found in it without identifying others, too (Art. 11(2))"""
    OTHERS = "rights-of-others"
    """covering others is not enough for them (Art. 15(4))"""
    EXCESSIVE = "excessive"
    """manifestly unfounded or excessive, such as the same again and again (Art. 12(5))"""
    LAW = "forbidden-by-law"
    """a law restricts it, such as while a crime is investigated (Art. 23)"""


@dataclass(frozen=True, slots=True)
class Request:
    """A resident's, for footage in which they are seen.

    Attributes:
        id: its number.
        subject: a random name for the resident, with a key of its own; nobody among the city's people.
        case: the number of its case.
        cameras: which may have seen them.
        window: in which stretch.
        sealed: all that they told.
        received_ns: when it came in.
        due_ns: until when it is to be answered.
        taken_by: who took it in.
        state: how far it has come.
        extended_ns: when the resident was told that it takes longer.
        sealed_delay: why, as they were told.
        decided_by: who answered or refused it.
        decided_ns: when.
        export: the number of the export that answers it.
        reason: why it was refused.
        sealed_refusal: the same in words, as the resident is told.
        received_answer_ns: when the resident had the answer.
        forgotten_ns: when what they told was forgotten.
    """

    id: int
    subject: PersonId
    case: str
    cameras: frozenset[CameraId]
    window: Span
    sealed: bytes
    received_ns: int
    due_ns: int
    taken_by: PersonId
    state: RequestState = RequestState.OPEN
    extended_ns: int | None = None
    sealed_delay: bytes = b""
    decided_by: PersonId | None = None
    decided_ns: int | None = None
    export: int | None = None
    reason: RefusalReason | None = None
    sealed_refusal: bytes = b""
    received_answer_ns: int | None = None
    forgotten_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in.

    Attributes:
        id: finds it.
        person: who.
        device: a random name that their browser keeps.
        begun_ns: when they signed in.
        seen_ns: when they last asked for something.
        ended_ns: when it ended, None while it lasts.
    """

    id: SessionId
    person: PersonId
    device: str
    begun_ns: int
    seen_ns: int
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """What a program asks with, for one person, narrower than that person's rights.

    Attributes:
        id: finds it.
        person: for whom.
        name: what it is for.
        actions: the only things it may be used for.
        cameras: the only cameras; all that the person may see, if there are none.
        begun_ns: when it was made.
        expires_ns: until when it holds.
        ended_ns: when it was taken back.
    """

    id: TokenId
    person: PersonId
    name: str
    actions: frozenset[str]
    cameras: frozenset[CameraId] = field(default_factory=frozenset)
    begun_ns: int = 0
    expires_ns: int = 0
    ended_ns: int | None = None
