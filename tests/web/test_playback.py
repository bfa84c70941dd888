"""Recorded pictures over HTTP: a playlist that players play; what is not known is covered, and not refused."""

import asyncio
import io
import re
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image

from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.web.authorise import LocalOnly, Purpose, Viewer
from civicam.web.gate import moment, parse_moment
from tests.fakes.recorded import START_NS, S
from tests.fakes.samples import FRAME_NS
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


async def beside(web: Served, at: str, go: str) -> str | None:
    answer = await web.client.get(f"{PATH}/frame", params={"at": at, "go": go})
    assert answer.status_code == 200, answer.text
    found: str | None = answer.json()["at"]
    return found


async def test_frames_are_stepped_through_one_by_one_and_back(city: Path) -> None:
    async with served(city) as web:
        at: str | None = moment(START_NS + 2 * S)
        walked = [at]
        for _ in range(20):
            assert at
            at = await beside(web, at, "forward")
            walked.append(at)
        steps = [parse_moment(there or "", "at") - parse_moment(here or "", "at") for here, there in pairwise(walked)]
        assert all(abs(step - FRAME_NS) < 2000 for step in steps[1:])
        back = [at]
        for _ in range(19):
            assert at
            at = await beside(web, at, "back")
            back.append(at)
        assert back == walked[:0:-1]


async def test_beside_a_time_without_frames_there_is_none(city: Path) -> None:
    async with served(city) as web:
        assert await beside(web, moment(START_NS - 60 * S), "forward") is None
        assert await beside(web, moment(START_NS + 90 * S), "back") is None
        for wrong in ({"at": "never", "go": "back"}, {"at": moment(START_NS), "go": "up"}, {"at": moment(START_NS)}):
            assert problem_of(await web.client.get(f"{PATH}/frame", params=wrong))[0] == 400


async def test_a_frame_is_not_told_to_who_may_not_see_it(city: Path) -> None:
    end_ns = START_NS + 2 * S + 1

    class UpTo(LocalOnly):
        def refusal(
            self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
        ) -> str | None:
            return "the time is over" if window[1] > end_ns else None

    async with served(city, UpTo()) as web:
        asked = {"at": moment(START_NS + 2 * S)}
        assert (await web.client.get(f"{PATH}/frame", params=asked | {"go": "back"})).status_code == 200
        assert problem_of(await web.client.get(f"{PATH}/frame", params=asked | {"go": "forward"}))[0] == 403


async def test_a_still_of_the_past_is_given_covered_where_its_scene_is_not_known(city: Path) -> None:
    async with served(city) as web:
        stills = {}
        for at_s in (4, 5, 33):
            answer = await web.client.get(f"{PATH}/past.webp", params={"at": moment(START_NS + at_s * S)})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
            stills[at_s] = answer
            with Image.open(io.BytesIO(answer.content)) as image:
                assert (image.format, image.size[0] <= 640) == ("WEBP", True)
        assert stills[4].content == stills[5].content != stills[33].content
        headers = {"If-None-Match": stills[4].headers["etag"]}
        again = await web.client.get(f"{PATH}/past.webp", params={"at": moment(START_NS + 4 * S)}, headers=headers)
        assert again.status_code == 304
        assert problem_of(await web.client.get(f"{PATH}/past.webp"))[0] == 400


async def test_more_stills_of_the_past_than_may_be_made_at_once_are_told_to_come_again(city: Path) -> None:
    async with served(city) as web:
        asked = [web.client.get(f"{PATH}/past.webp", params={"at": moment(START_NS + n * S)}) for n in range(24)]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {200, 503}
        assert (await web.client.get(f"{PATH}/past.webp", params={"at": moment(START_NS)})).status_code == 200
