"""People on the command line: the first two administrators, who there is, and why somebody may or may not."""

import json
import re
from pathlib import Path

import pytest

from civicam.app import City
from civicam.config import DataFolder
from tests.fakes.command_line import civicam


@pytest.fixture
def data(tmp_path: Path) -> str:
    City.create(DataFolder(tmp_path / "city"), "Khujand", {})
    return str(tmp_path / "city")


def test_the_first_two_administrators_are_made_at_the_machine_and_no_third(data: str) -> None:
    for login in ("zarina", "rustam"):
        said = civicam("person", "found", login, login.title(), "--data", data)
        assert said.status == 0
        assert re.search(r"/#invitation=[\w-]{43}\n", said.text)
    third = civicam("person", "found", "third", "Third", "--data", data)
    assert (third.status, "has its two first administrators" in third.text) == (2, True)


def test_a_lost_invitation_is_made_anew(data: str) -> None:
    first, second = (civicam("person", "found", "zarina", "Zarina", "--data", data).text for _ in range(2))
    assert first != second
    listed = json.loads(civicam("person", "list", "--json", "--data", data).text)
    assert [(one["login"], one["state"], one["roles"]) for one in listed] == [("zarina", "invited", ["administrator"])]


def test_it_is_explained_why_somebody_may_not(data: str) -> None:
    civicam("person", "found", "zarina", "Zarina", "--data", data)
    said = json.loads(civicam("access", "explain", "zarina", "gate-1", "2026-03-01", "--json", "--data", data).text)
    live = next(one for one in said if one["action"] == "live")
    assert (live["allowed"], live["why"]) == (False, "nobody here is this person, or they have left")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody", "gate-1"), "nobody signs in as 'nobody'"),
        (("zarina", "../x"), "camera id"),
        (("zarina", "gate-1", "yesterday"), "no moment"),
    ],
)
def test_what_cannot_be_explained_is_said(data: str, arguments: tuple[str, ...], told: str) -> None:
    civicam("person", "found", "zarina", "Zarina", "--data", data)
    said = civicam("access", "explain", *arguments, "--data", data)
    assert (said.status, told in said.text) == (2, True), said.text
