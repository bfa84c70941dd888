"""The ledger: its public files for everybody, and for auditors what it says about people."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from civicam.access.decide import Action
from civicam.core.errors import KeyMissingError, NotFoundError
from civicam.ledger.encoding import decode
from civicam.ledger.log import LedgerFolder, read_parts
from civicam.ledger.parts import open_part
from civicam.ledger.people_keys import PeopleKeys
from civicam.ledger.published import read_published
from civicam.ledger.tiles import TileReader
from civicam.web.bearer import Caller
from civicam.web.people_models import EntriesModel, EntryModel
from civicam.web.people_services import PeopleServices, ruled

# C2SP tlog-tiles: tile/<level>/<N>[.p/<W>] and tile/entries/<N>[.p/<W>], N in groups of three digits.
_TILE: Final = re.compile(r"tile/(?:[0-9]{1,2}|entries)/(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[0-9]{1,3})?", re.ASCII)
_MOST: Final = 500
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_SAID: Final = {"v", "kind", "at", "parts"}


class LedgerFiles:
    """Serves what everybody may have of the ledger.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: LedgerFolder) -> None:
        self.folder = folder

    async def answer(self, request: Request) -> Response:
        """A file of the ledger, named as C2SP tlog-tiles does.

        Raises:
            NotFoundError: there is none.
        """
        name = request.path_params["name"]
        path = self._path(name)
        if path is None or not path.is_file():
            raise NotFoundError("the ledger has no such file")
        headers = {"Cache-Control": "no-cache" if name == "checkpoint" or ".p/" in name else _FOR_EVER}
        kind = "text/plain; charset=utf-8" if name == "checkpoint" else "application/octet-stream"
        return FileResponse(path, headers=headers, media_type=kind)

    def _path(self, name: str) -> Path | None:
        if name == "checkpoint":
            return self.folder.checkpoint
        return self.folder.public / name if _TILE.fullmatch(name) else None


def add_ledger(api: FastAPI, services: PeopleServices) -> None:
    """Adds the route by which auditors read the ledger."""

    @api.get("/api/ledger", summary="The newest entries", operation_id="ledger", **ruled(Action.LEDGER_READ))
    async def entries(
        caller: Annotated[Caller, Depends(services.may(Action.LEDGER_READ))],
        last: Annotated[int, Query(ge=1, le=_MOST, description="So many.")] = 100,
        before: Annotated[int | None, Query(ge=0, le=2**53 - 1, description="Older than this entry.")] = None,
    ) -> EntriesModel:
        return await services.office.in_thread(lambda: _read(services.ledger, services.office.keys, last, before))


def _read(folder: LedgerFolder, keys: PeopleKeys, last: int, before: int | None) -> EntriesModel:
    published = read_published(folder)
    reader = published.reader
    end = min(reader.size, reader.size if before is None else before)
    found = [_entry(folder, reader, keys, index) for index in range(max(0, end - last), end)]
    return EntriesModel(size=reader.size, verifier=str(published.verifier), entries=found)


def _entry(folder: LedgerFolder, reader: TileReader, keys: PeopleKeys, index: int) -> EntryModel:
    said = decode(reader.entry(index))
    committed: dict[str, Any] = said.get("parts", {})
    parts: dict[str, dict[str, str] | None] = {}
    for role, sealed in read_parts(folder, index).items():
        try:
            part = open_part(role, sealed, str(committed.get(role, "")), keys)
            parts[role] = {"person": part.person, **part.facts}
        except KeyMissingError:
            parts[role] = None
    facts = {name: value for name, value in said.items() if name not in _SAID}
    return EntryModel(index=index, kind=str(said["kind"]), at=str(said["at"]), facts=facts, parts=parts)
