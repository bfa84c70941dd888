"""Carries holds from people's decisions to the catalogue, which retention obeys: both say the same at any time.

What is kept for people has their hold's number in its reason; holds that were placed at the machine are left alone.
"""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from civicam.access.holds import WARNED_NS, ends_ns, kept, lapsed
from civicam.access.models import HoldState
from civicam.access.office import Office
from civicam.catalogue.catalogue import Catalogue
from civicam.core.errors import CivicamError, RequestError
from civicam.core.ids import CameraId
from civicam.core.spans import Span

_EVERY_S: Final = 20.0
_REASON: Final = "people's hold "
_DAY_NS: Final = 86_400_000_000_000


class Holding:
    """Keeps the catalogue's holds as people decided.

    Args:
        catalogue: its file.
        office: knows people's holds.
    """

    def __init__(self, catalogue: Path, office: Office) -> None:
        self._path, self._office = catalogue, office
        self._lock = asyncio.Lock()
        self.trouble = ""

    async def check(self, cameras: Iterable[CameraId]) -> None:
        """Makes sure that the city has, or had, these cameras.

        Raises:
            RequestError: it never had one of them.
            CatalogueError: the catalogue cannot be read.
        """

        def known() -> set[CameraId]:
            with Catalogue.open(self._path) as catalogue:
                return {camera.id for camera in catalogue.cameras(removed=True)}

        unknown = sorted(set(cameras) - await asyncio.to_thread(known))
        if unknown:
            raise RequestError(f"the city never had a camera {unknown[0]}", fix="see /api/cameras")

    async def apply(self) -> None:
        """Places and releases what is not yet as it should be.

        Raises:
            CatalogueError: the catalogue cannot be changed.
        """
        async with self._lock:
            wanted = {
                (hold.id, camera): hold.window for hold in kept(self._office.state.holds.values())
                for camera in hold.cameras
            }  # fmt: skip
            await asyncio.to_thread(self._apply, wanted, self._office.clock.wall_ns())

    async def keep(self) -> None:
        """Does so again and again, and ends what has lapsed, until cancelled."""
        while True:
            try:
                if lapsed(self._office.state, self._office.clock.wall_ns()).rows:
                    await self._office.carry_out(lapsed)
                await self.apply()
                self.trouble = ""
            except CivicamError as error:
                sys.stderr.write(f"civicam web: holds: {error}\n")
                self.trouble = "holds cannot be carried out: see the log"
            await self._office.clock.sleep(_EVERY_S)

    def alarms(self) -> list[str]:
        """What somebody must decide soon."""
        now_ns = self._office.clock.wall_ns()
        soon = [
            f"hold {hold.id} for case {hold.case} lapses in {max(0, ends_ns(hold) - now_ns) // _DAY_NS} days: its"
            f" footage is then deleted by its days; {'decide' if hold.state is HoldState.ASKED else 'ask for another'}"
            for hold in kept(self._office.state.holds.values())
            if ends_ns(hold) - now_ns < WARNED_NS
        ]
        return [*([self.trouble] if self.trouble else []), *soon]

    def _apply(self, wanted: dict[tuple[int, CameraId], Span], now_ns: int) -> None:
        with Catalogue.open(self._path) as catalogue:
            placed = {}
            for one in catalogue.holds():
                number = one.reason.removeprefix(_REASON)
                if one.reason.startswith(_REASON) and number.isdecimal():
                    placed[int(number), one.camera] = one.id
            for key, window in wanted.items():
                if key not in placed:
                    catalogue.add_hold(key[1], window, f"{_REASON}{key[0]}", now_ns=now_ns)
            for key, row in placed.items():
                if key not in wanted:
                    catalogue.release_hold(row, now_ns=now_ns)
