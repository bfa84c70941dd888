"""The register's map: whatever lies in the city's folder as its map, the cameras are drawn."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from civicam.catalogue.models import Camera, Place
from civicam.city.places import place_of, street_map
from civicam.core.ids import CameraId
from civicam.web.public_map import drawn_map

places = st.builds(
    Place,
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.none() | st.floats(0, 359),
    st.floats(1, 360),
    st.floats(1, 1000),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["features", "LineString", "Polygon"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["features", "geometry", "type", "coordinates", "properties", "kind"]), inner)
    ),
    max_leaves=20,
)


def camera(number: int, place: Place | None) -> Camera:
    return Camera(CameraId(f"c-{number}"), f"Camera {number}", {}, None, "traffic", 1, None, None, place)


def test_a_city_without_places_has_no_map() -> None:
    assert drawn_map([camera(1, None)], None) is None


def test_the_simulated_city_is_drawn_with_its_streets(tmp_path: Path) -> None:
    path = tmp_path / "map.geojson"
    path.write_text(json.dumps(street_map(70)))
    rows = [place_of(number) for number in range(70)]
    found = drawn_map(
        [
            camera(n, Place(float(r["latitude"]), float(r["longitude"]), float(r["direction"])))
            for n, r in enumerate(rows)
        ],
        path,
    )
    assert found is not None
    assert len(found.cameras) == 70
    assert {line.kind for line in found.lines} == {"street", "river"}
    assert all(0 <= one.x <= found.width and 0 <= one.y <= found.height and one.cone for one in found.cameras)
    assert len({(one.x, one.y) for one in found.cameras}) == 70


@given(st.lists(places, min_size=1, max_size=5))
def test_any_places_are_within_the_drawing(stand: list[Place]) -> None:
    found = drawn_map([camera(number, place) for number, place in enumerate(stand)], None)
    assert found is not None
    assert all(0 <= one.x <= found.width and 0 <= one.y <= found.height for one in found.cameras)


@given(json_values)
def test_whatever_a_map_holds_the_cameras_are_drawn(tmp_path_factory: object, content: object) -> None:
    path = Path(getattr(tmp_path_factory, "getbasetemp")()) / "odd.geojson"  # noqa: B009
    path.write_text(json.dumps(content))
    found = drawn_map([camera(1, Place(38.5, 68.7, 90.0))], path)
    assert found is not None
    assert len(found.cameras) == 1
