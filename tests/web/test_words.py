"""Every language says everything, with the same places for names and numbers."""

import json
import re
from pathlib import Path

import pytest

from civicam.core.ids import GapCause
from civicam.footage.volume import RoomLevel
from civicam.ledger.entry import Kind
from civicam.web import conditions

WORDS = Path(__file__).parents[2] / "control-room" / "words"
ENGLISH = json.loads((WORDS / "en.json").read_text("utf-8"))


def places(message: str) -> set[str]:
    """The arguments of a message (ICU MessageFormat)."""
    return set(re.findall(r"\{(\w+)(?:\}|,\s*(?:plural|select|number))", message))


@pytest.mark.parametrize("language", ["ru", "tg"])
def test_a_language_says_everything_in_its_own_words(language: str) -> None:
    words = json.loads((WORDS / f"{language}.json").read_text("utf-8"))
    assert words.keys() == ENGLISH.keys()
    wrong = [key for key, message in words.items() if places(message) != places(ENGLISH[key])]
    assert wrong == []
    same = [key for key, message in words.items() if message == ENGLISH[key]]
    assert len(same) < 3, same


def test_what_the_server_names_by_a_code_is_said_in_words() -> None:
    codes = [
        *(f"state.{code}" for code in conditions.CODES),
        *(f"cause.{cause.label.replace(' ', '-')}" for cause in GapCause),
        *(f"kind.{kind.value}" for kind in Kind),
        *(f"level.{level}" for level in (*RoomLevel, "gone")),
        *(f"problem.{status}" for status in (400, 401, 403, 404, 429, 503)),
    ]
    assert [code for code in codes if code not in ENGLISH] == []
