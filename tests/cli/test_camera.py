"""`civicam camera`: what people type, and what they see of it."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from civicam.app import City, recorder_lock
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera
from civicam.cli import camera as command
from civicam.config import DataFolder
from civicam.core.ids import CameraId, StreamName
from tests.fakes.command_line import civicam
from tests.fakes.register import REGISTER

URL = "rtsp://10.0.3.7/s1"


@pytest.fixture
def data(tmp_path: Path) -> str:
    folder = str(tmp_path / "city")
    assert civicam("init", "--data", folder).status == 0
    return folder


def cameras(data: str) -> list[Camera]:
    with City.open(DataFolder(Path(data))).catalogue() as catalogue:
        return catalogue.cameras()


def login(data: str) -> tuple[str, str] | None:
    city = City.open(DataFolder(Path(data)))
    found = city.credentials(cameras(data)[0])
    return (found.user, found.password) if found else None


def imported(data: str, text: str) -> tuple[int, str]:
    return civicam("camera", "import", "-", "--data", data, stdin=text)


def test_brackets_in_titles_addresses_and_purposes_are_shown_as_they_are(data: str) -> None:
    for number, purpose in enumerate(("why [/not]", "[red]", "[fe80::1]")):
        added = civicam(
            "camera", "add", f"a-{number}", "rtsp://[fe80::1]/s", "--purpose", purpose, "--title", f"t{purpose}",
            "--data", data,
        )  # fmt: skip
        assert added.status == 0
    listed = civicam("camera", "list", "--data", data).text
    for words in ("why [/not]", "[red]", "t[fe80::1]", "rtsp://[fe80::1]/s"):
        assert words in listed


def test_brackets_in_a_metrics_address_are_shown_as_they_are(data: str) -> None:
    with recorder_lock(DataFolder(Path(data))) as say:
        say("http://[fe80::1]:1")
        assert "http://[fe80::1]:1/status" in civicam("status", "--data", data).text


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_no_password_on_stdin_is_refused(data: str, stdin: str) -> None:
    said = civicam(
        "camera", "add", "a", URL, "--purpose", "x", "--username", "op", "--password-stdin", "--data", data, stdin=stdin
    )
    assert said.status == 2
    assert "the password is empty" in said.text
    assert cameras(data) == []


def test_a_password_on_stdin_is_kept_as_it_is(data: str) -> None:
    said = civicam(
        "camera", "add", "a", URL, "--purpose", "x", "--username", "op", "--password-stdin", "--data", data,
        stdin=" p w \n",
    )  # fmt: skip
    assert said.status == 0
    assert login(data) == ("op", " p w ")


def test_on_a_terminal_a_password_from_stdin_is_asked_for_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("seen by all\n"))
    monkeypatch.setattr("typer.prompt", lambda _text, *, hide_input: "hidden" if hide_input else "shown")
    found = command._login("op", from_stdin=True)
    assert found is not None
    assert found.password == "hidden"


@pytest.mark.parametrize("purpose", ["", "  "])
def test_a_camera_without_a_purpose_is_refused(data: str, purpose: str) -> None:
    said = civicam("camera", "add", "a", URL, "--purpose", purpose, "--data", data)
    assert said.status == 2
    assert "purpose" in said.text
    assert imported(data, json.dumps({"id": "a", "url": URL, "purpose": purpose}))[0] == 2
    assert cameras(data) == []


def test_a_list_is_taken_up_whole_or_not_at_all(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"id,url,purpose\na,{URL},x\nb,{URL},x\n"
    catalogue_of = City.catalogue

    def just_before(city: City) -> Catalogue:
        # Another process adds `b` after this one has looked whether there is one.
        class Overtaken(Catalogue):
            def add_cameras(self, added: Sequence[Camera]) -> None:
                theirs = Camera(CameraId("b"), "b", {StreamName.MAIN: URL}, None, "theirs", 1, None, REGISTER)
                with catalogue_of(city) as other:
                    other.add_camera(theirs)
                super().add_cameras(added)

        return Overtaken.open(city.data.catalogue)

    with monkeypatch.context() as patched:
        patched.setattr(City, "catalogue", just_before)
        status, said = imported(data, text)
    assert status == 2
    assert "already" in said
    assert [(camera.id, camera.purpose) for camera in cameras(data)] == [("b", "theirs")]


def test_passwords_in_a_list_keep_their_spaces_and_other_cells_do_not(data: str) -> None:
    assert imported(data, f"id,url,purpose,username,password\na , {URL} , x ,op , p w \n")[0] == 0
    assert login(data) == ("op", " p w ")
    assert (cameras(data)[0].id, cameras(data)[0].purpose) == ("a", "x")


@pytest.mark.parametrize(
    ("main", "sub"),
    [("rtsp://a:b@h/1", "rtsp://a:c@h/2"), ("rtsp://h/1", "rtsp://a:c@h/2")],
)
def test_two_different_logins_for_one_camera_are_refused_without_showing_them(data: str, main: str, sub: str) -> None:
    given = {"id": "a", "url": main, "sub": sub, "purpose": "x", "username": "a", "password": "b"}
    status, said = imported(data, json.dumps(given))
    assert status == 2
    assert "different names or passwords" in said
    assert "a:c" not in said


def test_one_login_said_twice_is_one(data: str) -> None:
    given = {"id": "a", "url": "rtsp://a:b@h/1", "sub": "rtsp://a:b@h/2", "purpose": "x"}
    assert imported(data, json.dumps(given))[0] == 0
    assert login(data) == ("a", "b")


def test_a_password_in_the_path_of_an_address_is_warned_of(data: str) -> None:
    said = civicam("camera", "add", "a", "rtsp://h/user=x_password=secret_1", "--purpose", "x", "--data", data)
    assert said.status == 0
    assert "unsealed" in said.text
    assert "secret" not in said.text
    assert "unsealed" not in civicam("camera", "add", "b", URL, "--purpose", "x", "--data", data).text
