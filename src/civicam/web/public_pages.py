"""What everybody may see, without signing in and without JavaScript: the register, the counts, how to check them."""

import asyncio
import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import Response

from civicam.catalogue.models import Camera
from civicam.core.errors import CivicamError
from civicam.ledger.counts import Counted, LedgerCounts
from civicam.ledger.entry import Kind
from civicam.ledger.log import LedgerFolder
from civicam.ledger.published import read_published
from civicam.web.directory import Directory
from civicam.web.export_store import Export, ExportState
from civicam.web.gate import moment
from civicam.web.public_map import CityMap, drawn_map

LANGUAGES: Final = ("en", "ru", "tg")
PAGES: Final = ("cameras", "counts", "checkpoint", "request")
_SHOWN: Final = (
    (Kind.VIEW, "views"),
    ("clear", "clear"),
    (Kind.GRANT_APPROVED, "grants"),
    (Kind.BREAK_GLASS, "glass"),
    (Kind.EXPORT, "exports"),
    (Kind.HOLD, "holds"),
    (Kind.DELETION, "deletions"),
    (Kind.REQUEST, "requests"),
    ("request-answered", "answered"),
    ("request-refused", "refused"),
)
_NOTHING: Final[Mapping[str, Any]] = {
    "trouble": True, "checkpoint": "", "verifier": "", "certificate": "", "size": 0, "months": [], "shown": [],
}  # fmt: skip
_FOLDER: Final = files("civicam.web").joinpath("public")


def words_of(language: str) -> Mapping[str, str]:
    """The messages of a language, by their names."""
    found: dict[str, str] = json.loads(_FOLDER.joinpath(f"{language}.json").read_text("utf-8"))
    return found


class PublicPages:
    """Makes the pages.

    Args:
        city: the city's name.
        directory: which cameras there are.
        ledger: where the ledger lies.
        city_map: the city's own map, which it may have.
        certificate: SHA-256 of the one that exports are signed with; empty where there is none. Blocks.
    """

    def __init__(
        self,
        city: str,
        directory: Directory,
        ledger: LedgerFolder,
        city_map: Path | None = None,
        certificate: Callable[[], str] = lambda: "",
    ) -> None:
        self._certificate = certificate
        self._city, self._directory, self._ledger, self._map = city, directory, ledger, city_map
        self._counts = LedgerCounts()
        self._counting, self._drawing = asyncio.Lock(), asyncio.Lock()
        self._drawn_of: object = None
        self._drawing_kept: CityMap | None = None
        self._words = {language: words_of(language) for language in LANGUAGES}
        loader = FunctionLoader(lambda name: _FOLDER.joinpath(name).read_text("utf-8"))
        self._templates = Environment(
            loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
        )

    async def page(self, request: Request) -> Response:
        """One of the pages, in the language that is asked for.

        Raises:
            NotFoundError: there is no such page.
            CatalogueError: the cameras cannot be read.
        """
        name = request.path_params.get("name", PAGES[0])
        return await self._rendered(request, name, await self._facts(name))

    async def _rendered(self, request: Request, name: str, of_page: dict[str, Any]) -> Response:
        language = _language(request)
        facts: dict[str, Any] = {
            "city": self._city,
            "language": language,
            "languages": LANGUAGES,
            "page": name,
            "path": request.url.path,
            "pages": PAGES,
            "words": self._words[language],
            **of_page,
        }
        text = await asyncio.to_thread(self._templates.get_template(f"{name}.html").render, facts)
        return Response(text, media_type="text/html", headers={"Content-Language": language})

    async def gone(self, request: Request) -> Response:
        """The page of whoever has a link that leads nowhere any more."""
        answer = await self._rendered(request, "gone", {})
        answer.status_code = 404
        return answer

    async def export(self, request: Request, found: Export) -> Response:
        """The page of whoever has a link to an export; raises CatalogueError."""
        known = await self._directory.cameras()
        facts = {
            "number": found.number,
            "recipient": found.order.recipient,
            "until": moment(found.until_ns),
            "start": moment(found.order.window[0]),
            "end": moment(found.order.window[1]),
            "cameras": [known[one].title if one in known else one for one in found.order.cameras],
            "case": found.order.case,
            "is_ready": found.state is ExportState.READY,
            "has_failed": found.state is ExportState.FAILED,
            "file": f"{request.url.path}/package",
        }
        return await self._rendered(request, "export", facts)

    async def _facts(self, name: str) -> dict[str, Any]:
        if name == "cameras":
            cameras = [*(await self._directory.cameras()).values()]
            return {"cameras": cameras, "map": await self._drawn(cameras)}
        if name == "request":
            return {}
        async with self._counting:  # the reading blocks, and is done by one at a time
            return await asyncio.to_thread(self._of_ledger, name)

    async def _drawn(self, cameras: list[Camera]) -> CityMap | None:
        """The map, drawn once for the same cameras and the same file: anybody may ask for it, as often as they like."""
        async with self._drawing:
            stamp = await asyncio.to_thread(_stamp, self._map)
            places = [(camera.id, camera.title, camera.place) for camera in cameras]
            if self._drawn_of != (stamp, places):
                self._drawing_kept = await asyncio.to_thread(drawn_map, cameras, self._map)
                self._drawn_of = (stamp, places)
            return self._drawing_kept

    def _of_ledger(self, name: str) -> dict[str, Any]:
        try:
            published = read_published(self._ledger)
            facts: dict[str, Any] = {
                "trouble": False,
                "checkpoint": published.checkpoint.decode(),
                "verifier": str(published.verifier),
                "size": published.reader.size,
                "certificate": self._certificate(),
                "months": [],
                "shown": [],
            }
            if name == "counts":
                facts |= _table(self._counts.read(published.reader))
        except CivicamError:
            # Why is for engineers: it may name files of this machine.
            return dict(_NOTHING)
        return facts


def _stamp(path: Path | None) -> int | None:
    try:
        return None if path is None else path.stat().st_mtime_ns
    except OSError:
        return None


def _table(counts: Mapping[Counted, int]) -> dict[str, Any]:
    months = sorted({one.month for one in counts}, reverse=True)
    rows = [(month, [counts.get(Counted(month, str(kind)), 0) for kind, _ in _SHOWN]) for month in months]
    total = [sum(row[1][at] for row in rows) for at in range(len(_SHOWN))]
    return {"shown": [name for _, name in _SHOWN], "months": rows, "total": total}


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    wanted = [asked, *(one.strip()[:2].lower() for one in request.headers.get("accept-language", "").split(",")[:10])]
    return next((one for one in wanted if one in LANGUAGES), LANGUAGES[0])
