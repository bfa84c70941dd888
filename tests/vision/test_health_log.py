"""Health events outlive the process, and a database that cannot be written costs none of them."""

import sqlite3
from pathlib import Path

import pytest

from civicam.catalogue.catalogue import ALL_TIME, Catalogue
from civicam.catalogue.models import Camera
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, StreamName
from civicam.footage.keys import KeyRing
from civicam.upkeep.repair import repair
from civicam.vision.health import HealthEvent, HealthKind
from civicam.vision.health_log import HealthLog
from tests.fakes.odd_camera import until
from tests.fakes.register import REGISTER

S = 1_000_000_000
T0 = 1_772_323_200 * S
CAMERA = CameraId("rudaki-07")
DAY_S = 86_400
LASTING = HealthEvent(HealthKind.COVERED, T0, 0.8)
ENDED = HealthEvent(HealthKind.COVERED, T0, 0.9, T0 + 60 * S)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalogue.sqlite"
    with Catalogue.open(path, create=True) as made:
        made.add_camera(
            Camera(CAMERA, "Rudaki 7", {StreamName.MAIN: "rtsp://127.0.0.1/1"}, None, "traffic", T0, None, REGISTER)
        )
    return path


async def test_an_event_lasts_and_ends_and_is_there_after_a_restart(path: Path) -> None:
    log = HealthLog(path, DAY_S)
    log.event(CAMERA, LASTING)
    await log.close()
    log = HealthLog(path, DAY_S)
    assert await log.events(CAMERA, ALL_TIME) == [LASTING]
    log.event(CAMERA, ENDED)
    await log.close()
    log = HealthLog(path, DAY_S)
    assert await log.events(CAMERA, ALL_TIME) == [ENDED]
    assert await log.events(CAMERA, (T0 + 60 * S, T0 + 99 * S)) == []
    await log.close()


async def test_what_was_left_open_ends_when_the_camera_is_seen_again_and_well(path: Path) -> None:
    log = HealthLog(path, DAY_S)
    other = HealthEvent(HealthKind.FROZEN, T0 + 5 * S, 0.7)
    log.event(CAMERA, LASTING)
    log.event(CAMERA, other)
    await log.close()
    log = HealthLog(path, DAY_S)
    log.first_seen(CAMERA, [other], T0 + 90 * S)
    assert await log.events(CAMERA, ALL_TIME) == [
        HealthEvent(HealthKind.COVERED, T0, 0.8, T0 + 90 * S),
        other,
    ]
    await log.close()


async def test_events_are_kept_as_long_as_footage(path: Path) -> None:
    log = HealthLog(path, DAY_S)
    log.event(CAMERA, ENDED)
    log.event(CAMERA, later := HealthEvent(HealthKind.MOVED, T0 + (DAY_S + 61) * S, 0.9))
    await log.close()
    log = HealthLog(path, DAY_S)
    assert await log.events(CAMERA, ALL_TIME) == [later]
    await log.close()


async def test_a_database_that_cannot_be_written_is_an_alarm_and_nothing_is_forgotten(path: Path) -> None:
    log = HealthLog(path, DAY_S)
    broken = sqlite3.connect(path)
    broken.execute("ALTER TABLE health RENAME TO health_away")
    broken.commit()
    log.event(CAMERA, LASTING)
    await until(lambda: bool(log.alarms()), 10)
    broken.execute("ALTER TABLE health_away RENAME TO health")
    broken.commit()
    broken.close()
    await until(lambda: not log.alarms(), 30)  # by itself: there need not be another event
    log.event(CAMERA, other := HealthEvent(HealthKind.FROZEN, T0 + 5 * S, 0.7))
    await log.close()
    log = HealthLog(path, DAY_S)
    assert await log.events(CAMERA, ALL_TIME) == [LASTING, other]
    await log.close()


async def test_a_repair_of_the_catalogue_keeps_them(path: Path) -> None:
    log = HealthLog(path, DAY_S)
    log.event(CAMERA, ENDED)
    await log.close()
    repair(path, [], KeyRing(CityKey(bytes(32))), deep=False, now_ns=T0 + 99 * S)
    log = HealthLog(path, DAY_S)
    assert await log.events(CAMERA, ALL_TIME) == [ENDED]
    await log.close()
