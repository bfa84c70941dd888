"""The ledger on the command line."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from civicam.app import City
from civicam.config import DataFolder
from civicam.ledger.entry import Draft, Kind, Part
from civicam.ledger.log import LedgerFolder, Log
from civicam.ledger.people_keys import new_person_id
from civicam.ledger.plan import WitnessPlan
from civicam.ledger.witness_client import WitnessClient
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
    log.publish(log.note())
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


def test_a_witness_is_served_and_keeps_its_key(city: City, tmp_path: Path) -> None:
    key = run(city, "ledger", "key")[1].split()[0]
    command = [sys.executable, "-m", "civicam.cli", "witness", str(tmp_path / "w"), "--log", key, "--port", "0"]
    told = []
    for more in (["--name", "witness.example"], []):
        with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told.append(process.stdout.readline())
            address = process.stdout.readline().split()[2].rstrip(",")
            log = Log(LedgerFolder(city.data.ledger), city.key)
            client = WitnessClient(WitnessPlan(address.removesuffix("add-checkpoint"), told[-1]))
            signature = client.sign(log.note(), log.reader())
            assert log.note().with_signatures([signature]).check(client.key) > 0
            log.close()
            process.send_signal(signal.SIGINT)
        assert process.returncode == 0
    assert told[0] == told[1]
    assert civicam("witness", str(tmp_path / "w")).status == 2
    assert "goes by witness.example" in civicam("witness", str(tmp_path / "w"), "--log", key, "--name", "other").text


def test_the_public_key_is_printed(city: City) -> None:
    status, said = run(city, "ledger", "key")
    assert status == 0
    assert said.startswith("civicam/khujand+")
