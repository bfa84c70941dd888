"""Where the simulated city's cameras stand: at the corners of its streets, which are a grid."""

import math
from typing import Any, Final

_NORTH, _WEST = 38.5900, 68.7600
_BLOCK_NORTH, _BLOCK_EAST = 0.0018, 0.0023  # degrees: about 200 m
_DIRECTIONS: Final = (45, 135, 225, 315, 90, 0)
_RIVER: Final = ((-0.4, 0.55), (6.2, 1.4), (11.7, 0.5), (18.4, 1.6), (24.5, 0.6), (30.4, 1.5))


def place_of(number: int) -> dict[str, str]:
    """The place of the city's camera of that number, as `camera import` reads it."""
    longitude, latitude = _point(*_corner(number))
    return {
        "latitude": f"{latitude:.5f}",
        "longitude": f"{longitude:.5f}",
        "direction": str(_DIRECTIONS[number % len(_DIRECTIONS)]),
    }


def street_map(cameras: int) -> dict[str, Any]:
    """The streets on which so many cameras stand, as GeoJSON (RFC 7946)."""
    columns = math.isqrt(max(0, cameras - 1)) + 1
    rows = max(row for _, row in map(_corner, range(cameras))) + 1
    lines = [(f"Street {row + 1}", [_point(-0.5, row), _point(columns - 0.5, row)]) for row in range(rows)]
    lines += [(f"Avenue {column + 1}", [_point(column, -0.5), _point(column, rows - 0.5)]) for column in range(columns)]
    return {
        "type": "FeatureCollection",
        "features": [
            _feature("river", "The river", [_point(x, y - 1) for x, y in _RIVER if x < columns]),
            *(_feature("street", name, points) for name, points in lines),
        ],
    }


def _corner(number: int) -> tuple[int, int]:
    """Column and row: squares within squares, so that any number of cameras fills about a square."""
    edge = math.isqrt(number)
    rest = number - edge * edge
    return (edge, rest) if rest < edge else (rest - edge, edge)


def _point(column: float, row: float) -> tuple[float, float]:
    """Longitude and latitude, as GeoJSON orders them."""
    return round(_WEST + column * _BLOCK_EAST, 6), round(_NORTH - row * _BLOCK_NORTH, 6)


def _feature(kind: str, name: str, points: list[tuple[float, float]]) -> dict[str, Any]:
    geometry = {"type": "LineString", "coordinates": points}
    return {"type": "Feature", "properties": {"kind": kind, "name": name}, "geometry": geometry}
