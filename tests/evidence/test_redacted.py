"""A redacted export: what moves is covered but for who asked for it, and it is bound to what was recorded."""

import base64
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from civicam.core.errors import EvidenceError
from civicam.evidence.manifest import MANIFEST, RedactedManifest
from civicam.evidence.order import Area
from civicam.evidence.verify import check_made_of, verify
from civicam.footage.reader import SegmentReader
from civicam.ledger.entry import Value
from tests.evidence import house
from tests.evidence.alterations import members_of, walking
from tests.evidence.house import Exporting
from tests.evidence.test_dishonest import handed_out
from tests.fakes.command_line import civicam
from tests.fakes.recorded import KEYS, START_NS, S
from tests.fakes.walk import SETTINGS, picture, walker

CAMERA = KEYS[0].camera
WINDOW = (START_NS + 3 * S, START_NS + 15 * S)
SHOWN = Area(CAMERA, START_NS + 8 * S, START_NS + 11 * S, 200, 200, 700, 800)
COVER = 96


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Exporting:
    return walking(tmp_path_factory.mktemp("city"))


@pytest.fixture(scope="module")
def package(city: Exporting) -> Path:
    return city.export("redacted", window=WINDOW, cameras=(CAMERA,), is_redacted=True, shown=(SHOWN,))


@pytest.fixture(scope="module")
def original(city: Exporting) -> Path:
    return city.export("original", window=WINDOW, cameras=(CAMERA,))


def film(package: Path) -> bytes:
    with zipfile.ZipFile(package) as archive:
        return archive.read(f"footage/{CAMERA}-main-1.mp4")


def seen(data: bytes) -> dict[float, NDArray[np.uint8]]:
    """The brightness of each picture, by the seconds at which it is shown."""
    with av.open(io.BytesIO(data), "r") as container:
        return {
            float(frame.time or 0): np.asarray(frame.to_ndarray(), np.uint8)[: frame.height]
            for frame in container.decode(video=0)
        }


def walker_is_covered(luma: NDArray[np.uint8], at_s: float) -> bool:
    """Whether all of the walker is as bright as the cover, and not as dark as they are."""
    left, top, right, bottom = walker(at_s)
    return bool(np.abs(luma[top:bottom, left:right].astype(int) - COVER).max() < 30)


def test_who_walks_there_is_covered_but_where_and_when_the_film_is_to_show_them(package: Path) -> None:
    found = seen(film(package))
    assert len(found) == 12 * 10
    for time, luma in found.items():
        at_s = 3 + time
        if 4.2 < at_s < 15:
            is_shown = 8 <= round(at_s, 3) < 11
            assert walker_is_covered(luma, at_s) != is_shown, at_s
        if at_s < 3.9:
            scene = picture(at_s).y.astype(int)
            assert np.abs(luma.astype(int) - scene).mean() < 6  # the place itself is shown


def test_nothing_that_opens_the_original_is_in_it(package: Path, original: Path) -> None:
    with zipfile.ZipFile(original) as archive:
        keys = [one["key"] for one in json.loads(archive.read(MANIFEST))["segments"]]
    assert keys
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            assert all(key.encode() not in data for key in keys)


def test_it_says_what_it_is_and_what_is_not_proven(package: Path) -> None:
    verdict = verify(package)
    assert isinstance(verdict.manifest, RedactedManifest)
    assert "with what moves covered but for a place in which it shows who asked: 7.5 % of its" in verdict.holds[0]
    assert "3 recorded segments" in verdict.holds[2]
    assert "that what moves is covered in them" in verdict.unproven[1]
    assert verdict.holes == {CAMERA: []}
    with zipfile.ZipFile(package) as archive:
        words = archive.read("statement.txt").decode()
    assert "redacted: coded anew" in words
    assert "20 to 70 % from the left, 20 to 80 % from the top" in words


def test_it_is_held_against_the_original_of_the_same_stretch_and_of_no_other(
    city: Exporting, package: Path, original: Path
) -> None:
    verdict = verify(package)
    check_made_of(verdict, verify(original))
    assert "has the recorded footage of 100 % of its films' time" in verdict.holds[-1]
    other = city.export("other", window=(START_NS + 18 * S, START_NS + 19 * S), cameras=(CAMERA,))
    with pytest.raises(EvidenceError, match="other footage"):
        check_made_of(verify(package), verify(other))
    with pytest.raises(EvidenceError, match="held against an original"):
        check_made_of(verify(original), verify(package))


def test_the_command_holds_it_against_the_original(package: Path, original: Path) -> None:
    said = civicam("verify", str(package), "--original", str(original))
    assert (said.status, "IT HOLDS." in said.text, "of 100 % of its films' time" in said.text) == (0, True, True)
    told = json.loads(civicam("verify", str(package), "--json").text)
    assert (told["manifest"]["kind"], len(told["footage"])) == ("redacted", 3)
    said = civicam("verify", str(original), "--original", str(package))
    assert (said.status, "IT DOES NOT HOLD" in said.text) == (1, True)


def test_an_interrupted_one_goes_on(city: Exporting) -> None:
    class StoppedError(Exception):
        pass

    def stop(_: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        city.export("halted", stop, window=WINDOW, is_redacted=True)
    told: list[int] = []
    path = city.export("halted", told.append, window=WINDOW, is_redacted=True)
    assert [one.id for one in verify(path).manifest.cameras] == sorted(key.camera for key in KEYS)  # type: ignore[union-attr]
    assert sum(told) > 0


@pytest.fixture
def spoiled(tmp_path: Path) -> Exporting:
    """A city of its own, whose footage a test may damage."""
    return walking(tmp_path)


def holes(path: Path) -> list[tuple[int, int, str]]:
    """The holes of the one camera, in seconds."""
    return [
        (span[0] // S - START_NS // S, span[1] // S - START_NS // S, why) for span, why in verify(path).holes[CAMERA]
    ]


def test_a_fragment_that_cannot_be_opened_is_covered_and_told(spoiled: Exporting) -> None:
    file = spoiled.recorded.file(1)
    with SegmentReader.open(file) as reader:
        at, header = reader.ending().extents[1].offset + 200, reader.headers()[1]
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    path = spoiled.export("damaged", window=WINDOW, cameras=(CAMERA,), is_redacted=True)
    ((start, end, why),) = holes(path)
    first = header.start_wall_ns // S - START_NS // S
    assert (start, end) == (first, first + 2)
    assert "by the city" in why
    luma = next(luma for time, luma in seen(film(path)).items() if first + 0.5 < time + 3 < first + 2)
    assert np.median(luma) == pytest.approx(COVER, abs=3)  # all of the picture


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_segment_whose_index_is_lost_is_in_no_film_and_told(spoiled: Exporting, number: int) -> None:
    file = spoiled.recorded.file(number)
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    path = spoiled.export("damaged", window=WINDOW, cameras=(CAMERA,), is_redacted=True)
    (hole,) = holes(path)
    row = spoiled.recorded.segments()[number]
    span = (max(row.start_wall_ns, WINDOW[0]), min(row.end_wall_ns, WINDOW[1]))
    assert hole[:2] == tuple(at // S - START_NS // S for at in span)
    with zipfile.ZipFile(path) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".mp4")]) == (2 if number == 1 else 1)


def test_what_was_made_with_other_settings_is_made_anew(spoiled: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))

    def stop(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(house, "finish", stop)
        with pytest.raises(InterruptedError):
            spoiled.export("halted", window=WINDOW, cameras=(CAMERA,), is_redacted=True)
    monkeypatch.setattr(house, "SETTINGS", replace(SETTINGS, masks=(whole,)))
    path = spoiled.export("halted", window=WINDOW, cameras=(CAMERA,), is_redacted=True)
    assert all(np.abs(luma.astype(int) - COVER).max() < 8 for luma in seen(film(path)).values())


def test_an_original_that_shows_another_moment_of_the_same_segment_is_no_original(city: Exporting) -> None:
    early = city.export("early", window=(START_NS + 6 * S, START_NS + 7 * S), cameras=(CAMERA,))
    late = city.export("later", window=(START_NS + 10 * S, START_NS + 12 * S), cameras=(CAMERA,), is_redacted=True)
    with pytest.raises(EvidenceError, match="other footage"):
        check_made_of(verify(late), verify(early))


def test_what_a_camera_did_not_record_is_a_hole(city: Exporting) -> None:
    path = city.export("late", window=(START_NS + 15 * S, START_NS + 100 * S), cameras=(CAMERA,), is_redacted=True)
    holes = verify(path).holes[CAMERA]
    assert [(span[0] // S - START_NS // S, span[1] // S - START_NS // S) for span, _ in holes] == [(20, 100)]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("time", "committed to nothing"),
        ("piece", "not what was exported"),
        ("short", "ends with something else"),
        ("area", "is none, or beyond"),
        ("twice", "twice"),
        ("key", "not what an export has"),
        ("ledger", "of another export"),
        ("less", "of another export"),
        ("absent", "no stretch"),
        ("asked", "is none"),
        ("header", "as recorders write it"),
    ],
)
def test_a_city_cannot_say_something_else_of_it_afterwards(
    city: Exporting, package: Path, what: str, words: str
) -> None:
    raw = json.loads(members_of(package.read_bytes())[MANIFEST])
    (one,) = raw["files"]
    if what == "time":
        one["end_ns"] = str(START_NS + 40 * S)
    elif what == "piece":
        one["pieces"][1][1] = one["pieces"][2][1]
    elif what == "short":
        one["pieces"].pop()
    elif what == "area":
        raw["shown"][0]["bottom"] = raw["shown"][0]["top"]
    elif what == "twice":
        raw["segments"].append(raw["segments"][0])
    elif what == "key":
        raw["segments"][0]["key"] = "AAAA"
    elif what == "absent":
        raw["absent"] = [{"camera": CAMERA, "stream": "main", "start_ns": "2", "end_ns": "1", "why": ""}]
    elif what == "asked":
        raw["asked_to"] = raw["asked_from"]
    elif what == "header":
        header = base64.b64decode(raw["segments"][0]["header"])
        body = header[12:].replace(b'"epoch"', b'"epoch":1,"epoch"')
        header = header[:8] + len(body).to_bytes(4, "big") + body
        raw["segments"][0]["header"] = base64.b64encode(header).decode()
    said: dict[str, dict[str, Value]] = {
        "area": {"uncovered-permille": 0}, "ledger": {"media": "original"}, "less": {"shown": 0},
    }  # fmt: skip
    path = handed_out(city, members_of(package.read_bytes()), raw, f"{what}.zip", said.get(what))
    with pytest.raises(EvidenceError, match=words):
        verify(path)
