"""The ledger on the command line."""

import json
from pathlib import Path

import pytest

from civicam.app import City
from civicam.config import DataFolder
from civicam.ledger.entry import Draft, Kind, Part
from civicam.ledger.log import LedgerFolder, Log
from civicam.ledger.people_keys import new_person_id
from tests.fakes.command_line import civicam


@pytest.fixture
def city(tmp_path: Path) -> City:
    city = City.create(DataFolder(tmp_path / "city"), "Khujand", {})
    log = Log(LedgerFolder(city.data.ledger), city.key)
    person = new_person_id()
    log.keys.create(person)
    log.append(
        [
            Draft(Kind.VIEW, {"camera": "gate-1", "media": "redacted"}),
            Draft(Kind.VIEW, {"camera": "gate-2", "media": "redacted"}, {"viewer": Part(person, {"name": "Nilufar"})}),
        ],
        1_772_366_400_000_000_000,
    )
    log.integrate()
    log.close()
    return city


def run(city: City, *arguments: str) -> tuple[int, str]:
    result = civicam(*arguments, "--data", str(city.data.root))
    return result.status, result.text


def test_a_whole_ledger_verifies_and_an_altered_one_does_not(city: City) -> None:
    status, said = run(city, "ledger", "verify")
    assert (status, said.splitlines()[-1]) == (0, "All of it holds.")
    bundle = city.data.ledger / "public" / "tile" / "entries" / "000.p" / "2"
    bundle.write_bytes(bundle.read_bytes().replace(b"gate-1", b"gate-9"))
    status, said = run(city, "ledger", "verify", "--json")
    assert status == 1
    assert json.loads(said)["problems"]


def test_a_log_must_have_grown_from_a_checkpoint_that_was_kept(city: City, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes((city.data.ledger / "public" / "checkpoint").read_bytes())
    assert run(city, "ledger", "verify", "--earlier", str(kept))[0] == 0
    other = City.create(DataFolder(tmp_path / "other"), "Khujand", {})
    assert run(other, "ledger", "verify", "--earlier", str(kept))[0] == 1


def test_entries_are_listed_as_the_public_sees_them_and_explained_with_names(city: City) -> None:
    status, said = run(city, "ledger", "list", "--json")
    assert status == 0
    assert [entry["camera"] for entry in json.loads(said)] == ["gate-1", "gate-2"]
    assert "Nilufar" not in said
    status, said = run(city, "ledger", "explain", "1", "--json")
    parts = json.loads(said)["parts"]
    assert parts["viewer"]["name"] == "Nilufar"
    next((city.data.ledger / "people").iterdir()).unlink()
    status, said = run(city, "ledger", "explain", "1")
    assert "viewer: erased" in said
    assert run(city, "ledger", "explain", "7")[0] != 0


def test_the_public_key_is_printed(city: City) -> None:
    status, said = run(city, "ledger", "key")
    assert status == 0
    assert said.startswith("civicam/khujand+")
