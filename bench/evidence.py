"""How fast exports are made and verified: `python -m bench.evidence`.

Ten cameras' footage, of real H.264, is recorded as the recorder writes it, committed to in a real ledger and exported;
then one camera's hour is exported and verified, by the command and by the page in Chromium, without a network; and a
minute of another one is exported redacted.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from bench.live import SIZES, Loop, loops
from bench.measure import machine
from bench.playback import Fragments
from bench.simulator import WORK as _WORK
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, RegisterEntry, Segment
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.evidence import original, redacted
from civicam.evidence.certificate import open_seal
from civicam.evidence.credentials import open_credentials
from civicam.evidence.export import entries_of, finish, package, prove
from civicam.evidence.manifest import export_facts
from civicam.evidence.order import Archive, Made, Making, Order
from civicam.evidence.statement import VERIFIER, statement, statement_pdf, verifier_page
from civicam.evidence.verify import verify
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.ledger.entry import Draft, Kind
from civicam.ledger.log import LedgerFolder, Log, create_log, read_verifier
from civicam.ledger.published import read_published
from civicam.player.archive_reader import ArchiveReader
from civicam.player.redacted_film import RedactedFilms
from civicam.recorder.fmp4 import codec_string, init_segment
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.upkeep.written import footage_draft, footage_leaves
from civicam.vision.decoder import Decoder
from civicam.vision.model_store import ModelStore

WORK = Path(_WORK).absolute()
S = 1_000_000_000
START_NS = 1_772_323_200 * S
MINUTE_NS = 60 * S
MINUTE_FRAMES = 900
CHROMIUM = "/usr/bin/chromium"
_SETTINGS = RedactionSettings(bootstrap_s=30)
_ENTRY = RegisterEntry("bench", "bench", 30.0, "bench")


class City:
    """A city that recorded, as much as is asked for, and wrote it down each minute."""

    def __init__(self, root: Path, scenes: list[Loop]) -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        self.root, self.key = root, CityKey(b"k" * 32)
        self.volume = Volume("main", root / "footage", 0)
        self.volume.prepare()
        self.keyring, self.catalogue = KeyRing(self.key), root / "catalogue.sqlite"
        self.ledger = LedgerFolder(root / "ledger")
        create_log(self.ledger, "bench.example", self.key)
        self._minutes = [(loop, _minute(loop)) for loop in scenes]
        Catalogue.open(self.catalogue, create=True).close()

    def record(self, cameras: int, minutes: int, first: int = 0) -> None:
        """Records cameras for so long, from `START_NS` on."""
        log = Log(self.ledger, self.key)
        with Catalogue.open(self.catalogue) as catalogue:
            for number in range(first, first + cameras):
                camera = CameraId(f"cam-{number:03d}")
                catalogue.add_camera(
                    Camera(camera, camera, {StreamName.MAIN: "rtsp://192.0.2.1/"}, None, "b", START_NS, None, _ENTRY)
                )
            for minute in range(minutes):
                rows = [self._segment(number, minute) for number in range(first, first + cameras)]
                catalogue.record(rows, [])
                (receipt,) = log.append([footage_draft(rows)], START_NS + (minute + 2) * MINUTE_NS)
                catalogue.commit_segments(rows, receipt.index, footage_leaves(rows))
        log.integrate()
        log.publish(log.note())
        log.close()

    def _segment(self, number: int, minute: int) -> Segment:
        loop, fragments = self._minutes[number % len(self._minutes)]
        key, start_ns = StreamKey(CameraId(f"cam-{number:03d}"), StreamName.MAIN), START_NS + minute * MINUTE_NS
        setup = SegmentSetup(codec_string(loop.setup), loop.setup.width, loop.setup.height, init_segment(loop.setup))
        writer = SegmentWriter.create(
            self.volume, key, epoch=START_NS, start_wall_ns=start_ns, created_wall_ns=start_ns, setup=setup,
            keyring=self.keyring,
        )  # fmt: skip
        at_ns = start_ns
        for one in fragments:
            length_ns = one.header.duration_90k * 100_000 // 9
            header = replace(one.header, start_wall_ns=at_ns, end_wall_ns=at_ns + length_ns)
            writer.append(Fragment(header, one.payload))
            at_ns += length_ns
        closed = writer.close()
        return Segment(
            key, start_ns, closed.end_wall_ns, START_NS, "main", closed.size_bytes, closed.fragment_count,
            closed.sample_count, closed.digest,
        )  # fmt: skip

    def _films(self, order: Order, archive: Archive, making: Making) -> Made:
        if not order.is_redacted:
            return original.make(order, archive, making)
        store = ModelStore(self.root / "scenes", self.key)
        with closing(ArchiveReader(self.catalogue, archive.volumes, self.keyring)) as reader:
            return redacted.make(order, archive, RedactedFilms(reader, store, lambda _: _SETTINGS), making)

    def learn(self, number: int) -> None:
        """Has a camera's scene learned from a minute of its footage."""
        loop, _ = self._minutes[number % len(self._minutes)]
        decoder, redactor = Decoder(), Redactor(_SETTINGS)
        decoder.setup(loop.setup)
        for sample in loop.played(MINUTE_FRAMES):
            for picture in decoder.decode(sample):
                redactor.learn(picture)
        if redactor.model is None:
            raise RuntimeError("no scene was learned")
        camera = CameraId(f"cam-{number:03d}")
        ModelStore(self.root / "scenes", self.key).save(camera, START_NS, redactor.model.to_bytes())

    def export(
        self, cameras: range, minutes: int, name: str, *, is_redacted: bool = False
    ) -> tuple[Path, float, float]:  # fmt: skip
        """Exports; returns the package, and how many seconds making the films and packing took."""
        folder = self.root / name
        folder.mkdir()
        order = Order(
            name, "Bench", str(read_verifier(self.ledger)), "bench", "bench", "1",
            (START_NS, START_NS + minutes * MINUTE_NS), tuple(CameraId(f"cam-{n:03d}") for n in cameras),
            StreamName.MAIN, START_NS, is_redacted=is_redacted,
        )  # fmt: skip
        seal = open_seal(self.root, "Bench", self.key, START_NS)
        making = Making(seal, open_credentials(self.root, "Bench", self.key, START_NS), folder, _ignore)
        begun = time.monotonic()
        with Catalogue.open(self.catalogue) as catalogue:
            made = self._films(order, Archive(catalogue, {"main": self.volume}, self.keyring), making)
        words = statement(made, seal.certificate).encode()
        digest = finish(
            made,
            seal,
            {
                "statement.pdf": statement_pdf(words.decode(), "Bench", START_NS),
                "statement.txt": words,
                VERIFIER: verifier_page(),
            },
        )
        filmed = time.monotonic() - begun
        log = Log(self.ledger, self.key)
        facts = export_facts(made.manifest, digest, seal.fingerprint)
        (receipt,) = log.append([Draft(Kind.EXPORT, facts)], order.window[1] + MINUTE_NS)
        log.integrate()
        log.publish(log.note())
        log.close()
        proof = prove(read_published(self.ledger), receipt.index, entries_of(made.manifest))
        path = package(made, proof, _ignore)
        return path, filmed, time.monotonic() - begun


def _ignore(_: int) -> None:
    """Nobody looks."""


def _minute(loop: Loop) -> list[Fragment]:
    sink = Fragments()
    fragmenter = Fragmenter(sink, FragmentLimits(900_000, 1 << 24))
    fragmenter.setup(loop.setup)
    for sample in loop.played(MINUTE_FRAMES):
        fragmenter.sample(sample)
    fragmenter.flush()
    return sink.fragments


def in_page(path: Path, page_file: Path) -> float:
    """Seconds from choosing the package to the verdict, in Chromium without a network."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only this needs a browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True).new_page()
        page.set_default_timeout(300_000)
        page.goto(page_file.as_uri())
        begun = time.monotonic()
        page.set_input_files("#package", path)
        page.wait_for_selector("#verdict")
        took = time.monotonic() - begun
        if page.locator("#holds").count() != 1:
            raise RuntimeError(page.inner_text("#verdict"))
        browser.close()
    return took


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def main() -> None:
    """Measures, and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=10)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--size", default="1280x720", choices=[f"{w}x{h}" for w, h in SIZES])
    options = parser.parse_args()
    width, height = (int(one) for one in options.size.split("x"))
    city = City(WORK / "evidence", loops((width, height), WORK))
    city.record(options.cameras, options.minutes)
    city.record(1, 60, first=options.cameras)
    path, filmed, took = city.export(range(options.cameras), options.minutes, "many")
    size = path.stat().st_size
    hour, _, hour_took = city.export(range(options.cameras, options.cameras + 1), 60, "hour")
    city.learn(0)
    covered, _, covered_took = city.export(range(1), 1, "covered", is_redacted=True)
    page = WORK / "evidence" / VERIFIER
    page.write_bytes(verifier_page())
    found = {
        "machine": asdict(machine(WORK)),
        "size": options.size,
        "export": {
            "cameras": options.cameras, "minutes": options.minutes, "bytes": size, "films_s": round(filmed, 2),
            "seconds": round(took, 2), "times_real_time": round(options.minutes * 60 / took, 1),
            "mbit_s_a_camera": round(size * 8 / 1e6 / (options.minutes * 60 * options.cameras), 2),
        },
        "hour": {
            "bytes": hour.stat().st_size, "export_s": round(hour_took, 2),
            "command_s": round(timed(lambda: verify(hour)), 2), "page_s": round(in_page(hour, page), 2),
        },
        "redacted": {
            "minutes": 1, "bytes": covered.stat().st_size, "times_real_time": round(60 / covered_took, 1),
            "command_s": round(timed(lambda: verify(covered)), 2),
        },
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    shutil.rmtree(WORK / "evidence")


if __name__ == "__main__":
    main()
