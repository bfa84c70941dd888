"""The map of the register, drawn on the server: it needs no JavaScript and asks nobody else for tiles."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from civicam.catalogue.models import Camera, Place

MAP_BYTES: Final = 8 << 20
_WIDTH: Final = 1000.0
_MARGIN: Final = 40.0
_LEAST_SPAN_DEG: Final = 0.002
_METRES_A_DEGREE: Final = 111_320.0
_MOST_LINES: Final = 5_000
_ARC: Final = 6


@dataclass(frozen=True, slots=True)
class MapLine:
    """A street, or water: `kind` is what the city's map calls it, `points` as SVG writes them."""

    kind: str
    points: str


@dataclass(frozen=True, slots=True)
class MapCamera:
    """A camera: its place in the drawing, and what it sees as corners, empty where that is not known."""

    title: str
    x: float
    y: float
    cone: str


@dataclass(frozen=True, slots=True)
class CityMap:
    """A drawing in SVG's units."""

    width: float
    height: float
    lines: list[MapLine]
    cameras: list[MapCamera]


class _Projection:
    """Equirectangular around the middle: over a city it is as good as any."""

    def __init__(self, places: Sequence[Place]) -> None:
        north, south = max(one.latitude for one in places), min(one.latitude for one in places)
        east, west = max(one.longitude for one in places), min(one.longitude for one in places)
        self._squeeze = math.cos(math.radians((north + south) / 2)) or 1.0
        width_deg = max((east - west) * self._squeeze, _LEAST_SPAN_DEG)
        height_deg = max(north - south, _LEAST_SPAN_DEG)
        self._scale = (_WIDTH - 2 * _MARGIN) / width_deg
        self._north, self._west = (north + south + height_deg) / 2, (east + west) / 2 - width_deg / self._squeeze / 2
        self.height = round(height_deg * self._scale + 2 * _MARGIN, 1)

    def __call__(self, latitude: float, longitude: float) -> tuple[float, float]:
        x = _MARGIN + (longitude - self._west) * self._squeeze * self._scale
        y = _MARGIN + (self._north - latitude) * self._scale
        return round(x, 1), round(y, 1)


def drawn_map(cameras: Iterable[Camera], city_map: Path | None) -> CityMap | None:
    """The drawing; None where nobody said where cameras stand. Blocks.

    A map of the city that cannot be read is left out: the cameras are drawn without it.
    """
    placed = [(camera, camera.place) for camera in cameras if camera.place is not None]
    if not placed:
        return None
    project = _Projection([place for _, place in placed])
    lines = [
        MapLine(kind, _points([project(latitude, longitude) for longitude, latitude in line]))
        for kind, line in _lines(city_map)
    ]
    shown = [
        MapCamera(camera.title, *project(place.latitude, place.longitude), _points(_cone(project, place)))
        for camera, place in placed
    ]
    return CityMap(_WIDTH, project.height, lines[:_MOST_LINES], shown)


def _cone(project: _Projection, place: Place) -> list[tuple[float, float]]:
    if place.direction_deg is None:
        return []
    squeeze = math.cos(math.radians(place.latitude)) or 1.0
    reach_deg = place.reach_m / _METRES_A_DEGREE
    corners = [project(place.latitude, place.longitude)]
    for step in range(_ARC + 1):
        angle = math.radians(place.direction_deg + place.view_deg * (step / _ARC - 0.5))
        north, east = reach_deg * math.cos(angle), reach_deg * math.sin(angle) / squeeze
        corners.append(project(place.latitude + north, place.longitude + east))
    return corners


def _points(corners: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in corners)


def _lines(city_map: Path | None) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Kind and points (longitude, latitude) of every line and ring of a GeoJSON file (RFC 7946)."""
    try:
        if city_map is None or city_map.stat().st_size > MAP_BYTES:
            return
        features = json.loads(city_map.read_text("utf-8"))["features"]
        for feature in features:
            kind = str((feature.get("properties") or {}).get("kind", "other"))
            for line in _coordinates(feature["geometry"]):
                yield kind if kind.isalpha() else "other", [(float(one[0]), float(one[1])) for one in line]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return


def _coordinates(geometry: dict[str, Any]) -> list[Any]:
    found = geometry["coordinates"]
    match geometry["type"]:
        case "LineString":
            return [found]
        case "MultiLineString" | "Polygon":
            return [*found]
        case "MultiPolygon":
            return [ring for polygon in found for ring in polygon]
        case _:
            return []
