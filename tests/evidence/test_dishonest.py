"""What a city could do afterwards with its own keys: sign, write down and hand out something else than it recorded."""

import base64
import json
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from civicam.core.errors import EvidenceError
from civicam.evidence.certificate import SIGNATURE_BYTES
from civicam.evidence.export import prove
from civicam.evidence.manifest import CERTIFICATE, LEDGER, MANIFEST, SIGNATURE, to_bytes
from civicam.evidence.mp4 import Labels, boxes, seal, tail
from civicam.evidence.verdict import Verdict
from civicam.evidence.verify import verify
from civicam.footage.segment_format import parse_fields
from civicam.ledger.encoding import canonical
from civicam.ledger.entry import Draft, Kind, Value
from civicam.ledger.published import read_published
from tests.evidence.alterations import Files, members_of, packed
from tests.evidence.house import AT_NS, Exporting
from tests.fakes.recorded import KEYS, START_NS, S

CAMERA = KEYS[0].camera
PERMILLE = 75
"""Of what the redacted exports of the tests uncover: a rectangle of 0.3 for 3 of 12 seconds."""
FILM = f"footage/{CAMERA}-main-1.mp4"
Change = Callable[[dict[str, Any], Files], None]


def handed_out(
    city: Exporting, files: Files, raw: dict[str, Any], name: str, said: dict[str, Value] | None = None
) -> Path:
    """A package whose manifest says what it likes, signed and written down by the city itself."""
    data = canonical(raw)
    digest = sha256(data).digest()
    log = city.ledger.open()
    facts: dict[str, Value] = {
        "what": "made", "export": raw["number"], "media": raw["kind"],
        "cameras": sorted(one["id"] for one in raw["cameras"]),
        "from": raw["asked_from"], "to": raw["asked_to"], "manifest": digest.hex(),
        "certificate": city.seal.fingerprint,
    }  # fmt: skip
    if raw["kind"] == "redacted":
        facts |= {"shown": len(raw["shown"]), "uncovered-permille": PERMILLE}
    facts |= said or {}
    (receipt,) = log.append([Draft(Kind.EXPORT, facts)], AT_NS + 2 * S)
    log.integrate()
    log.publish(log.note())
    log.close()
    entries = sorted({one["proof"]["entry"] for one in raw["segments"]})
    proof = prove(read_published(city.ledger.folder), receipt.index, entries)
    path = city.root / name
    path.write_bytes(packed(files | {MANIFEST: data, SIGNATURE: city.seal.sign(digest), LEDGER: to_bytes(proof)}))
    return path


class Dishonest:
    """A city that hands out what it likes."""

    def __init__(self, root: Path) -> None:
        self.city = Exporting.build(root)
        self.city.has_page = False
        window = (START_NS + 4 * S, START_NS + 28 * S)
        self.files = members_of(self.city.export(window=window, cameras=(CAMERA,)).read_bytes())

    def hands_out(self, change: Change, name: str = "other") -> Path:
        """Changes manifest and members, and has all of it signed and written down."""
        raw, files = json.loads(self.files[MANIFEST]), dict(self.files)
        change(raw, files)
        return handed_out(self.city, files, raw, f"{name}.zip")

    def film(self, raw: dict[str, Any], files: Files, keep: list[int], opening: bytes = b"") -> None:
        """Makes the film anew out of these of its pieces, signed, and has the manifest say so."""
        (one,) = raw["files"]
        data = self.files[FILM]
        starts = [at for kind, at, _ in boxes(data) if kind == b"moof"]
        ends = [at + size for kind, at, size in boxes(data) if kind == b"mdat"]
        rows = [one["fragments"][n] for n in keep]
        headers = [parse_fields(base64.b64decode(fields)).header for _, fields in rows]
        film, places = opening or data[: starts[0]], []
        for n, header in zip(keep, headers, strict=True):
            place = max(0, (header.start_wall_ns - headers[0].start_wall_ns) * 9 // 100_000)
            if header.is_sync:
                places.append((place, len(film)))
            piece = data[starts[n] : ends[n]]
            film += piece[:60] + place.to_bytes(8, "big") + piece[68:]
        film += tail(places)
        labels = Labels("civicam, Khujand", "Firuza", AT_NS, CAMERA, "main", headers[0].start_wall_ns)
        certificate = self.city.seal.certificate
        digest = sha256(film + seal(labels, certificate, bytes(SIGNATURE_BYTES))).digest()
        signature = self.city.seal.sign(digest)
        film += seal(labels, certificate, signature)
        one |= {"fragments": rows, "size": len(film), "crc32": zlib.crc32(film)}
        one["signature"] = base64.b64encode(signature).decode()
        files[FILM] = film


@pytest.fixture
def city(tmp_path: Path) -> Dishonest:
    return Dishonest(tmp_path)


def refused(path: Path) -> str:
    with pytest.raises(EvidenceError) as error:
        verify(path)
    return error.value.what


def holes(verdict: Verdict) -> list[tuple[int, int, str]]:
    return [(span[0] // S - START_NS // S, span[1] // S - START_NS // S, why) for span, why in verdict.holes[CAMERA]]


def test_what_is_handed_out_as_it_is_holds(city: Dishonest) -> None:
    verdict = verify(city.hands_out(lambda *_: None))
    assert verdict.manifest is not None


def test_footage_that_was_written_down_late_is_said_to_be(city: Dishonest) -> None:
    verdict = verify(city.hands_out(lambda *_: None))
    assert verdict.late_ns > 3500 * S
    assert "the ledger was told only" in verdict.unproven[0]


def test_a_film_that_begins_with_other_pictures_is_refused(city: Dishonest) -> None:
    def change(raw: dict[str, Any], files: Files) -> None:
        data = city.files[FILM]
        head = bytearray(data[: data.index(b"moof") - 4])
        head[head.index(b"tkhd") + 45] ^= 0xFF  # its matrix: the picture is turned
        city.film(raw, files, list(range(len(raw["files"][0]["fragments"]))), bytes(head))

    assert "begins with something else" in refused(city.hands_out(change))


def test_footage_left_out_at_the_beginning_is_no_gap_of_the_recording(city: Dishonest) -> None:
    verdict = verify(city.hands_out(lambda raw, files: city.film(raw, files, [*range(3, 12)])))
    assert holes(verdict)[0] == (4, 8, "nothing earlier is in the package")


def test_footage_left_out_in_the_middle_is_refused(city: Dishonest) -> None:
    path = city.hands_out(lambda raw, files: city.film(raw, files, [*range(3), *range(5, 12)]))
    assert "cut out" in refused(path)


@pytest.mark.parametrize("absent", [(10, 10 + 1e-9), (4, 6)])
def test_what_the_city_calls_absent_hides_no_more_than_that(city: Dishonest, absent: tuple[float, float]) -> None:
    def change(raw: dict[str, Any], files: Files) -> None:
        city.film(raw, files, [*range(6, 12)])
        start, end = (str(START_NS + round(second * S)) for second in absent)
        raw["absent"] = [{"camera": CAMERA, "stream": "main", "start_ns": start, "end_ns": end, "why": ""}]

    verdict = verify(city.hands_out(change))
    missing = sum(span[1] - span[0] for span, why in verdict.holes[CAMERA] if "nothing earlier" in why)
    assert missing >= 10 * S - 1 - round((absent[1] - absent[0]) * S)
    assert "apart from what the city says" in " ".join(verdict.holds)


def test_footage_in_another_order_is_refused(city: Dishonest) -> None:
    def change(raw: dict[str, Any], files: Files) -> None:
        city.film(raw, files, [*range(6, 12), *range(6)])

    assert refused(city.hands_out(change))


def test_a_segment_that_is_listed_twice_is_refused(city: Dishonest) -> None:
    assert "twice" in refused(city.hands_out(lambda raw, _: raw["segments"].append(raw["segments"][0])))


@pytest.mark.parametrize("name", ["evidence.mp4", f"footage/{CAMERA}-main-2.mp4", "footage/../../x.mp4"])
def test_a_film_that_is_called_a_document_is_refused(city: Dishonest, name: str) -> None:
    def change(raw: dict[str, Any], files: Files) -> None:
        files[name] = files[FILM]
        raw["documents"].append({"name": name, "sha256": sha256(files[FILM]).hexdigest()})

    assert "other documents" in refused(city.hands_out(change))


def test_a_film_of_another_camera_is_refused(city: Dishonest) -> None:
    def change(raw: dict[str, Any], files: Files) -> None:
        raw["cameras"][0]["id"] = KEYS[1].camera

    assert "not listed" in refused(city.hands_out(change))


def test_a_signature_of_nobody_is_no_witness(city: Dishonest) -> None:
    path = city.hands_out(lambda *_: None)
    files = members_of(path.read_bytes())
    ledger = json.loads(files[LEDGER])
    ledger["checkpoint"] += "\u2014 witness.example " + base64.b64encode(bytes(76)).decode() + "\n"
    path.write_bytes(packed(files | {LEDGER: canonical(ledger)}))
    verdict = verify(path)
    assert (verdict.witnesses, verdict.unchecked) == ([], 1)
    assert "were not checked" in verdict.unproven[-1]
    assert "witness.example" not in " ".join(verdict.holds)


def test_the_certificate_is_the_one_that_the_ledger_names(city: Dishonest) -> None:
    path = city.hands_out(lambda *_: None)
    files = members_of(path.read_bytes())
    assert refused(_with(path, files | {CERTIFICATE: files[CERTIFICATE][:-1] + b"\0"}))


def _with(path: Path, files: Files) -> Path:
    path.write_bytes(packed(files))
    return path
