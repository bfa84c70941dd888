"""An export: footage as it was recorded, in files that players play, and all that it takes to check it."""

import io
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import av
import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.core.errors import EvidenceError
from civicam.core.ids import StreamName
from civicam.evidence.credentials import EXPORT
from civicam.evidence.export import PACKAGE
from civicam.evidence.media_signing import MEDIA_SIGNING
from civicam.evidence.mp4 import boxes
from civicam.evidence.statement import statement_pdf
from civicam.evidence.verify import verify
from civicam.footage.fragment import Fragment
from civicam.player.archive_reader import parse_payload
from civicam.recorder.fmp4 import fragment, fragment_sample
from tests.evidence.house import WINDOW, Exporting
from tests.evidence.test_credentials import holds, read
from tests.evidence.test_media_signing import sei, signed
from tests.fakes.packets import with_lengths
from tests.fakes.recorded import GOP_NS, KEYS, START_NS, Footage, S, minute
from tests.fakes.samples import FRAME_90K


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Exporting:
    return Exporting.build(tmp_path_factory.mktemp("city"))


@pytest.fixture(scope="module")
def package(city: Exporting) -> Path:
    return city.export()


def pictures(data: bytes) -> list[tuple[float, bytes]]:
    """When each picture is shown, and what it looks like."""
    with av.open(io.BytesIO(data), "r") as container:
        return [
            (float(frame.time or 0), sha256(frame.to_ndarray(format="gray").tobytes()).digest())
            for frame in container.decode(video=0)
        ]


def test_everything_that_an_export_says_holds(package: Path) -> None:
    verdict = verify(package)
    assert verdict.manifest is not None
    assert [one.id for one in verdict.manifest.cameras] == [key.camera for key in KEYS]
    assert any("byte for byte" in words for words in verdict.holds)
    assert any("no witness" in words for words in verdict.unproven)
    for key in KEYS:
        causes = {why for _, why in verdict.holes[key.camera]}
        assert causes == {"by the recording itself: lost packets", "by the recording itself: camera silent"}
        silent = [span for span, why in verdict.holes[key.camera] if "silent" in why]
        assert [(span[0] // S, span[1] // S) for span in silent] == [(START_NS // S + 30, START_NS // S + 36)]


def test_any_unzip_opens_it_and_the_files_play_in_ffmpeg(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "statement.txt"
        archive.extractall(tmp_path)
    files = sorted((tmp_path / "footage").iterdir())
    assert [one.name for one in files] == [f"{key.camera}-main-1.mp4" for key in KEYS]
    for one in files:
        found = pictures(one.read_bytes())
        assert found[0][0] == 0
        # From the group of pictures in which the asked stretch begins to the one in which it ends.
        assert found[-1][0] == pytest.approx((WINDOW[1] - WINDOW[0] + GOP_NS) / 1e9, abs=0.1)
        gaps = [after - before for (before, _), (after, _) in pairwise(found) if after - before > 0.2]
        assert max(gaps) == pytest.approx(6, abs=0.2)  # as long as nothing came


def test_the_statement_is_there_to_be_read_and_to_be_printed(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        words, pdf = archive.read("statement.txt").decode(), archive.read("statement.pdf")
    assert "by Firuza" in words
    assert "the court of Khujand, case 7/26" in words
    assert pdf.startswith(b"%PDF-1.")
    assert b"D:20260301" in pdf  # made when the export was, not when somebody looks
    cyrillic = statement_pdf("Выгрузка: Рӯдакӣ, ҷамъ", "x", 0)
    assert len(cyrillic) > len(statement_pdf("", "x", 0))


def test_the_boxes_are_those_of_the_onvif_export_file_format(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        data = archive.read("footage/rudaki-07-main-1.mp4")
    outer = [kind for kind, _, _ in boxes(data)]
    assert outer[:3] == [b"ftyp", b"uuid", b"moov"]
    assert set(outer[3:-2]) == {b"moof", b"mdat"}
    assert outer[-2:] == [b"mfra", b"meta"]
    assert data[8:12] == b"isom"
    (meta,) = [(at, size) for kind, at, size in boxes(data) if kind == b"meta"]
    inner = {kind: data[at + 8 : at + size] for kind, at, size in boxes(data, meta[0] + 12, sum(meta))}
    assert set(inner) == {b"hdlr", b"suep", b"cstb", b"ipro"}
    assert inner[b"suep"][0] == 1  # its version
    assert b"civicam, Khujand\0" in inner[b"suep"]
    assert b"Firuza\0" in inner[b"suep"]
    assert inner[b"ipro"][4:6] == b"\0\1"
    assert b"schm\0\0\0\0oeff\0\1\0\0" in inner[b"ipro"]
    ticks = int.from_bytes(inner[b"cstb"][8:16], "big")
    assert ticks // 10_000_000 - 11_644_473_600 == START_NS // S + 4


def test_openssl_verifies_the_signature_as_onvifs_own_signer_makes_it(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        film, certificate = archive.read("footage/rudaki-07-main-1.mp4"), archive.read("certificate.der")
    at = film.rindex(b"sibo") + 4
    size = int.from_bytes(film[at - 8 : at - 4], "big") - 8
    (tmp_path / "film").write_bytes(film[:at] + bytes(size) + film[at + size :])
    (tmp_path / "signature").write_bytes(film[at : at + size])
    (tmp_path / "certificate").write_bytes(certificate)
    key = subprocess.run(
        ["openssl", "x509", "-inform", "der", "-in", tmp_path / "certificate", "-pubkey", "-noout"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    (tmp_path / "key").write_bytes(key)
    said = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20", "-verify",
         tmp_path / "key", "-signature", tmp_path / "signature", tmp_path / "film"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout == "Verified OK\n", said.stderr


def test_a_file_taken_out_of_the_package_still_says_that_nothing_was_changed(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        alone = Path(archive.extract("footage/somoni-01-main-1.mp4", tmp_path))
    verdict = verify(alone)
    assert "Firuza exported it" in verdict.holds[0]
    data = bytearray(alone.read_bytes())
    data[len(data) // 2] ^= 1
    alone.write_bytes(data)
    with pytest.raises(EvidenceError, match="signature"):
        verify(alone)


def test_a_file_that_was_remuxed_by_ffmpeg_is_refused(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        alone = archive.extract("footage/rudaki-07-main-1.mp4", tmp_path)
    again = tmp_path / "again.mp4"
    with av.open(alone) as source, av.open(str(again), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert len(pictures(again.read_bytes())) > 100
    with pytest.raises(EvidenceError, match="no signature"):
        verify(again)


def test_an_export_that_was_killed_goes_on_with_what_is_whole_and_leaves_no_half(city: Exporting) -> None:
    class KilledError(Exception):
        """In the middle."""

    seen = 0

    def kill(size_bytes: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 30:
            raise KilledError

    folder = city.root / "killed"
    with pytest.raises(KilledError):
        city.export("killed", kill)
    assert not (folder / PACKAGE).exists()
    again = city.export("killed")
    assert verify(again).entry is not None
    assert sorted(one.name for one in folder.iterdir()) == [PACKAGE]


SLOW = """
import sys, time
from pathlib import Path
from tests.evidence.house import Exporting
def progress(size_bytes):
    print("more", flush=True)
    time.sleep(0.02)
Exporting.at(Path(sys.argv[1])).export("shot", progress)
"""


@pytest.mark.parametrize("after", [1, 17, 30, 46])
def test_an_export_whose_process_is_shot_leaves_nothing_that_holds_and_goes_on(
    city: Exporting, tmp_path: Path, after: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(city.root)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    for _ in range(after):
        assert process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    folder = city.root / "shot"
    for left in folder.rglob("*"):
        if left.suffix in {".zip", ".mp4", ".part"}:
            with suppress(
                EvidenceError
            ):  # a film that is whole may say that it was not changed; a package does not hold
                assert verify(left).manifest is None
    again = city.export("shot")
    assert verify(again).manifest is not None
    assert [one.name for one in folder.iterdir()] == [PACKAGE]
    again.unlink()


def test_footage_that_is_not_written_down_yet_is_not_exported(city: Exporting, tmp_path: Path) -> None:
    shutil.copytree(city.root, tmp_path / "city")
    copy = Exporting.build(tmp_path / "other")
    with Catalogue.open(copy.recorded.path) as catalogue, catalogue._database.writing() as connection:
        connection.execute("UPDATE segments SET entry = NULL")
    with pytest.raises(EvidenceError, match="not closed and written down"):
        copy.export()


def test_footage_that_is_damaged_is_told_as_absent_and_the_rest_is_exported(tmp_path: Path) -> None:
    city = Exporting.build(tmp_path)
    path = city.recorded.file(3)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    verdict = verify(city.export())
    assert any("by the city" in why for _, why in verdict.holes[KEYS[0].camera])
    assert not any("by the city" in why for _, why in verdict.holes[KEYS[1].camera])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"window": (START_NS + 10 * S, START_NS + 10 * S)}, "more than nothing"),
        ({"window": (START_NS - 90 * S, START_NS - 60 * S)}, "there is no footage"),
        ({"stream": StreamName.SUB}, "there is no footage"),
    ],
)
def test_what_cannot_be_exported_is_said(city: Exporting, changes: dict[str, object], told: str) -> None:
    with pytest.raises(EvidenceError, match=told):
        city.export("wrong", **changes)  # type: ignore[arg-type]  # fields by name


def test_a_film_that_somebody_signed_again_is_said_to_be(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        film = archive.read(f"footage/{KEYS[0].camera}-main-1.mp4")
    at = film.rindex(b"sinf") - 4
    size = int.from_bytes(film[at : at + 4], "big")
    again = bytearray(film + film[at : at + size])
    for kind in (b"ipro", b"meta"):
        where = film.rindex(kind) - 4
        again[where : where + 4] = (int.from_bytes(film[where : where + 4], "big") + size).to_bytes(4, "big")
    (tmp_path / "again.mp4").write_bytes(again)
    with pytest.raises(EvidenceError, match="signed this film again"):
        verify(tmp_path / "again.mp4")


def test_content_credentials_are_read_by_the_library_that_knows_no_civicam(city: Exporting, package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        film = archive.read(f"footage/{KEYS[0].camera}-main-1.mp4")
    found = read(film)
    assert found.state == "Valid"
    assert "signingCredential.untrusted" in found.codes
    said = next(one["data"] for one in found.manifest["assertions"] if one["label"] == EXPORT)
    assert (said["export"], said["city"], said["camera"]) == ("1", "Khujand", KEYS[0].camera)
    altered = bytearray(film)
    altered[len(film) // 2] ^= 1
    assert not holds(bytes(altered))


def test_pictures_that_a_camera_signed_are_told_and_leave_as_it_sent_them(tmp_path: Path) -> None:
    def footage() -> Footage:
        setup, made = minute()
        return setup, tuple(with_signature(one) if isinstance(one, Fragment) else one for one in made)

    path = Exporting.build(tmp_path, footage).export(cameras=(KEYS[0].camera,))
    verdict = verify(path)
    count = verdict.signed[KEYS[0].camera]
    assert count > 20
    assert any(f"{count} messages of ONVIF Media Signing" in words for words in verdict.holds)
    with zipfile.ZipFile(path) as archive:
        assert f"{KEYS[0].camera}: {count}, in its films" in archive.read("statement.txt").decode()
        assert archive.read(f"footage/{KEYS[0].camera}-main-1.mp4").count(MEDIA_SIGNING) == count


def with_signature(one: Fragment) -> Fragment:
    """A fragment whose first picture has a signature before it, as a camera would send it."""
    start_90k, _, rows = parse_payload(one.payload)
    data = [row.data for row in rows]
    data[0] = with_lengths([sei(signed(b"a signature"))]) + data[0]
    table = [fragment_sample(FRAME_90K, len(part), row.is_key, 0) for part, row in zip(data, rows, strict=True)]
    return Fragment(one.header, fragment(1, start_90k, table, data))
