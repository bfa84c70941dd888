"""Addresses without credentials, credentials without a face."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.url import CameraUrl, Credentials, redact
from civicam.core.errors import ConfigError

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=6, max_size=20).map(
    lambda text: f"Zq9{text}"
)


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "pair"),
    [
        ("rtsp://192.0.2.1/a", "192.0.2.1", 554, "rtsp://192.0.2.1/a", None),
        ("RTSP://cam:8554/a?b=1", "cam", 8554, "rtsp://cam:8554/a?b=1", None),
        ("rtsp://u:p@cam/a", "cam", 554, "rtsp://cam/a", ("u", "p")),
        ("rtsp://u:p@ss:w@cam/", "cam", 554, "rtsp://cam/", ("u", "p@ss:w")),
        ("rtsp://u%40x:p%2F%20@cam:80", "cam", 80, "rtsp://cam:80", ("u@x", "p/ ")),
        ("rtsp://u@[2001:db8::1]:5554/x", "2001:db8::1", 5554, "rtsp://[2001:db8::1]:5554/x", ("u", "")),
        ("rtsp://cam:/x", "cam", 554, "rtsp://cam:/x", None),
        ("rtsp://cam/дом", "cam", 554, "rtsp://cam/%D0%B4%D0%BE%D0%BC", None),
    ],
)
def test_an_address_is_split(text: str, host: str, port: int, target: str, pair: tuple[str, str] | None) -> None:
    url, credentials = CameraUrl.parse(text)
    assert (url.host, url.port, url.target) == (host, port, target)
    assert credentials == (Credentials(*pair) if pair else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cam",
        "http://cam/",
        "rtsp://",
        "rtsp://cam:0/",
        "rtsp://cam:70000/",
        "rtsp://cam:1a/",
        "rtsp://cam/\r\nX: y",
        "rtsp://u:12/34@cam/",
        "rtsp://cam/" + "a" * 5000,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        CameraUrl.parse(text)


@given(SECRETS, st.sampled_from(["rtsp://u:{}@cam/x", "rtsp://u:{}@cam:99999/", "x://u:{}@cam", "rtsp://{}@cam/ /"]))
def test_no_message_and_no_print_shows_a_password(secret: str, form: str) -> None:
    text = form.format(secret)
    try:
        url, credentials = CameraUrl.parse(text)
        shown = f"{url!r} {url} {url.target} {credentials!r} {credentials}"
    except ConfigError as error:
        shown = str(error)
    assert secret not in shown
    assert secret not in redact(text)


def test_a_password_in_the_path_is_blotted_out() -> None:
    url, _ = CameraUrl.parse("rtsp://cam/user=a&password=hidden&channel=1")
    assert url.redacted == "rtsp://cam/user=a&password=***&channel=1"
    assert "hidden" not in repr(url)
    assert "hidden" in url.target


def test_what_a_camera_repeats_is_scrubbed() -> None:
    assert Credentials("u", "hidden").scrub("bad password hidden!") == "bad password ***!"
