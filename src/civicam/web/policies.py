"""Who may look, by the rule that the city's settings name."""

from collections.abc import Mapping
from typing import Final

from civicam.access.decide import Action, Ask, decide
from civicam.access.office import Office
from civicam.core.errors import ConfigError, SignInError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.web.authorise import LocalOnly, Policy, Purpose, RefuseAll, Viewer

PEOPLE: Final = "people"
"""The rule that asks who it is."""
ACTIONS: Final[Mapping[Purpose, Action]] = {
    Purpose.LIST: Action.CAMERAS,
    Purpose.STILL: Action.STILL,
    Purpose.LIVE: Action.LIVE,
    Purpose.PLAYBACK: Action.PLAYBACK,
    Purpose.COVERAGE: Action.COVERAGE,
    Purpose.TEST_STILL: Action.TEST_STILL,
    Purpose.CLEAR: Action.CLEAR,
}
"""What each purpose is decided as. The page itself, on which people sign in, is for everybody."""


class PeoplePolicy:
    """Whoever is signed in may what they were given: see `access.decide`.

    Args:
        office: knows them.
    """

    def __init__(self, office: Office) -> None:
        self._office = office

    def refusal(
        self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
    ) -> str | None:
        """See `Policy`."""
        if purpose in {Purpose.PAGE, Purpose.PUBLIC}:
            return None
        if viewer.who is None:
            raise SignInError("nobody is signed in", fix="sign in first")
        ask = Ask(viewer.who, ACTIONS[purpose], self._office.clock.wall_ns(), camera, window, grant)
        answer = decide(self._office.state, ask)
        return None if answer.is_allowed else answer.why


def policy_named(name: str, office: Office | None) -> Policy:
    """The policy that `[web] allow` names.

    Args:
        name: one of `config.WEB_ALLOWS`.
        office: knows people, where the rule asks for them.

    Raises:
        ConfigError: there is none of that name.
    """
    if name == PEOPLE and office is not None:
        return PeoplePolicy(office)
    known: dict[str, Policy] = {"nobody": RefuseAll(), "local": LocalOnly()}
    if name not in known:
        raise ConfigError(f"web.allow = {name!r}: no such policy", fix=f"write one of {', '.join([*known, PEOPLE])}")
    return known[name]
