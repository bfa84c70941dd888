"""What a scene is made of: a ground with its markings, solids that stand on it, lights, and who moves through it."""

from dataclasses import dataclass, field

from civicam.city.traffic import Lane, Signals, Standing

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Patch:
    """A polygon on the ground, of one material; later ones lie on earlier ones."""

    material: str
    points_m: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Building:
    """A box on the ground with windows: its near-left corner, its size, and a seed for its looks."""

    x_m: float
    y_m: float
    width_m: float
    depth_m: float
    height_m: float
    look: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree: where it stands, how high it is, and a seed for its crown."""

    x_m: float
    y_m: float
    height_m: float
    look: int


@dataclass(frozen=True, slots=True)
class Lamp:
    """A street lamp: where it stands and which way its arm reaches (metres along x)."""

    x_m: float
    y_m: float
    arm_m: float
    height_m: float = 8.0


@dataclass(frozen=True, slots=True)
class SignalHead:
    """A traffic light on a pole that shows the state of a group; `faces_camera` ones show their lamps."""

    x_m: float
    y_m: float
    group: str
    faces_camera: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A plain solid (kiosk, bench, shelter, plinth): its near-left corner, base and size, and its colour."""

    x_m: float
    y_m: float
    z_m: float
    width_m: float
    depth_m: float
    height_m: float
    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Mount:
    """Where the camera hangs and how it looks; see `Pinhole`."""

    position_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    fov_deg: float


@dataclass(frozen=True)
class Scene:
    """A place a camera watches."""

    kind: str
    mount: Mount
    extent_m: tuple[float, float, float, float]
    patches: list[Patch] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)
    heads: list[SignalHead] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    signals: Signals = field(default_factory=Signals)


def rectangle(left: float, bottom: float, right: float, top: float) -> tuple[Point, ...]:
    """The corners of a rectangle on the ground."""
    return (left, bottom), (right, bottom), (right, top), (left, top)
