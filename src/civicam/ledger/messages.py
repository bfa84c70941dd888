"""What the ledger's process and its clients say to each other: lines of JSON, read as if they came from a stranger.

client: {"id": 7, "kind": "view", "facts": {…}, "parts": {"viewer": ["<person>", {…}]}}
server: {"id": 7, "index": 1234, "wall_ns": …}
server: {"id": 7, "error": "…", "where": "…", "fix": "…"}
"""

import json
from typing import Any, Final

from civicam.core.errors import LedgerError
from civicam.ledger.entry import SEAL, Draft, Kind, Part, PersonId, Receipt

LINE_BYTES: Final = 64 << 10
"""A line is at most so long; an entry is at most 8 KiB, and its parts about as much."""


def draft_line(number: int, draft: Draft) -> bytes:
    """The line that asks for `draft` to be written.

    Raises:
        LedgerError: it is too long.
    """
    parts = {role: [part.person, dict(part.facts)] for role, part in draft.parts.items()}
    line = _line({"id": number, "kind": draft.kind.value, "facts": dict(draft.facts), "parts": parts})
    if len(line) > LINE_BYTES:
        raise LedgerError(f"what is to be written is longer than {LINE_BYTES} bytes", fix="say less")
    return line


def parse_draft(line: bytes) -> tuple[int, Draft]:
    """The number and the draft of a client's line.

    Raises:
        LedgerError: it is something else.
    """
    try:
        said = json.loads(line)
        parts = {
            str(role): Part(PersonId(str(person)), {str(name): str(value) for name, value in facts.items()})
            for role, (person, facts) in said["parts"].items()
        }
        return int(said["id"]), Draft(Kind(said["kind"]), dict(said["facts"]), parts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise LedgerError("this is no draft of an entry") from None


def receipt_line(number: int, receipt: Receipt) -> bytes:
    """The line that says where a draft is."""
    return _line({"id": number, "index": receipt.index, "wall_ns": receipt.wall_ns})


def error_line(number: int, error: Exception) -> bytes:
    """The line that says why a draft is nowhere."""
    what, where, fix = (getattr(error, name, "") for name in ("what", "where", "fix"))
    return _line({"id": number, "error": what or str(error), "where": where, "fix": fix})


def parse_number(line: bytes) -> tuple[int, dict[str, Any]]:
    """Whose answer a server's line is, and all that it says.

    Raises:
        LedgerError: it is no answer.
    """
    try:
        said = json.loads(line)
        return int(said["id"]), dict(said)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LedgerError("the ledger's process gave an answer that is none") from None


def parse_answer(said: dict[str, Any], draft: Draft) -> Receipt:
    """The receipt for `draft` that an answer is.

    Raises:
        LedgerError: the draft was not written, and why.
    """
    if "error" in said:
        raise LedgerError(str(said["error"]), where=str(said.get("where", "")), fix=str(said.get("fix", "")))
    try:
        return Receipt(int(said["index"]), int(said["wall_ns"]), draft, made_by=SEAL)
    except (ValueError, TypeError, KeyError):
        raise LedgerError("the ledger's process gave an answer that is none") from None


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
