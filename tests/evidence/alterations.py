"""Ways to alter an export, as somebody might who holds it and has keys of their own; every one must be found.

`python -m tests.evidence.alterations --runs 100000 --seed 1` tries that many with the command's verifier, and 1,000
untouched exports; with `--page` the page in Chromium is asked instead, and `--redacted` tries redacted ones.
"""

import argparse
import base64
import io
import json
import random
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import av
from playwright.sync_api import Page, Playwright, sync_playwright

from civicam.core.citykey import CityKey
from civicam.core.errors import EvidenceError
from civicam.evidence.certificate import SIGNATURE_BYTES, Seal, open_seal
from civicam.evidence.manifest import CERTIFICATE, LEDGER, MANIFEST, SIGNATURE
from civicam.evidence.mp4 import boxes
from civicam.evidence.order import Area
from civicam.evidence.package import Member, directory, local_header
from civicam.evidence.verify import verify
from civicam.footage.segment_format import pack_fields, parse_fields
from civicam.ledger.encoding import canonical
from civicam.vision.model_store import ModelStore
from tests.evidence.house import AT_NS, PAGE, Exporting
from tests.fakes.recorded import KEYS, START_NS, S
from tests.fakes.walk import learn, walk

Files = dict[str, bytes]


@dataclass(frozen=True)
class Truth:
    """An export, another of the same cameras, and the key of somebody who would alter it."""

    data: bytes
    other: bytes
    thief: Seal

    @cached_property
    def files(self) -> Files:
        """Its members."""
        return members_of(self.data)

    @cached_property
    def others(self) -> Files:
        """Those of the other one."""
        return members_of(self.other)


def members_of(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files) -> bytes:
    """A package whose archive is in order."""
    members = [Member(name, len(data), zlib.crc32(data)) for name, data in files.items()]
    parts = [part for one, data in zip(members, files.values(), strict=True) for part in (local_header(one), data)]
    return b"".join((*parts, directory(members)))


def walking(root: Path) -> Exporting:
    """A city that knows the scenes of its cameras, through which somebody walks."""
    city = Exporting.build(root, walk)
    for key in KEYS:
        learn(ModelStore(root / "scenes", CityKey(b"k" * 32)), key.camera)
    return city


def build(root: Path, *, is_redacted: bool = False) -> Truth:
    """A city's two exports: ten seconds of one camera, and other ten."""
    city = walking(root) if is_redacted else Exporting.build(root)
    city.has_page = False
    (root / "thief").mkdir()
    thief = open_seal(root / "thief", "Khujand", city.ledger.city_key, AT_NS)
    camera = KEYS[0].camera
    first, second = (
        city.export(
            f"export-{at}",
            window=(START_NS + at * S, START_NS + (at + 10) * S),
            cameras=(camera,),
            is_redacted=is_redacted,
            shown=(Area(camera, START_NS + (at + 2) * S, START_NS + (at + 4) * S, 100, 100, 900, 900),) * is_redacted,
        )
        for at in ((4, 9) if is_redacted else (4, 40))
    )
    return Truth(first.read_bytes(), second.read_bytes(), thief)


def is_found(data: bytes, path: Path) -> bool:
    """Whether the verifier says that something does not hold."""
    path.write_bytes(data)
    try:
        verify(path)
    except EvidenceError:
        return True
    return False


Alteration = Callable[[Truth, random.Random], bytes]


def bit_flipped(truth: Truth, rng: random.Random) -> bytes:
    """One bit, anywhere."""
    data = bytearray(truth.data)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut_off(truth: Truth, rng: random.Random) -> bytes:
    """It ends early."""
    return truth.data[: rng.randrange(len(truth.data))]


def added_to(truth: Truth, rng: random.Random) -> bytes:
    """Bytes are put somewhere."""
    at = rng.randrange(len(truth.data) + 1)
    return truth.data[:at] + rng.randbytes(rng.randint(1, 40)) + truth.data[at:]


def bytes_changed(truth: Truth, rng: random.Random) -> bytes:
    """Some bytes of a member, and the archive put in order."""
    name = rng.choice(list(truth.files))
    data = bytearray(truth.files[name])
    at = rng.randrange(len(data))
    data[at] ^= rng.randint(1, 255)
    return packed(truth.files | {name: bytes(data)})


def member_gone(truth: Truth, rng: random.Random) -> bytes:
    """A member is missing."""
    gone = rng.choice(list(truth.files))
    return packed({name: data for name, data in truth.files.items() if name != gone})


def member_added(truth: Truth, rng: random.Random) -> bytes:
    """Another member."""
    return packed(truth.files | {f"footage/{rng.random()}.mp4": rng.randbytes(50)})


def member_of_another(truth: Truth, rng: random.Random) -> bytes:
    """A member of another export of that camera."""
    name = rng.choice([name for name in truth.files if truth.others.get(name) not in (None, truth.files[name])])
    return packed(truth.files | {name: truth.others[name]})


def _film(truth: Truth) -> tuple[str, bytes, list[bytes], bytes]:
    """The name of the file with footage, its head, its fragments and its end."""
    name = next(name for name in truth.files if name.startswith("footage/"))
    data = truth.files[name]
    found = [(kind, at, at + size) for kind, at, size in boxes(data)]
    moofs = [at for kind, at, _ in found if kind == b"moof"]
    ends = [end for kind, _, end in found if kind == b"mdat"]
    return name, data[: moofs[0]], [data[a:b] for a, b in zip(moofs, ends, strict=True)], data[ends[-1] :]


def _thieved(truth: Truth, manifest: dict[str, object], changed: Files) -> bytes:
    """A package whose manifest says what is in it, and is signed by the thief, whose certificate lies beside it."""
    data = canonical(manifest)
    mine = {MANIFEST: data, SIGNATURE: truth.thief.sign(sha256(data).digest()), CERTIFICATE: truth.thief.certificate}
    return packed(truth.files | changed | mine)


def _resigned(truth: Truth, film: bytes) -> tuple[bytes, bytes]:
    """A film signed by the thief, and that signature."""
    film = film.replace(truth.files[CERTIFICATE], truth.thief.certificate)
    at = film.rindex(b"sibo") + 4
    end = at + SIGNATURE_BYTES
    signature = truth.thief.sign(sha256(film[:at] + bytes(SIGNATURE_BYTES) + film[end:]).digest())
    return film[:at] + signature + film[end:], signature


def _film_with(truth: Truth, pick: Callable[[list[int]], list[int]]) -> bytes:
    """The film with other fragments or another order of them, and a manifest that says so."""
    name, head, fragments, end = _film(truth)
    order = pick(list(range(len(fragments))))
    film, signature = _resigned(truth, head + b"".join(fragments[n] for n in order) + end)
    manifest = json.loads(truth.files[MANIFEST])
    (one,) = manifest["files"]
    if "pieces" in one:  # the film's beginning is the first, and what finds fragments is the last
        first, *pieces, last = one["pieces"]
        one["pieces"] = [first, *(pieces[n] for n in order), last]
    else:
        one["fragments"] = [one["fragments"][n] for n in order]
    one["size"], one["crc32"] = len(film), zlib.crc32(film)
    one["signature"] = base64.b64encode(signature).decode()
    return _thieved(truth, manifest, {name: film})


def fragment_dropped(truth: Truth, rng: random.Random) -> bytes:
    """A fragment is cut out."""

    def pick(order: list[int]) -> list[int]:
        order.pop(rng.randrange(len(order)))
        return order

    return _film_with(truth, pick)


def fragment_repeated(truth: Truth, rng: random.Random) -> bytes:
    """A fragment stands there twice."""

    def pick(order: list[int]) -> list[int]:
        order.insert(rng.randrange(len(order)), rng.choice(order))
        return order

    return _film_with(truth, pick)


def fragments_reordered(truth: Truth, rng: random.Random) -> bytes:
    """Two fragments change places."""

    def pick(order: list[int]) -> list[int]:
        one, other = rng.sample(range(len(order)), 2)
        order[one], order[other] = order[other], order[one]
        return order

    return _film_with(truth, pick)


def fragment_spliced(truth: Truth, rng: random.Random) -> bytes:
    """A fragment of the camera's other export in place of one of these."""
    name, head, fragments, end = _film(truth)
    _, _, others, _ = _film(Truth(truth.other, truth.data, truth.thief))
    at = rng.randrange(len(fragments))
    fragments[at] = rng.choice(others)
    return packed(truth.files | {name: head + b"".join(fragments) + end})


def time_changed(truth: Truth, rng: random.Random) -> bytes:
    """A fragment says another time, and the manifest is signed by the thief."""
    manifest = json.loads(truth.files[MANIFEST])
    (one,) = manifest["files"]
    if "pieces" in one:
        at = rng.choice(["start_ns", "end_ns"])
        where = rng.choice([one, *manifest["shown"]])
        where[at] = str(int(where[at]) + rng.choice([-1, 1]) * rng.randint(1, 10**12))
        return _thieved(truth, manifest, {})
    row = rng.choice(one["fragments"])
    sequence, size_bytes, header = parse_fields(base64.b64decode(row[1]))
    shift_ns = rng.choice([-1, 1]) * rng.randint(1, 10**12)
    object.__setattr__(header, "start_wall_ns", header.start_wall_ns + shift_ns)
    object.__setattr__(header, "end_wall_ns", header.end_wall_ns + shift_ns)
    row[1] = base64.b64encode(pack_fields(sequence, size_bytes, header)).decode()
    return _thieved(truth, manifest, {})


def words_changed(truth: Truth, rng: random.Random) -> bytes:
    """The manifest says something else of who and what for, and is signed by the thief."""
    manifest = json.loads(truth.files[MANIFEST])
    manifest[rng.choice(["operator", "recipient", "case", "city", "number"])] = f"x{rng.random()}"
    return _thieved(truth, manifest, {})


def certificate_swapped(truth: Truth, rng: random.Random) -> bytes:
    """All is signed by the thief, whose certificate lies beside it, and nothing else is changed."""
    return _film_with(truth, lambda order: order) if rng.random() < 0.5 else _thieved(
        truth, json.loads(truth.files[MANIFEST]), {}
    )  # fmt: skip


def proof_changed(truth: Truth, rng: random.Random) -> bytes:
    """The ledger says something else, or proves it in another way."""
    ledger = json.loads(truth.files[LEDGER])
    entry = rng.choice(ledger["entries"])
    what = rng.choice(["index", "data", "proof", "export", "checkpoint"])
    if what == "index":
        entry["index"] += rng.choice([-1, 1, 2])
    elif what == "data":
        entry["data"] = base64.b64encode(base64.b64decode(entry["data"]).replace(b"6", b"7", 1) + b" ").decode()
    elif what == "proof":
        entry["proof"] = entry["proof"][:-1]
    elif what == "export":
        ledger["export"] += rng.choice([-1, 1])
    else:
        ledger["checkpoint"] = ledger["checkpoint"].replace("\n", "\n1", 1)
    return packed(truth.files | {LEDGER: json.dumps(ledger, sort_keys=True, separators=(",", ":")).encode()})


def remuxed(truth: Truth, rng: random.Random) -> bytes:
    """The film comes out of ffmpeg, without its pictures being touched."""
    name, *_ = _film(truth)
    target = io.BytesIO()
    with av.open(io.BytesIO(truth.files[name]), "r") as source, av.open(target, "w", format="mp4") as made:
        stream = made.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return packed(truth.files | {name: target.getvalue()})


ALTERATIONS: list[Alteration] = [
    bit_flipped, cut_off, added_to, bytes_changed, member_gone, member_added, member_of_another, fragment_dropped,
    fragment_repeated, fragments_reordered, fragment_spliced, time_changed, words_changed, certificate_swapped,
    proof_changed, remuxed,
]  # fmt: skip
_SELDOM = {remuxed, certificate_swapped}
"""They take long, and give the same each time."""


def untouched(root: Path, rng: random.Random, count: int, *, is_redacted: bool = False) -> Iterator[bytes]:
    """So many exports of one city, each of another stretch, of one camera or two, with gaps in some."""
    city, made = walking(root) if is_redacted else Exporting.build(root), 0
    while made < count:
        start_ns = START_NS + rng.randrange((18 if is_redacted else 50) * S)
        window = (start_ns, start_ns + rng.randrange(S, (6 if is_redacted else 20) * S))
        cameras = tuple(key.camera for key in rng.sample(KEYS, rng.choice([1, 2])))
        try:
            path = city.export(f"export-{made}", window=window, cameras=cameras, is_redacted=is_redacted)
        except EvidenceError:
            continue  # nothing was recorded then
        made += 1
        yield path.read_bytes()
        shutil.rmtree(path.parent)


Finds = Callable[[bytes], bool]

CHROMIUM = "/usr/bin/chromium"
_A_PAGE = 1000
"""So many packages are looked at by one page."""
_ASK = """async (text) => {
    const data = Uint8Array.fromBase64(text);
    try { await verify(new Blob([data]), () => {}); return false; } catch { return true; }
}"""


@contextmanager
def page_finds(playwright: Playwright) -> Iterator[Finds]:
    """What the page in Chromium says, opened from the disk and without a network."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    context = browser.new_context(offline=True)
    pages: list[Page] = []
    asked = 0

    def finds(data: bytes) -> bool:
        nonlocal asked
        if asked % _A_PAGE == 0:
            for one in pages:
                one.close()  # what it kept of so many packages goes with it
            pages[:] = [context.new_page()]
            pages[0].goto(PAGE.as_uri())
        asked += 1
        return bool(pages[0].evaluate(_ASK, base64.b64encode(data).decode()))

    yield finds
    browser.close()


@contextmanager
def command_finds(path: Path) -> Iterator[Finds]:
    """What the command's verifier says."""
    yield lambda data: is_found(data, path)


def main() -> int:
    """Tries many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--redacted", action="store_true", help="redacted exports, and not footage as it was recorded")
    parser.add_argument("--untouched", type=int, default=1000)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    missed: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
        truth = build(Path(folder), is_redacted=options.redacted)
        path = Path(folder, "altered.zip")
        if options.page:
            finds = held.enter_context(page_finds(held.enter_context(sync_playwright())))
        else:
            finds = held.enter_context(command_finds(path))
        often = [one for one in ALTERATIONS if one not in _SELDOM]
        for run in range(options.runs):
            alter = rng.choice(ALTERATIONS if run % 50 == 0 else often)
            if not finds(alter(truth, rng)):
                missed[alter.__name__] = missed.get(alter.__name__, 0) + 1
            if run % 1000 == 999:
                sys.stdout.write(f"{run + 1} altered, missed: {missed or 'none'}\n")
                sys.stdout.flush()
        others = untouched(Path(folder, "untouched"), rng, options.untouched, is_redacted=options.redacted)
        alarms = sum(finds(one) for one in others)
    told = f"{options.runs} altered, missed {missed or 'none'}; {options.untouched} untouched, {alarms} alarms\n"
    sys.stdout.write(told)
    return 1 if missed or alarms else 0


if __name__ == "__main__":
    sys.exit(main())
