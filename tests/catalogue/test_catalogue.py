"""What the catalogue promises, one by one."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, GapRow, Segment
from civicam.core.citykey import CityKey
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from tests.fakes.register import REGISTER

S = 1_000_000_000
T0 = 1_772_323_200 * S
CAMERA = CameraId("rudaki-07")
MAIN = StreamKey(CAMERA, StreamName.MAIN)
SUB = StreamKey(CAMERA, StreamName.SUB)


def camera(added_ns: int = T0, **changes: object) -> Camera:
    made = Camera(
        CAMERA, "Rudaki 7", {StreamName.MAIN: "rtsp://127.0.0.1/main"}, None, "traffic", added_ns, None, REGISTER
    )
    return replace(made, **changes)  # type: ignore[arg-type] # fields by name


def segment(start_s: int, end_s: int, digest: bytes | None = b"d" * 32, key: StreamKey = MAIN) -> Segment:
    return Segment(key, T0 + start_s * S, T0 + end_s * S, 1, "main", (end_s - start_s) * 1000, 1, 15, digest)


def gap(start_s: int, end_s: int, cause: GapCause = GapCause.CAMERA_SILENT) -> GapRow:
    return GapRow(MAIN, T0 + start_s * S, T0 + end_s * S, cause)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.sqlite"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(path, create=True) as made:
        made.add_camera(camera())
        yield made


def test_a_missing_catalogue_is_not_made_by_chance(path: Path) -> None:
    with pytest.raises(CatalogueError, match="civicam init"):
        Catalogue.open(path)
    assert not path.exists()


def test_what_is_stored_is_there_when_opened_again(path: Path, catalogue: Catalogue) -> None:
    catalogue.record([segment(0, 60)], [gap(60, 70)])
    catalogue.close()
    with Catalogue.open(path) as again:
        assert again.cameras() == [camera()]
        assert again.segments(MAIN) == [segment(0, 60)]
        assert again.gaps(MAIN) == [gap(60, 70)]


def test_a_file_of_a_newer_version_is_refused(path: Path, catalogue: Catalogue) -> None:
    catalogue.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CatalogueError, match="version 99"):
        Catalogue.open(path)


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(CatalogueError, match="another program"):
        Catalogue.open(path, create=True)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("notes",)]
    connection.close()


@pytest.mark.parametrize("damage", [b"not a database at all " * 400, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_broken_file_says_how_to_repair_it(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    with pytest.raises(CatalogueError, match="check --repair"):
        Catalogue.open(path)


def test_a_failed_transaction_stores_nothing(catalogue: Catalogue) -> None:
    stranger = replace(segment(0, 60), key=StreamKey(CameraId("nobody"), StreamName.MAIN))
    with pytest.raises(CatalogueError, match="never had this camera"):
        catalogue.record([segment(0, 60), stranger], [gap(60, 70)])
    assert catalogue.segments(MAIN) == []
    assert catalogue.totals().volume_bytes == {}
    catalogue.record([segment(0, 60)])
    assert catalogue.totals().volume_bytes == {"main": 60_000}


def test_a_row_that_ends_before_it_starts_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="ends before it starts"):
        catalogue.record([segment(60, 0)])


def test_a_removed_camera_keeps_its_history_and_can_come_back(catalogue: Catalogue) -> None:
    catalogue.record([segment(0, 60)])
    catalogue.remove_camera(CAMERA, now_ns=T0 + 60 * S)
    assert catalogue.cameras() == []
    (removed,) = catalogue.cameras(removed=True)
    assert removed.removed_ns == T0 + 60 * S
    assert catalogue.segments(MAIN) == [segment(0, 60)]
    with pytest.raises(CatalogueError, match="no such camera"):
        catalogue.remove_camera(CAMERA, now_ns=T0 + 61 * S)
    catalogue.add_camera(camera(T0 + 100 * S))
    assert catalogue.due(MAIN, (0, T0 + 200 * S)) == [(T0, T0 + 60 * S), (T0 + 100 * S, T0 + 200 * S)]
    assert catalogue.coverage(MAIN, (T0, T0 + 100 * S)).unexplained == []
    assert catalogue.cameras() == [camera(T0 + 100 * S)]


def test_a_camera_cannot_be_added_twice_or_before_it_was_removed(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="already"):
        catalogue.add_camera(camera())
    catalogue.remove_camera(CAMERA, now_ns=T0 + 60 * S)
    with pytest.raises(CatalogueError, match="check the clock"):
        catalogue.add_camera(camera(T0 + 59 * S))


def test_a_stream_is_due_while_it_has_an_address(catalogue: Catalogue) -> None:
    both = {StreamName.MAIN: "rtsp://127.0.0.1/a", StreamName.SUB: "rtsp://127.0.0.1/b"}
    catalogue.set_urls(CAMERA, both, now_ns=T0 + 10 * S)
    catalogue.set_urls(CAMERA, {StreamName.SUB: "rtsp://127.0.0.1/c"}, now_ns=T0 + 20 * S)
    window = (T0, T0 + 30 * S)
    assert catalogue.due(MAIN, window) == [(T0, T0 + 20 * S)]
    assert catalogue.due(SUB, window) == [(T0 + 10 * S, T0 + 30 * S)]
    found = catalogue.camera(CAMERA)
    assert found is not None
    assert found.urls == {StreamName.SUB: "rtsp://127.0.0.1/c"}


@pytest.mark.parametrize("url", ["rtsp://admin:geheim@10.0.0.1/s", "rtsp://admin@10.0.0.1/s"])
def test_an_address_with_a_password_is_refused_without_repeating_it(catalogue: Catalogue, url: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue.set_urls(CAMERA, {StreamName.MAIN: url}, now_ns=T0)
    assert "admin" not in str(caught.value)
    assert "geheim" not in repr(caught.value)


def test_no_password_stands_in_the_files(path: Path, catalogue: Catalogue) -> None:
    secret = "admin:Geheim-4711"
    wrapped = CityKey(b"k" * 32).wrap(secret.encode(), f"camera:{CAMERA}")
    catalogue.set_credentials(CAMERA, wrapped)
    catalogue.record([segment(0, 60)])
    for word in (b"Geheim", b"4711", b"admin"):
        for file in path.parent.iterdir():
            assert word not in file.read_bytes(), file
    found = catalogue.camera(CAMERA)
    assert found is not None
    assert found.credentials == wrapped
    assert any(wrapped in file.read_bytes() for file in path.parent.iterdir())
    catalogue.close()


def test_the_story_goes_on_where_it_ended(catalogue: Catalogue) -> None:
    assert catalogue.last_end(MAIN) is None
    catalogue.record([segment(0, 60)])
    assert catalogue.last_end(MAIN) == (T0 + 60 * S, None)
    catalogue.record([], [gap(60, 70)])
    assert catalogue.last_end(MAIN) == (T0 + 70 * S, gap(60, 70))
    catalogue.record([], [gap(60, 90)])
    assert catalogue.last_end(MAIN) == (T0 + 90 * S, gap(60, 90))
    catalogue.record([segment(90, 95, None)])
    assert catalogue.last_end(MAIN) == (T0 + 95 * S, None)


def test_every_due_second_is_playable_or_a_gap_or_unexplained(catalogue: Catalogue) -> None:
    catalogue.record([segment(0, 60), segment(80, 100)], [gap(10, 20, GapCause.LOST_PACKETS), gap(60, 70)])
    coverage = catalogue.coverage(MAIN, (T0 - 50 * S, T0 + 100 * S))
    assert coverage.playable == [(T0, T0 + 10 * S), (T0 + 20 * S, T0 + 60 * S), (T0 + 80 * S, T0 + 100 * S)]
    assert coverage.unexplained == [(T0 + 70 * S, T0 + 80 * S)]
    assert coverage.due_ns == 100 * S
    assert catalogue.coverage(MAIN, (T0, T0 + 100 * S), tolerance_ns=10 * S).unexplained == []
    sums = catalogue.completeness((T0, T0 + 100 * S))[MAIN]
    assert (sums.playable_ns, sums.unexplained_ns, sums.share) == (70 * S, 10 * S, 0.7)
    assert sums.gap_ns[GapCause.LOST_PACKETS] == 10 * S


def test_what_is_held_open_or_gone_does_not_expire(catalogue: Catalogue) -> None:
    rows = [segment(0, 60), segment(60, 120), segment(120, 180, None)]
    catalogue.record(rows)
    hold = catalogue.add_hold(CAMERA, (T0 + 59 * S, T0 + 60 * S), "case 4", now_ns=T0)
    assert catalogue.oldest_segments(9) == rows[1:2]
    assert catalogue.expire(rows) == rows[1:2]
    assert catalogue.segments(MAIN) == [rows[0], rows[2]]
    assert catalogue.holds() == [hold]
    catalogue.release_hold(hold.id, now_ns=T0)
    assert catalogue.holds() == []
    assert catalogue.expire(rows) == rows[:1]
    with pytest.raises(CatalogueError, match="no such hold"):
        catalogue.release_hold(hold.id, now_ns=T0)


def test_what_has_expired_is_not_missed(catalogue: Catalogue) -> None:
    rows = [segment(0, 60), segment(60, 120), segment(130, 180)]
    catalogue.record(rows, [gap(120, 130)])
    catalogue.expire(rows[:2])
    assert catalogue.expired_before(MAIN) == T0 + 120 * S
    window = (T0, T0 + 180 * S)
    assert catalogue.due(MAIN, window) == [(T0 + 120 * S, T0 + 180 * S)]
    assert catalogue.coverage(MAIN, window).unexplained == []
    catalogue.forget(MAIN, T0 + 130 * S)
    assert catalogue.coverage(MAIN, window).unexplained == [(T0 + 130 * S, T0 + 180 * S)]


@pytest.mark.parametrize(("camera_id", "window"), [("nobody", (0, 5)), (CAMERA, (5, 5))])
def test_a_hold_of_nothing_is_refused(catalogue: Catalogue, camera_id: str, window: tuple[int, int]) -> None:
    with pytest.raises(CatalogueError):
        catalogue.add_hold(CameraId(camera_id), window, "case 4", now_ns=T0)


def test_a_clean_stop_is_told_from_a_crash(catalogue: Catalogue) -> None:
    assert catalogue.last_run() is None
    catalogue.begin_run(1, T0)
    run = catalogue.last_run()
    assert run is not None
    assert not run.is_clean
    catalogue.end_run(1, T0 + S)
    run = catalogue.last_run()
    assert run is not None
    assert (run.is_clean, run.begin_ns, run.end_ns) == (True, T0, T0 + S)
    catalogue.begin_run(2, T0 + 2 * S)
    assert not (catalogue.last_run() or run).is_clean


def test_a_lock_that_lasts_is_an_error_and_no_hang(
    path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.close()
    monkeypatch.setattr("civicam.catalogue.database._BUSY_TIMEOUT_S", 0.05)
    with Catalogue.open(path) as waiting:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogueError, match="another process"):
            waiting.record([segment(0, 60)])
        assert waiting.segments(MAIN) == []  # readers are not kept waiting
        other.rollback()
        other.close()
        waiting.record([segment(0, 60)])
        assert waiting.segments(MAIN) == [segment(0, 60)]


def _write_many(path: Path, name: str, count: int) -> None:
    key = StreamKey(CameraId(name), StreamName.MAIN)
    with Catalogue.open(path, create=True) as catalogue:
        catalogue.add_camera(
            Camera(key.camera, name, {StreamName.MAIN: "rtsp://127.0.0.1/"}, None, "traffic", T0, None, REGISTER)
        )
        for second in range(1, count + 1):
            catalogue.record([segment(0, second, None, key)], [])


def test_processes_that_make_and_write_it_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, f"camera-{number}", 50)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with Catalogue.open(path) as catalogue:
        for key in catalogue.streams():
            assert [row.end_wall_ns for row in catalogue.segments(key)] == [T0 + 50 * S]
        assert catalogue.totals().volume_bytes == {"main": 150_000}
        assert catalogue.faults() == []
