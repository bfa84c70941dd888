"""Content Credentials in exported films, as the C2PA's own library reads them: it is told nothing but the file."""

import contextlib
import io
import json
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import av
import c2pa  # type: ignore[import-untyped]  # it comes without types
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.citykey import CityKey
from civicam.core.errors import EvidenceError, SealError
from civicam.evidence import mp4
from civicam.evidence.certificate import SIGNATURE_BYTES, Seal, open_seal
from civicam.evidence.credentials import EXPORT, Credentials, FilmClaim, authority_in, open_credentials
from civicam.evidence.provenance import BOX_BYTES, STORE_BYTES, Places, places_in, put_store, with_room, without_store
from civicam.evidence.verify import verify
from civicam.footage.fragment import Fragment
from civicam.ledger.encoding import moment
from civicam.recorder.fmp4 import init_segment
from tests.fakes.recorded import START_NS, S, minute

CITY_KEY = CityKey(b"k" * 32)
CLAIM = FilmClaim(
    name="rudaki-07-main-1.mp4", city="Хуҷанд", number="12", camera="rudaki-07", stream="main", start_ns=START_NS,
    at_ns=START_NS + 3600 * S, ledger="khujand+1f2e3d4c+AaBb",
)  # fmt: skip
LABELS = mp4.Labels("civicam, Хуҷанд", "Firuza", CLAIM.at_ns, CLAIM.camera, CLAIM.stream, START_NS)


class Read(NamedTuple):
    """What the library says of a film."""

    state: str
    codes: set[str]
    manifest: dict[str, Any]


class Office:
    """Exports films."""

    def __init__(self, folder: Path, city: str = CLAIM.city) -> None:
        self.folder = folder
        # The library holds certificates against the clock of the machine.
        self.credentials: Credentials = open_credentials(folder, city, CITY_KEY, time.time_ns())
        self.seal: Seal = open_seal(folder, city, CITY_KEY, time.time_ns())

    def film(self, name: str = "film.mp4", first: int = 0, claim: FilmClaim = CLAIM) -> Path:
        """Writes a film of three fragments, puts its credentials into it, and signs it as ONVIF has it."""
        path = self.folder / name
        path.write_bytes(laid_out(first, self.seal.certificate))
        embed(self.credentials, path, claim)
        with path.open("r+b") as file:
            size = path.stat().st_size
            start, _ = mp4.signature_in(file, size)
            signature = self.seal.sign(mp4.read_signed(file, size).digest)
            file.seek(start)
            file.write(signature)
        return path


def embed(credentials: Credentials, film: Path, claim: FilmClaim) -> None:
    """Puts credentials into a film; the hash is computed apart from the code under test."""
    with film.open("r+b") as file:
        places = places_in(file, film.stat().st_size)
        data = film.read_bytes()
        kept, at = b"", 0
        for start, end in places:
            kept, at = kept + data[at:start], end
        digest = sha256(kept + data[at:]).digest()
        put_store(file, places, credentials.store(claim, places, digest))


def laid_out(first: int, certificate: bytes) -> bytes:
    """A film that waits for its credentials and its signature."""
    setup, made = minute()
    data = with_room(mp4.opening(init_segment(setup)))
    places = []
    for number, fragment in enumerate([one for one in made if isinstance(one, Fragment)][first : first + 3]):
        places.append((number * 180_000, len(data)))
        data += mp4.placed(fragment.payload, number * 180_000)
    return data + mp4.tail(places) + mp4.seal(LABELS, certificate, bytes(SIGNATURE_BYTES))


def read(film: bytes, anchor: bytes = b"") -> Read:
    """What the library says of a film, by its bytes alone."""
    settings = {"trust": {"user_anchors": anchor.decode()}} if anchor else {}
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Reader("video/mp4", io.BytesIO(film), context=context) as reader,
    ):
        return told(reader.json())


def told(words: str) -> Read:
    found = json.loads(words)
    results = found["validation_results"]["activeManifest"]
    codes = {one["code"] for kind in ("success", "informational", "failure") for one in results[kind]}
    return Read(found["validation_state"], codes, found["manifests"][found["active_manifest"]])


def holds(film: bytes) -> bool:
    with contextlib.suppress(c2pa.C2paError):
        return read(film).state == "Valid"
    return False


def places_of(path: Path) -> Places:
    with path.open("rb") as file:
        return places_in(file, path.stat().st_size)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def film(office: Office) -> Path:
    return office.film()


def test_a_reader_that_is_given_the_path_alone_says_that_the_film_is_valid(film: Path) -> None:
    with c2pa.Reader(str(film)) as reader:
        assert reader.is_embedded()
        found = told(reader.json())
    assert found.state == "Valid"
    assert {"claimSignature.validated", "assertion.dataHash.match", "signingCredential.untrusted"} <= found.codes
    assert verify(film).holds  # and so does ONVIF's signature, which is over the credentials too


def test_a_reader_that_has_the_citys_authority_trusts_it(office: Office, film: Path) -> None:
    anchor = authority_in(office.folder)
    assert anchor == office.credentials.authority
    found = read(film.read_bytes(), anchor)
    assert found.state == "Trusted"
    assert "signingCredential.trusted" in found.codes


def test_it_says_what_was_exported_and_that_a_camera_captured_it(film: Path) -> None:
    manifest = read(film.read_bytes()).manifest
    assert manifest["title"] == CLAIM.name
    assert manifest["claim_generator_info"][0]["name"] == "civicam"
    said = assertions(manifest)
    assert said[EXPORT] == {
        "city": "Хуҷанд", "export": "12", "camera": "rudaki-07", "stream": "main",
        "start": "2026-03-01T00:00:00.000Z", "exported": "2026-03-01T01:00:00.000Z", "ledger": CLAIM.ledger,
    }  # fmt: skip
    actions = said["c2pa.actions.v2"]
    assert actions["allActionsIncluded"] is True
    assert [one["action"] for one in actions["actions"]] == ["c2pa.created"]
    assert actions["actions"][0]["digitalSourceType"].endswith("/digitalCapture")


def test_a_redacted_film_says_that_it_was_edited_and_why(office: Office) -> None:
    path = office.film("redacted.mp4", claim=replace(CLAIM, is_redacted=True, shown=2))
    found = read(path.read_bytes())
    assert found.state == "Valid"
    created, edited, transcoded = assertions(found.manifest)["c2pa.actions.v2"]["actions"]
    assert created["digitalSourceType"].endswith("/digitalCapture")
    assert (edited["action"], edited["reason"]) == ("c2pa.edited", "c2pa.PII.present")
    assert "but for 2 places" in edited["description"]
    assert transcoded["action"] == "c2pa.transcoded"


def assertions(manifest: dict[str, Any]) -> dict[str, Any]:
    assert all(one["created"] for one in manifest["assertions"])
    return {one["label"]: one["data"] for one in manifest["assertions"]}


def test_ffmpeg_plays_it(film: Path) -> None:
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 90


def flips(data: bytes) -> Iterator[int]:
    """Some bytes of each box, and the first eight of each."""
    rng = random.Random(5)
    for _, at, size in mp4.boxes(data):
        yield from range(at, at + 8)
        yield from (rng.randrange(at, at + size) for _ in range(30))


def test_whatever_byte_is_flipped_a_reader_finds_it_but_where_onvifs_signature_does(film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()
    store, signature = places_of(film)
    used = store[0] + len(data[slice(*store)].rstrip(b"\0"))
    passed = {at for at in flips(data) if holds(flipped(data, at))}
    # The room that the store leaves, and the signature: nothing else escapes. (In the store: what C2PA does not sign,
    # such as the padding within it.)
    assert all(store[0] <= at < store[1] or signature[0] <= at < signature[1] for at in passed)
    assert any(at >= used for at in passed)
    altered = tmp_path / "altered.mp4"
    for at in sorted(passed):
        altered.write_bytes(flipped(data, at))
        with pytest.raises(EvidenceError):
            verify(altered)


@given(draw=st.data())
def test_no_byte_of_the_pictures_and_their_times_may_differ(film: Path, draw: st.DataObject) -> None:
    store, signature = places_of(film)
    at = draw.draw(st.integers(store[1], signature[0] - 1))
    assert not holds(flipped(film.read_bytes(), at, draw.draw(st.integers(1, 255))))


def flipped(data: bytes, at: int, by: int = 1) -> bytes:
    return data[:at] + bytes((data[at] ^ by,)) + data[at + 1 :]


def test_what_is_added_cut_or_taken_from_another_film_is_found(office: Office, film: Path) -> None:
    data, other = film.read_bytes(), office.film("other.mp4", first=3).read_bytes()
    assert holds(other)
    start, end = places_of(film).store
    assert not holds(data[:start] + other[start:end] + data[end:])
    assert not holds(data + b"\0\0\0\x08free")
    assert not holds(data[:-1])


def test_no_time_is_in_it_but_the_films_and_the_exports(film: Path) -> None:
    words = json.dumps(read(film.read_bytes()).manifest)
    times = [moment(CLAIM.start_ns), moment(CLAIM.start_ns), moment(CLAIM.at_ns)]
    assert sorted(re.findall(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", words)) == sorted(times)


def test_two_threads_sign_at_once(office: Office) -> None:
    names = [f"thread-{number}.mp4" for number in range(12)]
    with ThreadPoolExecutor(2) as pool:
        films = list(pool.map(office.film, names))
    assert all(holds(one.read_bytes()) for one in films)


def test_the_key_is_made_once_wrapped_and_only_the_owners(office: Office) -> None:
    again = open_credentials(office.folder, "elsewhere", CITY_KEY, 0)
    assert again == office.credentials
    for name in ("credentials.key", "credentials.pem"):
        assert (office.folder / name).stat().st_mode & 0o777 == 0o600
        assert b"PRIVATE" not in (office.folder / name).read_bytes()
    with pytest.raises(SealError):
        open_credentials(office.folder, CLAIM.city, CityKey(b"x" * 32), 0)


def test_the_certificate_is_issued_by_an_authority_whose_key_is_gone(office: Office) -> None:
    certificate = x509.load_pem_x509_certificate(office.credentials.certificate)
    authority = x509.load_pem_x509_certificate(office.credentials.authority)
    certificate.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    assert certificate.public_key() != authority.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert {one.name for one in office.folder.iterdir() if one.suffix in {".key", ".pem"}} == {
        "credentials.key", "credentials.pem", "export.key",
    }  # fmt: skip


@pytest.mark.parametrize("city", ["Петропавловск-Камчатский", "x" * 80, "Ҷ" * 80], ids=["long", "longest", "two bytes"])
def test_a_city_may_be_called_what_it_is_called(tmp_path: Path, city: str) -> None:
    office = Office(tmp_path, city)
    longest = replace(CLAIM, city=city, name="x" * 200, camera="x" * 63, ledger="x" * 300, is_redacted=True)
    assert holds(office.film(claim=longest).read_bytes())


def test_what_cannot_be_signed_is_said(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    bare = laid_out(0, office.seal.certificate)
    setup, _ = minute()
    opening = mp4.opening(init_segment(setup))
    path.write_bytes(opening + bare[len(opening) + BOX_BYTES :])
    with pytest.raises(EvidenceError, match="no room"):
        embed(office.credentials, path, CLAIM)
    path.write_bytes(bare)
    with pytest.raises(EvidenceError, match=r"credentials have \d+ bytes"):
        embed(office.credentials, path, replace(CLAIM, ledger="x" * STORE_BYTES))
    with pytest.raises(EvidenceError, match="cannot be signed"):
        embed(replace(office.credentials, key=b"no key"), path, CLAIM)
    with pytest.raises(EvidenceError, match="cannot be signed"):
        embed(replace(office.credentials, certificate=office.credentials.authority), path, CLAIM)
    assert path.read_bytes() == bare
    (tmp_path / "credentials.pem").write_bytes(b"no certificate")
    with pytest.raises(EvidenceError, match="cannot be used"):
        open_credentials(tmp_path, CLAIM.city, CITY_KEY, 0)
    assert authority_in(tmp_path) == b""


def test_a_film_without_its_store_is_what_it_was_before(film: Path) -> None:
    setup, _ = minute()
    opening = with_room(mp4.opening(init_segment(setup)))
    assert without_store(film.read_bytes()[: len(opening)]) == opening


@given(st.binary(max_size=200), st.integers(0, 700), st.binary(max_size=8))
def test_what_is_no_film_is_said_to_be_none(data: bytes, at: int, put: bytes) -> None:
    setup, _ = minute()
    opening = with_room(mp4.opening(init_segment(setup)))
    for one in (data, opening[:at] + put + opening[at + len(put) :], opening[:at]):
        with contextlib.suppress(EvidenceError):
            assert len(without_store(one)) == len(one)
        with contextlib.suppress(EvidenceError):
            places_in(io.BytesIO(one), len(one))
