"""Clear video over HTTP: some seconds a request, each decided and granted anew."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from civicam.access.decide import Action, Ask, LiveGrant, live_grant
from civicam.access.office import Office
from civicam.core.errors import NotAllowedError, RequestError
from civicam.core.spans import Span
from civicam.player.archive_reader import ArchiveReader
from civicam.player.clear import ClearStretch, clear_stretch
from civicam.web.authorise import Decision, Purpose
from civicam.web.directory import Directory
from civicam.web.looks import Look

STRETCH_NS: Final = 8_000_000_000
"""A request gives so much; a grant that was revoked ends what is seen within that."""


@dataclass(frozen=True, slots=True)
class ClearMedia:
    """Gives out clear video to those who have a grant.

    Attributes:
        office: knows grants.
        directory: which cameras there are.
        archive: gives footage.
        pool: what blocks is done there.
    """

    office: Office
    directory: Directory
    archive: ArchiveReader
    pool: ThreadPoolExecutor

    async def stretch(self, look: Look, at_ns: int) -> ClearStretch:
        """Some seconds of the stretch that was allowed, from `at_ns` on.

        Raises:
            NotAllowedError: the look is for something else, or the grant does not hold.
            NotFoundError: the city never had such a camera, or nothing of the stretch can be shown.
            CatalogueError: the catalogue cannot be read.
            RequestError: `at_ns` is not within the stretch.
        """
        decision = look.decision
        if not decision.window[0] <= at_ns < decision.window[1]:
            raise RequestError("'at' is not between 'from' and 'to'")
        window = at_ns, min(at_ns + STRETCH_NS, decision.window[1])
        key = await self.directory.played_stream(decision.camera)
        grant = self._grant(decision, window)  # after every wait: it must hold when the footage is opened
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(
            self.pool, lambda: clear_stretch(self.archive, key, window, grant, look.receipt)
        )
        self._grant(decision, window)  # and when it leaves
        return made

    def _grant(self, decision: Decision, window: Span) -> LiveGrant:
        who = decision.viewer.who
        if decision.purpose is not Purpose.CLEAR or who is None:
            raise NotAllowedError("what was allowed is not clear video")
        at_ns = self.office.clock.wall_ns()
        return live_grant(self.office.state, Ask(who, Action.CLEAR, at_ns, decision.camera, window, decision.grant))
