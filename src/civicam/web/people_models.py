"""What is said and answered about people, rights, cases and grants. Moments are RFC 3339 in UTC."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from civicam.access.models import ChangeKind, RefusalReason, Role


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


Text = Annotated[str, StringConstraints(max_length=200)]
LongText = Annotated[str, StringConstraints(max_length=1000)]
Moment = Annotated[str, StringConstraints(max_length=40)]
Camera = Annotated[str, StringConstraints(max_length=63)]
PersonRef = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
Number = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Ways(_Model):
    """How people sign in here."""

    city: str
    is_founded: bool = Field(description="Its first two administrators have come.")
    elsewhere: bool = Field(description="They may sign in at the city's own provider.")


class SignIn(_Model):
    """What somebody signs in with."""

    login: Text
    password: Text
    code: Annotated[str, StringConstraints(max_length=40)] = Field(
        "", description="Of the authenticator, or a recovery code; without one, the answer says that it is needed."
    )


class RightModel(_Model):
    """A role, for a group of cameras, at some hours."""

    id: int
    role: Role
    group: str = Field(description="Empty for every camera.")
    hours: str = Field(description="Empty for always.")
    zone: str


class FirstWanted(_Model):
    """One of the first two administrators, at the first start."""

    first_start: Annotated[str, StringConstraints(max_length=100)] = Field(description="What the link carries.")
    login: Text
    name: Text


class FirstInvited(_Model):
    """The invitation of a first administrator; it is told this once."""

    invitation: str


class Me(_Model):
    """Who is signed in."""

    person: str
    login: str
    name: str
    rights: list[RightModel]
    ends: str | None = Field(description="When the session or token ends, if nothing ends it sooner.")


class Invitation(_Model):
    """An invitation, as the administrator handed it on."""

    invitation: Text
    invitation_code: Annotated[str, StringConstraints(max_length=40)] = ""


class WelcomeModel(_Model):
    """What the invited one needs."""

    login: str
    name: str
    secret: str = Field(description="For an authenticator, in base 32.")
    address: str = Field(description="The same as an authenticator reads it.")
    picture: str = Field(description="The address as a QR code, in SVG.")


class ComingWanted(Invitation):
    """How the invited one will sign in."""

    password: Text
    code: Annotated[str, StringConstraints(max_length=40)]


class Recovery(_Model):
    """Codes for when the authenticator is lost, each good once; they are told this once."""

    codes: list[str]


class SessionModel(_Model):
    """A session of one's own."""

    id: str
    begun: str
    seen: str
    is_this: bool


class Ref(_Model):
    """Which one."""

    id: Text


class PasskeyOffer(_Model):
    """What a browser is asked for a passkey."""

    challenge: str
    options: dict[str, Any] = Field(description="As WebAuthn's `parse…OptionsFromJSON` read them.")


class PasskeyAnswer(_Model):
    """What a browser answered."""

    challenge: Text
    answer: dict[str, Any] = Field(description="As `PublicKeyCredential.toJSON` writes it.")


class TokenWanted(_Model):
    """A token for a program."""

    name: Text
    actions: list[Text] = Field(min_length=1, max_length=20)
    cameras: list[Camera] = Field(default_factory=list, max_length=64)
    days: float = Field(gt=0, le=366)


class TokenModel(_Model):
    """A token of one's own."""

    id: str
    name: str
    actions: list[str]
    cameras: list[str]
    expires: str


class TokenMade(_Model):
    """A new token; it is told this once."""

    token: str


class PersonModel(_Model):
    """Somebody."""

    id: str
    login: str
    name: str
    state: str
    since: str
    rights: list[RightModel]


class PersonWanted(_Model):
    """Somebody who is to be invited."""

    login: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]


class Invited(_Model):
    """An invitation; it is told this once."""

    person: str
    invitation: str


class InvitationCode(_Model):
    """What opens an invitation that another administrator has."""

    code: str


class GroupModel(_Model):
    """Cameras that rights are given for."""

    name: str
    cameras: list[str]


class PeopleModel(_Model):
    """Everybody, and the groups of cameras."""

    people: list[PersonModel]
    groups: list[GroupModel]


class ChangeWanted(_Model):
    """A change of roles that another administrator is to do."""

    kind: ChangeKind
    person: PersonRef | None = None
    role: Role | None = None
    group: Annotated[str, StringConstraints(max_length=40)] = ""
    hours: Annotated[str, StringConstraints(max_length=400)] = ""
    right: Number | None = None
    cameras: list[Camera] = Field(default_factory=list, max_length=10_000)


class ChangeModel(ChangeWanted):
    """A change of roles, and how far it has come."""

    id: int
    state: str
    asked_by: str
    asked: str
    decided_by: str | None


class Numbered(_Model):
    """The number of what was made."""

    id: int


class CaseWanted(_Model):
    """A case that is to be opened."""

    number: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    purpose: Text
    legal_reference: Text


class CaseRef(_Model):
    """Which case."""

    number: Text


class CaseModel(CaseWanted):
    """A case."""

    opened_by: str
    opened: str
    closed: str | None


class Cameras(_Model):
    """Which cameras, and which stretch."""

    cameras: list[Camera] = Field(min_length=1, max_length=64)
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    reason: LongText


class GrantWanted(Cameras):
    """Clear video that somebody asks for."""

    case: Text
    hours: float = Field(24.0, gt=0, le=24 * 366)


class NarrowWanted(_Model):
    """What is to be left of a grant; what is left out stays."""

    cameras: list[Camera] | None = Field(None, max_length=64)
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="to")
    until: Moment | None = None


class GrantModel(_Model):
    """A grant, and how far it has come."""

    id: int
    case: str = Field(description="Empty where glass was broken.")
    person: str
    name: str
    cameras: list[str]
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    reason: str
    state: str
    is_break_glass: bool
    asked: str
    decided_by: str | None
    until: str | None
    hours: float = Field(description="How long it holds once it is approved.")
    is_own: bool


_Thousandth = Annotated[int, Field(ge=0, le=1000)]


class AreaWanted(_Model):
    """A rectangle of a picture, in thousandths of its width and height, for a while."""

    camera: Camera
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    left: _Thousandth
    top: _Thousandth
    right: _Thousandth
    bottom: _Thousandth


class ExportWanted(_Model):
    """What is to be exported, for whom."""

    grant: Number
    cameras: Annotated[list[Camera], Field(min_length=1, max_length=200)]
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    recipient: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    days: Annotated[float, Field(gt=0, le=14)] = Field(7, description="How long the link holds.")
    redacted: bool = Field(False, description="What moves is covered: for people beside whom others appear.")
    shown: Annotated[list[AreaWanted], Field(max_length=1000)] = Field(
        default_factory=list, description="Where a redacted one shows who asked for it."
    )
    covered: Annotated[list[AreaWanted], Field(max_length=1000)] = Field(
        default_factory=list, description="Where it covers what redaction takes for the scene."
    )


class ExportLink(_Model):
    """Where the package will be; it is told this once."""

    id: int
    link: str = Field(description="A path on this server, for the recipient.")


class ExportModel(_Model):
    """An export, and how far it has come."""

    id: int
    grant: int
    case: str
    redacted: bool
    shown: int = Field(description="In how many places it shows who asked.")
    uncovered: float = Field(ge=0, le=1, description="How much of its pictures and its time these uncover.")
    name: str = Field(description="Who exports it.")
    recipient: str
    cameras: list[str]
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    state: str = Field(description="making, ready, failed, or ended: its link does not hold any more")
    share: float = Field(ge=0, le=1, description="How much of it is made.")
    why: str = Field(description="Why it failed; empty where it did not.")
    until: str = Field(description="When the link lapses.")
    received: int = Field(description="How often it was given out.")
    is_own: bool


class HoldWanted(_Model):
    """What is to be kept, for which case, and until when at most."""

    case: Text
    cameras: Annotated[list[Camera], Field(min_length=1, max_length=200)]
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    review: Moment


class HoldModel(_Model):
    """Footage that is kept for a case."""

    id: int
    case: str
    name: str = Field(description="Who asked for it.")
    cameras: list[str]
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    review: str = Field(description="When it is reviewed, if it was approved.")
    until: str = Field(description="When it lapses as it is now.")
    state: str = Field(description="asked, active, refused, released or lapsed; what is asked for is kept, too")
    decided_by: str | None
    is_own: bool


class RequestWanted(_Model):
    """What a resident asks for, and who they are. The proof of that stays outside: only how it was shown is noted."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    contact: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="How they are reached."
    )
    told: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)] = Field(
        description="Where they were, what they looked like, what they ask for."
    )
    identity: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="Who looked at which proof of identity; not the proof."
    )
    cameras: Annotated[list[Camera], Field(min_length=1, max_length=64)]
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    received: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")] = Field(
        description="The day on which it came in, where the city is: the month is counted from then."
    )
    legal_reference: Text = Field(description="The provision that it rests on.")


class RequestAnswer(_Model):
    """What answers a request."""

    export: Number = Field(description="A ready export that was made for its case.")


class RequestRefusal(_Model):
    """Why a request is refused."""

    reason: RefusalReason
    words: LongText = Field(description="What the resident is told.")


class RequestDelay(_Model):
    """Why the answer takes longer."""

    words: LongText = Field(description="What the resident was told.")


class RequestModel(_Model):
    """A resident's request, and how far it has come. A year after the decision what they told is gone."""

    id: int
    case: str
    name: str
    contact: str
    told: str
    identity: str
    cameras: list[str]
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    received: str
    due: str = Field(description="Until when it is to be answered.")
    due_day: str = Field(description="The last day of that, in the city's time zone.")
    is_held: bool = Field(description="Its footage is kept whatever its days are.")
    taken_by: str
    state: str = Field(description="open, answered or refused")
    extended: str | None = Field(description="When the resident was told that it takes longer.")
    delay: str = Field(description="Why it takes longer, as they were told.")
    decided_by: str | None
    decided: str | None
    export: int | None = Field(description="The export that answers it.")
    exports: list[int] = Field(description="Ready exports of its case.")
    reason: RefusalReason | None
    refusal: str = Field(description="Why it was refused, as they are told.")
    received_answer: str | None
    is_forgotten: bool


class CasesModel(_Model):
    """Cases and grants."""

    purposes: list[str]
    cases: list[CaseModel]
    grants: list[GrantModel]


class EntryModel(_Model):
    """An entry of the ledger, with what it says about people."""

    index: int
    kind: str
    at: str
    facts: dict[str, object]
    parts: dict[str, dict[str, str] | None] = Field(description="By role in it; null for who was erased.")


class EntriesModel(_Model):
    """The newest entries."""

    size: int
    verifier: str = Field(description="The key that signs checkpoints (C2SP signed-note).")
    entries: list[EntryModel]
