"""Every language says everything, with the same places for names and numbers."""

import json
import re
from pathlib import Path

import pytest

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
