"""Nothing is shown that is not written down first; what belongs to one view is one entry."""

from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from civicam.core.errors import LedgerError, NotAllowedError
from civicam.ledger.entry import SEAL, Draft, Kind, Receipt
from civicam.web.authorise import Authoriser, LocalOnly, Purpose, Viewer
from civicam.web.looks import PLAYBACK_NS, STILLS_NS, Look, Looks
from tests.fakes.clock import ManualClock
from tests.web.served import CAMERA, served

HERE = Viewer("127.0.0.1", "localhost")
S = 1_000_000_000
NOON_NS = 1_772_366_400 * S


class Book:
    """A ledger in memory, for the rules of what is one view; the routes below write to a real one."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []

    async def append(self, draft: Draft) -> Receipt:
        self.drafts.append(draft)
        return Receipt(len(self.drafts) - 1, 0, draft, made_by=SEAL)


class Desk:
    """Somebody who asks, now and then."""

    def __init__(self) -> None:
        self.clock, self.book = ManualClock(NOON_NS), Book()
        self.looks = Looks(self.book, self.clock)
        self.authoriser = Authoriser(self.clock, LocalOnly())

    async def look(self, purpose: Purpose, window: tuple[int, int] | None = None) -> Look:
        return await self.looks.written(self.authoriser.authorise(HERE, CAMERA, window, purpose))


async def test_stills_of_ten_minutes_are_one_view() -> None:
    desk = Desk()
    first = await desk.look(Purpose.STILL)
    desk.clock.advance(300)
    assert (await desk.look(Purpose.STILL)).receipt is first.receipt
    desk.clock.advance_ns(STILLS_NS)
    await desk.look(Purpose.STILL)
    assert [draft.facts["purpose"] for draft in desk.book.drafts] == ["still", "still"]
    assert desk.book.drafts[0].facts["to"] == "2026-03-01T12:10:00.000Z"


async def test_a_stretch_and_all_that_is_asked_of_it_are_one_view_and_more_of_it_another() -> None:
    desk = Desk()
    window = NOON_NS - 3600 * S, NOON_NS - 1800 * S
    first = await desk.look(Purpose.PLAYBACK, window)
    for start_ns in (window[0], window[1] - 4 * S):
        assert (await desk.look(Purpose.PLAYBACK, (start_ns, start_ns + 4 * S))).receipt is first.receipt
    await desk.look(Purpose.PLAYBACK, (window[0] - 4 * S, window[0]))
    assert len(desk.book.drafts) == 2
    desk.clock.advance_ns(PLAYBACK_NS)
    await desk.look(Purpose.PLAYBACK, window)
    assert len(desk.book.drafts) == 3


async def test_previews_along_a_timeline_are_one_view_of_the_hour() -> None:
    desk = Desk()
    at_ns = NOON_NS - 7200 * S
    for minute in range(5):
        await desk.look(Purpose.PLAYBACK, (at_ns + minute * 60 * S, at_ns + minute * 60 * S + 1))
    assert [(draft.facts["from"], draft.facts["to"]) for draft in desk.book.drafts] == [
        ("2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00.000Z")
    ]


async def test_each_live_view_is_an_entry_with_an_end() -> None:
    desk = Desk()
    for _ in range(2):
        await desk.looks.ended(await desk.look(Purpose.LIVE))
    assert [draft.kind for draft in desk.book.drafts] == [Kind.VIEW, Kind.VIEW_END] * 2
    assert desk.book.drafts[3].facts["view"] == 2


def test_nothing_else_makes_a_look_or_a_receipt() -> None:
    decision = Authoriser(ManualClock(NOON_NS), LocalOnly()).authorise(HERE, CAMERA, None, Purpose.LIVE)
    with pytest.raises(NotAllowedError):
        Receipt(0, 0, Draft(Kind.VIEW), made_by=object())  # type: ignore[arg-type]
    with pytest.raises(NotAllowedError):
        Look(decision, Receipt(0, 0, Draft(Kind.VIEW), made_by=SEAL), made_by=object())  # type: ignore[arg-type]


PATHS = [
    f"/api/cameras/{CAMERA}/still.webp",
    f"/api/cameras/{CAMERA}/past.webp?at=2026-03-01T12:00:05Z",
    f"/api/cameras/{CAMERA}/playback.m3u8?from=2026-03-01T12:00:00Z&to=2026-03-01T12:01:00Z",
    f"/api/cameras/{CAMERA}/playback.m4s?from=2026-03-01T12:00:00Z&to=2026-03-01T12:00:04Z"
    "&zero=2026-03-01T12:00:00Z&size=160x96",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_ledger_that_cannot_be_written_gives_nothing_out_and_says_so(city: Path, path: str) -> None:
    async with served(city) as web:
        web.put_still()
        web.ledger.fails = True
        answer = await web.client.get(path)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert "written down" in answer.json()["detail"]
        web.ledger.fails = False
        assert (await web.client.get(path)).status_code in {200, 404}
        assert [draft.kind for draft in web.ledger.drafts] == [Kind.VIEW]


async def test_a_live_view_begins_when_it_is_written_and_its_end_is_written_too(city: Path) -> None:
    async with served(city) as web:
        url = f"{web.address.replace('http', 'ws')}api/cameras/{CAMERA}/live"
        origin = web.address.rstrip("/")
        web.ledger.fails = True
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, origin=origin):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code == 503
        assert web.hub.viewers == 0
        web.ledger.fails = False
        async with connect(url, origin=origin) as live:  # type: ignore[arg-type]
            await live.recv()
            assert [draft.kind for draft in web.ledger.drafts] == [Kind.VIEW]
    assert [draft.kind for draft in web.ledger.drafts] == [Kind.VIEW, Kind.VIEW_END]


async def test_a_view_that_runs_goes_on_when_only_its_end_cannot_be_written(city: Path) -> None:
    async with served(city) as web:
        url = f"{web.address.replace('http', 'ws')}api/cameras/{CAMERA}/live"
        async with connect(url, origin=web.address.rstrip("/")) as live:  # type: ignore[arg-type]
            await live.recv()
            web.ledger.fails = True
            with pytest.raises(LedgerError):
                await web.ledger.append(Draft(Kind.VIEW))
    assert [draft.kind for draft in web.ledger.drafts] == [Kind.VIEW]
