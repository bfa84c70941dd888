"""Clear footage has one way out, which demands a grant and an entry; nothing else hands any out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from civicam.access.decide import LiveGrant
from civicam.access.models import Grant, Where
from civicam.core.errors import NotAllowedError
from civicam.ledger.entry import PersonId, Receipt
from civicam.player import clear
from tests.fakes.recorded import KEYS

SOURCE = Path(__file__).parents[2] / "src/civicam"
FILES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}
CLEAR_TYPES = {"ArchivedFragment", "Fragment", "Sample", "Picture", "Row"}

MAY_READ_THE_ARCHIVE = {"player/playback.py", "player/clear.py"}
GIVES_SAMPLES = {
    "player/archive_reader.py": {"fragments", "samples_of", "parse_payload"},
    "player/encoder.py": {"encode"},  # of redacted pictures only
    "player/pipeline.py": {"decode", "flush"},  # a protocol: what it asks of a decoder
}
"""The public functions of player/ and web/ that return samples or pictures, and why they may."""


def names_in(node: ast.AST) -> set[str]:
    """Every name, attribute and text in a piece of code."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            found.add(inner.value)
        elif isinstance(inner, ast.alias):
            found |= {inner.name.rpartition(".")[2], inner.asname or ""}
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules and names that a file imports, whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def gives_samples(tree: ast.AST) -> set[str]:
    """Public functions whose return type has samples or pictures in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            returned = node.returns
            text = ast.unparse(returned) if returned is not None else ""
            words = set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
            if words & CLEAR_TYPES:
                found.add(node.name)
    return found


def test_one_file_names_the_function_that_gives_clear_footage() -> None:
    using = {name for name, tree in FILES.items() if "clear_stretch" in names_in(tree)}
    assert using - {"player/clear.py"} == {"web/clear_media.py"}
    importing = {n for n, tree in FILES.items() if any(i.startswith("civicam.player.clear") for i in imports(tree))}
    assert importing == {"web/clear_media.py"}


def test_one_file_makes_exports_and_it_asks_for_a_live_grant() -> None:
    for maker in ("civicam.evidence.original", "civicam.evidence.export"):
        assert {n for n, tree in FILES.items() if any(i.startswith(maker) for i in imports(tree))} == {"web/exports.py"}
    assert "live_grant" in names_in(FILES["web/exports.py"])


def test_only_playback_takes_samples_from_the_archive() -> None:
    using = {
        name
        for name, tree in FILES.items()
        for node in ast.walk(tree)
        if name.startswith(("player/", "web/"))
        and isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"fragments", "samples_of", "parse_payload"}
    }
    assert using - {"player/archive_reader.py"} <= MAY_READ_THE_ARCHIVE


def test_only_the_archive_reader_opens_segments() -> None:
    footage = ("civicam.footage.reader", "civicam.footage.segment_format", "civicam.footage.volume")
    using = {
        name
        for name, tree in FILES.items()
        if name.startswith("player/") and any(one.startswith(footage) for one in imports(tree))
    }
    assert using == {"player/archive_reader.py"}
    for name, tree in FILES.items():
        if name.startswith("web/"):
            assert not any(one.startswith("civicam.footage.reader") for one in imports(tree)), name


def test_no_other_public_function_of_player_or_web_returns_samples_or_pictures() -> None:
    found = {
        name: one
        for name, tree in FILES.items()
        if name.startswith(("player/", "web/")) and (one := gives_samples(tree))
    }
    # Private classes of playback may pass pictures on among themselves.
    private = {"player/playback.py": {"pictures", "rest"}}
    assert {name: one - private.get(name, set()) for name, one in found.items() if one - private.get(name, set())} == (
        GIVES_SAMPLES
    )
    classes = [node for node in FILES["player/playback.py"].body if isinstance(node, ast.ClassDef)]
    assert [node.name for node in classes if gives_samples(node) and not node.name.startswith("_")] == []


@pytest.mark.parametrize("code", ["def f() -> list[Sample]: ...", "async def f() -> Iterator['Picture']: ..."])
def test_a_function_that_returns_them_is_found(code: str) -> None:
    assert gives_samples(ast.parse(code)) == {"f"}
    assert not gives_samples(ast.parse("def f(sample: Sample) -> RedactedPicture: ..."))


def test_the_signature_demands_a_live_grant_and_a_receipt_of_the_ledger() -> None:
    hints = clear.clear_stretch.__annotations__
    assert (hints["grant"], hints["receipt"]) == (LiveGrant, Receipt)
    assert clear.clear_stretch.__defaults__ is None


def test_only_the_decision_makes_a_grant_live() -> None:
    grant = Grant(1, "", PersonId("0" * 32), frozenset({KEYS[0].camera}), (0, 1), b"", 0, Where(), 1, expires_ns=9)
    for seal in (None, "a seal", object()):
        with pytest.raises(NotAllowedError):
            LiveGrant(grant, KEYS[0].camera, (0, 1), 0, made_by=seal)  # type: ignore[arg-type]  # this must not work
