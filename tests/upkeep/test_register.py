"""What the public is told of a camera decides whether it records, and for how long, and stands in the ledger."""

import asyncio
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from civicam.app import City, run_recorder
from civicam.catalogue.models import Camera, Place, RegisterEntry
from civicam.catalogue.rollup import DAY_NS
from civicam.config import DataFolder
from civicam.core.clock import SystemClock
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, StreamName
from civicam.ledger.encoding import decode
from civicam.ledger.log import LedgerFolder, Log
from civicam.recorder.status import RecorderStatus
from tests.fakes.command_line import Said, civicam
from tests.fakes.odd_camera import until
from tests.fakes.register import REGISTER

SAID = ("--owner", "the traffic office", "--legal-basis", "Law on Roads, 12", "--description", "the gate")
ADD = ("camera", "add", "gate-1", "rtsp://127.0.0.1:1/", "--purpose", "theft of buses")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "city"
    assert civicam("init", "--data", str(folder)).status == 0
    return folder


@pytest.fixture
def say(data: Path) -> Callable[..., Said]:
    return lambda *words: civicam(*words, "--data", str(data))


def entries(data: Path) -> list[dict[str, object]]:
    city = City.open(DataFolder(data))
    with closing(Log(LedgerFolder(city.data.ledger), city.key)) as log:
        reader = log.reader()
        return [decode(reader.entry(index)) for index in range(reader.size)]


def planned(data: Path) -> tuple[list[str], list[str]]:
    city = City.open(DataFolder(data))
    with city.catalogue() as catalogue:
        plans, alarms = city.streams(catalogue)
    return [stream.key.camera for stream in plans], alarms


def due_s(data: Path, camera: str = "gate-1") -> list[float]:
    with City.open(DataFolder(data)).catalogue() as catalogue:
        return [
            (end - start) / 1e9
            for key in catalogue.streams()
            if key.camera == camera
            for start, end in catalogue.due(key, (0, SystemClock().wall_ns()))
        ]


def test_a_camera_of_which_nothing_is_said_does_not_record_and_says_why(data: Path, say: Callable[..., Said]) -> None:
    added = say(*ADD)
    assert added.status == 0
    assert "do not record yet" in added.text
    recorded, alarms = planned(data)
    assert recorded == []
    assert "civicam camera describe gate-1" in alarms[0]
    assert due_s(data) == []
    assert "not recorded" in say("camera", "list").text


def test_once_it_is_described_it_records_and_was_not_due_before(data: Path, say: Callable[..., Said]) -> None:
    say(*ADD)
    assert say("camera", "describe", "gate-1", *SAID, "--keep-days", "7").status == 0
    assert planned(data) == (["gate-1"], [])
    (due,) = due_s(data)
    assert 0 <= due < 60


def test_what_is_left_out_stays_as_it_was(data: Path, say: Callable[..., Said]) -> None:
    say(*ADD, *SAID, "--keep-days", "7")
    assert say("camera", "describe", "gate-1", "--description", "the gate, and the road").status == 0
    with City.open(DataFolder(data)).catalogue() as catalogue:
        (camera,) = catalogue.cameras()
    assert camera.register == RegisterEntry("the traffic office", "Law on Roads, 12", 7.0, "the gate, and the road")


@pytest.mark.parametrize("left_out", ["--owner", "--legal-basis", "--description"])
def test_half_a_description_is_refused(data: Path, say: Callable[..., Said], left_out: str) -> None:
    say(*ADD)
    at = SAID.index(left_out)
    said = say("camera", "describe", "gate-1", *SAID[:at], *SAID[at + 2 :])
    assert said.status == 2
    assert "owner, legal basis and description" in said.text
    assert planned(data)[0] == []


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_days_that_are_no_number_of_days_are_refused(data: Path, say: Callable[..., Said], days: str) -> None:
    assert say(*ADD, *SAID, "--keep-days", days).status == 2
    with City.open(DataFolder(data)).catalogue() as catalogue:
        assert catalogue.cameras() == []


def test_what_was_said_of_a_camera_stands_in_the_ledger(data: Path, say: Callable[..., Said]) -> None:
    say(*ADD)
    say("camera", "describe", "gate-1", *SAID)
    say("camera", "remove", "gate-1")
    told = [entry for entry in entries(data) if entry["kind"] == "camera"]
    assert [entry["what"] for entry in told] == ["added", "described", "removed"]
    assert told[0].get("owner") is None
    assert (told[1]["owner"], told[1]["legal-basis"], told[1]["purpose"]) == (SAID[1], SAID[3], "theft of buses")


def test_a_camera_that_comes_back_is_described_anew(data: Path, say: Callable[..., Said]) -> None:
    say(*ADD, *SAID)
    say("camera", "remove", "gate-1")
    again = say(*ADD)
    assert (again.status, "described at once" in again.text) == (2, True)
    assert planned(data)[0] == []
    assert say(*ADD, *SAID).status == 0
    assert planned(data)[0] == ["gate-1"]


def test_holds_stand_in_the_ledger_without_whose_and_why(data: Path, say: Callable[..., Said]) -> None:
    say(*ADD, *SAID)
    assert say("hold", "add", "gate-1", "--from=-2h", "--to=-1h", "--reason", "case 17").status == 0
    assert say("hold", "release", "1").status == 0
    told = [entry for entry in entries(data) if entry["kind"] == "hold"]
    assert [(entry["what"], entry["hold"]) for entry in told] == [("placed", 1), ("released", 1)]
    assert "gate-1" not in str(told)
    assert "case 17" not in str(told)
    assert say("hold", "release", "1").status == 2
    assert len([entry for entry in entries(data) if entry["kind"] == "hold"]) == 2


def test_footage_goes_after_the_camera_s_own_days_and_never_later_than_the_city_s(
    data: Path, say: Callable[..., Said]
) -> None:
    for name, days in (("short", "2"), ("long", "400")):
        say("camera", "add", name, "rtsp://127.0.0.1:1/", "--purpose", "x", *SAID, "--keep-days", days)
    city = City.open(DataFolder(data))
    with city.catalogue() as catalogue:
        policy = city.retention_policy(catalogue.cameras())
    assert policy.age_of(CameraId("short")) == 2 * DAY_NS
    assert policy.age_of(CameraId("long")) == int(city.settings.retention.days * DAY_NS)


def test_what_is_too_long_for_the_ledger_is_refused_before_it_is_written(data: Path, say: Callable[..., Said]) -> None:
    assert say(*ADD, *SAID[:4], "--description", "x" * 1001).status == 2
    assert say(*ADD[:5], "x" * 201, *SAID).status == 2
    assert say(*ADD[:5], "  ", *SAID).status == 2
    assert [entry for entry in entries(data) if entry["kind"] == "camera"] == []


def test_a_camera_is_placed_on_the_map(data: Path, say: Callable[..., Said]) -> None:
    say(*ADD)
    assert say("camera", "place", "gate-1", "38.5737", "68.7864", "--direction", "90").status == 0
    with City.open(DataFolder(data)).catalogue() as catalogue:
        assert catalogue.cameras()[0].place == Place(38.5737, 68.7864, 90.0)
    for wrong in (
        ["91", "0"],
        ["0", "181"],
        ["0", "0", "--direction", "360"],
        ["nan", "0"],
        ["0", "0", "--reach", "0"],
    ):
        assert say("camera", "place", "gate-1", *wrong).status == 2
    assert say("camera", "place", "gate-9", "0", "0").status == 2


def test_a_description_of_no_camera_is_refused(data: Path, say: Callable[..., Said]) -> None:
    assert say("camera", "describe", "gate-9", *SAID).status == 2
    with City.open(DataFolder(data)).catalogue() as catalogue, pytest.raises(CatalogueError, match="no such camera"):
        catalogue.describe_camera(CameraId("gate-9"), RegisterEntry("a", "b", 1.0, "c"), 1)


async def told_of_days(city: City, settled_ns: int) -> None:
    told: list[RecorderStatus] = []
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_recorder(city, stop, clock=SystemClock(), rng=random.Random(1), on_update=told.append)
    )
    with city.catalogue() as catalogue:
        await until(lambda: not catalogue.days_unwritten(settled_ns, 31) and len(told) > 2, 60)
    stop.set()
    await running


async def test_each_day_that_has_ended_is_told_once(tmp_path: Path) -> None:
    environment = {"CIVICAM_METRICS__PORT": "0", "CIVICAM_RECORDER__WORKERS": "1"}
    city = City.create(DataFolder(tmp_path), "Khujand", environment)
    today = SystemClock().wall_ns() // DAY_NS
    before_ns = (today - 3) * DAY_NS + DAY_NS // 2

    urls = {StreamName.MAIN: "rtsp://127.0.0.1:1/"}
    with city.catalogue() as catalogue:
        catalogue.add_camera(Camera(CameraId("gate-1"), "Gate", urls, None, "t", before_ns, None, REGISTER))
    settled_ns = SystemClock().wall_ns() - 900 * 10**9
    await told_of_days(city, settled_ns)
    await told_of_days(city, settled_ns)
    days = [entry for entry in entries(tmp_path) if entry["kind"] == "day"]
    assert [entry["due-s"] for entry in days[:2]] == [43_200, 86_400]
    assert days[0]["recorded-s"] == 0
    assert len({str(entry["day"]) for entry in days}) == len(days) == settled_ns // DAY_NS - (today - 3)
    for entry in days:
        assert {name for name in entry if name.endswith("-s")} <= {
            "due-s", "recorded-s", "unexplained-s", "camera-silent-s", "crash-s", "shut-down-s"
        }  # fmt: skip
        missing = sum(int(str(entry.get(f"{cause}-s", 0))) for cause in ("camera-silent", "crash", "shut-down"))
        assert missing + int(str(entry["recorded-s"])) + int(str(entry["unexplained-s"])) <= int(str(entry["due-s"]))
