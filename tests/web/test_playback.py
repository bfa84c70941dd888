"""Recorded pictures over HTTP: a playlist that players play; what is not known is covered, and not refused."""

import io
import re
from pathlib import Path

import av
import pytest

from civicam.web.gate import moment
from tests.fakes.recorded import START_NS, S
from tests.web.served import Served, served
from tests.web.test_api import PATH, problem_of


def between(start_s: float, end_s: float) -> dict[str, str]:
    return {"from": moment(START_NS + int(start_s * S)), "to": moment(START_NS + int(end_s * S))}


async def playlist_of(web: Served, start_s: float, end_s: float, speed: str = "1") -> str:
    answer = await web.client.get(f"{PATH}/playback.m3u8", params=between(start_s, end_s) | {"speed": speed})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert answer.headers["x-media-type"].startswith('video/mp4; codecs="avc')
    return answer.text


def uris(playlist: str) -> list[str]:
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def length_s(playlist: str) -> float:
    return sum(float(found) for found in re.findall(r"#EXTINF:([\d.]+)", playlist))


async def frames_of(web: Served, playlist: str) -> list[av.VideoFrame]:
    """What a player makes of all of it."""
    found = re.search(r'#EXT-X-MAP:URI="([^"]+)"', playlist)
    assert found
    data = b""
    for uri in (found[1], *uris(playlist)):
        answer = await web.client.get(f"{PATH}/{uri}")
        assert answer.status_code == 200, answer.text
        data += answer.content
    with av.open(io.BytesIO(data), "r") as container:
        return list(container.decode(video=0))


async def test_a_playlist_says_what_is_played_when_and_where_nothing_is(city: Path) -> None:
    async with served(city) as web:
        text = await playlist_of(web, 0, 60)
        assert (text.splitlines()[0], text.splitlines()[-1]) == ("#EXTM3U", "#EXT-X-ENDLIST")
        assert f"#EXT-X-PROGRAM-DATE-TIME:{moment(START_NS)[:-1]}" in text
        assert "#EXT-X-GAP" in text
        assert abs(length_s(text) - 60) < 0.001


async def test_all_of_a_playlist_plays_without_a_hole(city: Path) -> None:
    async with served(city) as web:
        frames = await frames_of(web, await playlist_of(web, 3, 15))
        times = [float(frame.time or 0) for frame in frames]
        assert times[0] == 0
        assert times == sorted(times)
        assert times[-1] > 9
        assert {(frame.width, frame.height) for frame in frames} == {(64, 48)}


async def test_faster_is_shorter(city: Path) -> None:
    async with served(city) as web:
        assert abs(length_s(await playlist_of(web, 0, 48, "4")) - 12) < 0.001
        assert await frames_of(web, await playlist_of(web, 0, 48, "16"))


async def test_what_was_not_recorded_is_not_found(city: Path) -> None:
    async with served(city) as web:
        for asked in (between(31, 35), between(-900, -800)):
            assert problem_of(await web.client.get(f"{PATH}/playback.m3u8", params=asked)) == (
                404,
                "nothing was recorded then; see the camera's coverage",
            )
        nobody = await web.client.get("/api/cameras/nobody-9/playback.m3u8", params=between(0, 5))
        assert problem_of(nobody)[0] == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": "0"}, {"speed": "17"}, {"speed": "nan"}, {"speed": "fast"},
        {"size": "0x0"}, {"size": "63x48"}, {"size": "9000x48"}, {"size": "64"}, {"size": ""},
        {"zero": "never"}, {"zero": "2020-01-01T00:00:00Z"}, {"zero": "2026-03-02T00:00:00Z"},
        between(0, 60), between(5, 5), between(6, 5),
    ],
)  # fmt: skip
async def test_a_segment_that_is_in_no_playlist_is_refused(city: Path, wrong: dict[str, str]) -> None:
    right = {**between(0, 4), "zero": moment(START_NS), "speed": "1", "size": "64x48"}
    async with served(city) as web:
        assert (await web.client.get(f"{PATH}/playback.m4s", params=right)).status_code == 200
        assert problem_of(await web.client.get(f"{PATH}/playback.m4s", params=right | wrong))[0] == 400


async def test_a_playlist_longer_than_may_be_is_refused(city: Path) -> None:
    async with served(city) as web:
        assert problem_of(await web.client.get(f"{PATH}/playback.m3u8", params=between(0, 90_000)))[0] == 400
