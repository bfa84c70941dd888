"""What holds of an export, and what does not."""

from dataclasses import dataclass, field

from civicam.core.spans import Span
from civicam.evidence.manifest import AnyManifest


@dataclass(slots=True)
class Verdict:
    """What holds of an export.

    Attributes:
        manifest: what it says, once that is known to be what the city signed and wrote down; None for an MP4 alone.
        entry: the ledger's entry that says that it was exported.
        logged: when that was written.
        witnesses: who signed the ledger's tree as well: those whose keys were given, and who did.
        unchecked: how many signatures more stand under it, of which nothing is known.
        late_ns: how long after its end the ledger committed to some of the footage, at most.
        footage: of each recorded segment, by what the ledger committed to, the stretches that films show.
        signed: how many messages of ONVIF Media Signing cameras sent, by camera; they were not checked.
        holes: stretches within what was asked for that hold no footage, by camera, each with why.
        holds: what is proven, in words.
        unproven: what is not, in words.
    """

    manifest: AnyManifest | None = None
    entry: int | None = None
    logged: str = ""
    witnesses: list[str] = field(default_factory=list)
    unchecked: int = 0
    late_ns: int = 0
    footage: dict[bytes, list[Span]] = field(default_factory=dict)
    signed: dict[str, int] = field(default_factory=dict)
    holes: dict[str, list[tuple[Span, str]]] = field(default_factory=dict)
    holds: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
