"""Pictures with known ground truth for `bench.redaction`: drawn, coded as H.264, decoded again; and real clips."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from civicam.city.conditions import DAY, DUSK, NIGHT, RAIN, Conditions
from civicam.city.draw import Frame, Renderer
from civicam.city.encode import Encoding, encode
from civicam.city.picture import Picture as Pixels
from civicam.city.scene import Scene
from civicam.city.traffic import STANDING_M_S, Kind, Lane
from civicam.redaction.picture import Picture

WIDTH, HEIGHT, FPS = 640, 360, 15
LOOP_S = 90
KEY_EVERY_S = 2
VIEW_S = 12
VIEW_AT_S = 30
_FOLDER = Path(".bench/redaction")
_LEAVES_AFTER_S = 3
_VERSION = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A place, what happens there, and what it may cost.

    Attributes:
        name: of the case.
        kind: of the place.
        conditions: while it is viewed.
        learned: conditions while the scene is learned; None: the same.
        before_s: keys seen between learning and the view, those who stand included.
        dense: three times the traffic.
        leaves: a parked car drives off during the view.
        most_background: the share of the background that may be covered.
    """

    name: str
    kind: str
    conditions: Conditions = DAY
    learned: Conditions | None = None
    before_s: int = 0
    dense: bool = False
    leaves: bool = False
    most_background: float = 0.25


CASES = (
    Case("crossroads, day", "crossroads"),
    Case("street, day", "street"),
    Case("square, day", "square"),
    Case("crossroads, dusk falls", "crossroads", replace(DUSK, light=0.6, light_end=0.4), replace(DUSK, light=0.6)),
    Case("square, dusk", "square", DUSK),
    Case("crossroads, headlights", "crossroads", NIGHT),
    Case("street, headlights", "street", NIGHT),
    Case("square, night", "square", NIGHT),
    Case("street, rain", "street", RAIN),
    Case("square, rain", "square", RAIN),
    Case("crossroads, shaking", "crossroads", replace(DAY, shake_px=3.0), most_background=0.45),
    Case("square, shaking", "square", replace(DAY, shake_px=3.0), most_background=0.45),
    Case("crossroads, dense", "crossroads", dense=True, most_background=0.45),
    Case("square, 30 minutes", "square", before_s=1800),
    Case("street, night 30 minutes", "street", NIGHT, before_s=1800),
    Case("street, a parked car leaves", "street", leaves=True),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a viewed picture shows.

    Attributes:
        ids: rows by columns: which object each pixel shows; 0 is the scene, those learned with it included.
        moving: the ids of those that move.
    """

    ids: NDArray[np.uint16]
    moving: frozenset[int]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of a case, in order.

    Attributes:
        picture: as decoded.
        truth: what it shows; None while the scene is learned or only keys are seen.
    """

    picture: Picture
    truth: Truth | None


@dataclass(slots=True)
class _Scenery:
    case: Case
    people: bool
    leaves: bool
    staying: int = field(default=0)

    def alter(self, scene: Scene) -> None:
        """Those who stand are not there while the scene is learned; parked cars are."""
        cars = [one for one in scene.standing if one.kind is Kind.CAR]
        if self.case.leaves:
            index = min(range(len(cars)), key=lambda at: abs(cars[at].y_m - 20) + 100 * (cars[at].heading_deg != 0))
            leaving = cars.pop(index)
            at_s = VIEW_AT_S + _LEAVES_AFTER_S if self.leaves else None
            cars.append(replace(leaving, leaves_s=at_s))
        self.staying = len(cars) - (1 if self.leaves else 0)
        people = [one for one in scene.standing if one.kind is not Kind.CAR] if self.people else []
        scene.standing[:] = [*cars, *people]
        if self.case.dense:
            scene.lanes[:] = [_busier(lane) for lane in scene.lanes]


def _busier(lane: Lane) -> Lane:
    return replace(lane, a_minute=lane.a_minute * 3)


def shots(case: Case, seed: int) -> Iterator[Shot]:
    """Yields the pictures of a case: keys while the scene is learned, keys before the view, then every frame of it."""
    _prepare(case, seed)
    base = _base(case, seed)
    learned, before = _decode(f"{base}-learned.mp4"), _decode(f"{base}-before.mp4")
    keys = [before[number % len(before)] for number in range(case.before_s // KEY_EVERY_S)] if case.before_s else before
    times = _learn_times()
    for at_s, key in zip(times, learned, strict=True):
        yield Shot(_timed(key, at_s), None)
    for number, key in enumerate(keys):
        yield Shot(_timed(key, times[-1] + (number + 1) * KEY_EVERY_S), None)
    with np.load(f"{base}-truth.npz") as file:
        ids, moving = file["ids"], file["moving"]
    start_s = times[-1] + (len(keys) + 1) * KEY_EVERY_S
    for number, picture in enumerate(_decode(f"{base}-view.mp4")):
        if case.leaves and number <= _LEAVES_AFTER_S * FPS:  # until then the car is the scene
            first = min((int(one) for one in np.unique(ids) if one), default=0)
            ids[number][ids[number] == first] = 0
        truth = Truth(ids[number], frozenset(int(one) for one in moving[number] if one))
        yield Shot(_timed(picture, start_s + number / FPS), truth)


def clip(path: Path, *, lead_s: float) -> tuple[list[Picture], list[Picture]]:
    """A clip's pictures to learn from, one every 2 s and over and over for `lead_s`, and then all of them."""
    pictures = _decode(str(path))
    with av.open(str(path)) as container:
        fps = float(container.streams.video[0].average_rate or 10)
    keys = pictures[:: round(KEY_EVERY_S * fps)]
    # A step that is no divisor of their number, so that what is gathered comes from all over the clip.
    learned = [
        _timed(keys[number * 7 % len(keys)], number * KEY_EVERY_S) for number in range(round(lead_s / KEY_EVERY_S))
    ]
    return learned, [_timed(one, lead_s + number / fps) for number, one in enumerate(pictures)]


def _timed(picture: Picture, at_s: float) -> Picture:
    return replace(picture, pts_90k=round(at_s * 90_000), wall_ns=round((1000 + at_s) * 1e9))


def _base(case: Case, seed: int) -> str:
    return str(_FOLDER / f"v{_VERSION}-{case.name.replace(' ', '-').replace(',', '')}-{seed}")


def _prepare(case: Case, seed: int) -> None:
    base = _base(case, seed)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    if not Path(f"{base}-learned.mp4").exists():
        _draw_learned(case, seed, Path(f"{base}-learned.mp4"))
    if Path(f"{base}-truth.npz").exists():
        return
    scenery = _Scenery(case, people=True, leaves=case.leaves)
    view = _renderer(case, seed, case.conditions, scenery)
    step = KEY_EVERY_S * FPS
    keys = Encoding(WIDTH, HEIGHT, FPS, 500 * 8, 1 / FPS)
    until = LOOP_S * FPS if case.before_s else VIEW_AT_S * FPS
    follows = range(0, until, step) if case.before_s or case.learned else range(0, step, step)
    encode((view.frame(number).picture for number in follows), keys, Path(f"{base}-before.mp4"))
    frames: list[Frame] = []
    encode(_kept(view, frames), Encoding(WIDTH, HEIGHT, FPS, 500), Path(f"{base}-view.mp4"))
    ids = np.stack([np.where(frame.ids <= scenery.staying, 0, frame.ids) for frame in frames]).astype(np.uint16)
    moving = [[state.id for state in frame.states if state.speed_m_s >= STANDING_M_S] for frame in frames]
    table = np.zeros((len(moving), max(map(len, moving)) or 1), np.uint16)
    for row, found in zip(table, moving, strict=True):
        row[: len(found)] = found
    np.savez_compressed(f"{base}-truth.npz", ids=ids, moving=table)


def _learn_times() -> list[int]:
    """Eleven minutes: a key every 10 s for as long as the scene is gathered, then one every 2 s."""
    return [*range(0, 610, 10), *range(612, 660, KEY_EVERY_S)]


def _draw_learned(case: Case, seed: int, path: Path) -> None:
    """Its traffic does not repeat: a car that waits is another one the next time."""
    scenery = _Scenery(case, people=False, leaves=False)
    conditions = case.learned or case.conditions
    learn = Renderer(
        case.kind, seed, width=WIDTH, height=HEIGHT, fps=1 / KEY_EVERY_S, frames=330, conditions=conditions,
        barcode=False, alter=scenery.alter,
    )  # fmt: skip
    keys = Encoding(WIDTH, HEIGHT, FPS, 500 * 8, 1 / FPS)
    encode((learn.frame(at_s // KEY_EVERY_S).picture for at_s in _learn_times()), keys, path)


def _kept(view: Renderer, frames: list[Frame]) -> Iterator[Pixels]:
    for number in range(VIEW_AT_S * FPS, (VIEW_AT_S + VIEW_S) * FPS):
        frame = view.frame(number)
        frames.append(frame)
        yield frame.picture


def _renderer(case: Case, seed: int, conditions: Conditions, scenery: _Scenery) -> Renderer:
    return Renderer(
        case.kind, seed, width=WIDTH, height=HEIGHT, fps=FPS, frames=LOOP_S * FPS, conditions=conditions,
        barcode=False, alter=scenery.alter,
    )  # fmt: skip


def _decode(path: str) -> list[Picture]:
    pictures = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            planes = np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
            height, width = frame.height, frame.width
            quarter = height * width // 4
            chroma = planes[height:].reshape(-1)
            u, v = (chroma[at : at + quarter].reshape(height // 2, width // 2) for at in (0, quarter))
            pictures.append(Picture(planes[:height], u, v, 0, 0, bool(frame.key_frame)))
    return pictures
