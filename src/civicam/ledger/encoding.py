"""An entry as bytes: canonical JSON (RFC 8785) of strings, integers, lists and objects, so that it hashes one way."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from civicam.core.errors import LedgerError
from civicam.ledger.entry import Draft, Kind

ENTRY_BYTES: Final = 8192
VERSION: Final = 1
_MOST_INTEGER: Final = 2**53 - 1
"""JSON's numbers are exact up to here everywhere (RFC 8785, 3.2.2.3)."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED: Final = {"v", "kind", "at", "parts"}


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one way to write `value`: names in order, no spaces, UTF-8.

    Raises:
        LedgerError: it holds something that is not written the same everywhere.
    """
    _check_value(value, "entry")
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise LedgerError("an entry's text is not Unicode", fix="write it without lone surrogates") from None


def encode(draft: Draft, wall_ns: int, commitments: Mapping[str, str]) -> bytes:
    """The bytes of an entry.

    Args:
        draft: what happened.
        wall_ns: when it is written.
        commitments: to each of the draft's parts, in base64.

    Raises:
        LedgerError: a name or value cannot stand in an entry, or it is too long.
    """
    names = set(draft.facts)
    if names & _RESERVED or not all(_NAME.fullmatch(name) for name in (*names, *draft.parts)):
        raise LedgerError(f"a fact cannot be called {sorted(names & _RESERVED) or sorted(names)}")
    fields: dict[str, Any] = {"v": VERSION, "kind": draft.kind.value, "at": moment(wall_ns), **draft.facts}
    if commitments:
        fields["parts"] = dict(commitments)
    data = canonical(fields)
    if len(data) > ENTRY_BYTES:
        raise LedgerError(f"an entry has at most {ENTRY_BYTES} bytes, and this has {len(data)}", fix="say less")
    return data


def decode(data: bytes) -> dict[str, Any]:
    """The fields of an entry.

    Raises:
        LedgerError: the bytes are no entry, or written in another way than `encode` does.
    """
    try:
        fields = json.loads(data)
        is_canonical = isinstance(fields, dict) and canonical(fields) == data
    except (ValueError, RecursionError):
        raise LedgerError("these bytes are no entry") from None
    if not isinstance(fields, dict) or not is_canonical or fields.get("v") != VERSION:
        raise LedgerError("this is no entry of a version that is known here")
    if fields.get("kind") not in set(Kind) or not isinstance(fields.get("at"), str):
        raise LedgerError("an entry says what happened, and when")
    parts = fields.get("parts", {})
    if not isinstance(parts, dict) or not all(isinstance(one, str) for one in parts.values()):
        raise LedgerError("an entry's parts are commitments")
    return fields


def moment(wall_ns: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    seconds, rest_ns = divmod(wall_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def _check_value(value: object, where: str) -> None:
    match value:
        case str():
            return
        case bool() | float() | None:
            raise LedgerError(f"{value!r} cannot stand in an entry", where=where, fix="write text or a whole number")
        case int():
            if abs(value) > _MOST_INTEGER:
                raise LedgerError(f"{value} is too large a number for an entry", where=where, fix="write it as text")
        case list():
            for one in value:
                _check_value(one, where)
        case Mapping():
            for name, one in value.items():
                if not isinstance(name, str) or not name.isascii():
                    raise LedgerError(f"{name!r} cannot be a name in an entry", where=where)
                _check_value(one, name)
        case _:
            raise LedgerError(f"{value!r} cannot stand in an entry", where=where, fix="write text or a whole number")
