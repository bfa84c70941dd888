"""Engineers add, describe, place and remove cameras; each change stands in the ledger, with who made it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from civicam.access.models import Role
from civicam.camera.sealing import open_credentials
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, Place
from civicam.core.citykey import KEY_BYTES, CityKey
from civicam.ledger.entry import Kind
from tests.web.served import Served
from tests.web.test_people import get, people, post

SAID = {"owner": "the traffic office", "legal_basis": "Law on Roads, 12", "keep_days": 7, "description": "the bridge"}
STANDS = {"latitude": 38.5, "longitude": 68.7, "direction_deg": 90, "view_deg": 60, "reach_m": 40}
WANTED: dict[str, Any] = {
    "id": "bridge-1",
    "url": "rtsp://10.0.0.9/main",
    "sub": "rtsp://10.0.0.9/small",
    "title": "The bridge",
    "purpose": "traffic",
    "username": "viewer",
    "password": "not told",
    "register_entry": SAID,
    "place": STANDS,
}


@pytest.fixture
def own(city: Path, tmp_path: Path) -> Path:
    """A copy of the city, which may be changed."""
    return shutil.copytree(city, tmp_path / "own")


def stored(city: Path, name: str = "bridge-1") -> Camera | None:
    with Catalogue.open(city / "catalogue.sqlite") as catalogue:
        return next((camera for camera in catalogue.cameras() if camera.id == name), None)


def written(web: Served) -> list[tuple[object, list[str]]]:
    return [(one.facts["what"], [*one.parts]) for one in web.ledger.drafts if one.kind is Kind.CAMERA]


async def test_an_engineer_adds_a_camera_and_its_password_is_sealed(own: Path) -> None:
    async with people(own) as web:
        engineer = await web.house.person("behruz", Role.ENGINEER)
        answer = await post(web, "/api/cameras", engineer, WANTED)
        assert answer.status_code == 204, answer.text
        camera = stored(own)
        assert camera is not None
        assert camera.register is not None
        assert (camera.title, camera.register.keep_days, len(camera.urls)) == ("The bridge", 7.0, 2)
        login = open_credentials(CityKey(bytes(range(KEY_BYTES))), camera.id, camera.credentials)
        assert login is not None
        assert (login.user, login.password) == ("viewer", "not told")
        listed = (await get(web, "/api/cameras", engineer)).text
        assert "The bridge" in listed
        assert "not told" not in listed
        assert "10.0.0.9" not in listed
        assert written(web) == [("added", ["by"])]
        assert "10.0.0.9" not in str(web.ledger.drafts)
        assert (await post(web, "/api/cameras", engineer, WANTED)).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "Bridge 1"}, {"id": "../x"}, {"url": "http://10.0.0.9/"}, {"url": "rtsp://"}, {"url": ""},
        {"purpose": "  "},
        {"register_entry": SAID | {"owner": ""}}, {"register_entry": SAID | {"keep_days": 0}},
        {"register_entry": SAID | {"description": "x" * 1001}}, {"place": STANDS | {"latitude": 91}},
        {"url": "rtsp://other:login@10.0.0.9/"},
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_and_nothing_is_added_or_written(own: Path, wrong: dict[str, Any]) -> None:
    async with people(own) as web:
        engineer = await web.house.person("behruz", Role.ENGINEER)
        answer = await post(web, "/api/cameras", engineer, WANTED | wrong)
        assert answer.status_code in {400, 422}
        assert answer.json()["detail"]
        assert stored(own) is None
        assert written(web) == []


async def test_a_camera_is_described_placed_and_removed(own: Path) -> None:
    async with people(own) as web:
        engineer = await web.house.person("behruz", Role.ENGINEER)
        await post(web, "/api/cameras", engineer, WANTED | {"register_entry": None, "place": None})
        path = "/api/cameras/bridge-1"
        assert (await post(web, f"{path}/describe", engineer, SAID)).status_code == 204
        assert (await post(web, f"{path}/place", engineer, STANDS)).status_code == 204
        camera = stored(own)
        assert camera is not None
        assert camera.place == Place(38.5, 68.7, 90.0)
        assert camera.register is not None
        assert (await post(web, f"{path}/remove", engineer)).status_code == 204
        assert stored(own) is None
        assert [what for what, _ in written(web)] == ["added", "described", "placed", "removed"]
        assert (await post(web, f"{path}/remove", engineer)).status_code == 404


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ENGINEER])
async def test_nobody_else_changes_cameras(own: Path, role: Role) -> None:
    async with people(own) as web:
        somebody = await web.house.opens(await web.house.person("somebody", role))
        for path, body in (("", WANTED), ("/rudaki-01/remove", {}), ("/rudaki-01/place", STANDS)):
            assert (await post(web, f"/api/cameras{path}", somebody, body)).status_code == 403
