"""Who may look: nobody, until a policy is given; then whoever really sits at this machine."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.config import WEB_ALLOWS
from civicam.core.errors import ConfigError, NotAllowedError
from civicam.core.ids import CameraId
from civicam.web.authorise import (
    Authoriser,
    Decision,
    LocalOnly,
    Purpose,
    RefuseAll,
    Viewer,
    host_name,
)
from civicam.web.looks import Look
from civicam.web.media import Media
from civicam.web.policies import PEOPLE, policy_named
from tests.fakes.clock import ManualClock

CAMERA = CameraId("rudaki-07")
HERE = Viewer("127.0.0.1", "127.0.0.1:9465")


def decide(viewer: Viewer, purpose: Purpose = Purpose.LIVE) -> Decision:
    return Authoriser(ManualClock(), LocalOnly()).authorise(viewer, CAMERA, (1, 2), purpose)


@pytest.mark.parametrize("purpose", Purpose)
def test_without_a_policy_nobody_may_do_anything(purpose: Purpose) -> None:
    with pytest.raises(NotAllowedError, match="nobody may look"):
        Authoriser(ManualClock()).authorise(HERE, CAMERA, None, purpose)


def test_a_decision_says_who_may_see_what_and_when() -> None:
    decision = decide(HERE, Purpose.PLAYBACK)
    assert (decision.viewer, decision.camera, decision.window, decision.purpose) == (
        HERE,
        CAMERA,
        (1, 2),
        Purpose.PLAYBACK,
    )


def test_what_is_asked_for_now_is_allowed_for_now() -> None:
    clock = ManualClock()
    decision = Authoriser(clock, LocalOnly()).authorise(HERE, CAMERA, None, Purpose.LIVE)
    assert decision.window == (clock.wall_ns(), clock.wall_ns() + 1)


def test_a_decision_for_no_camera_gives_no_camera() -> None:
    decision = Authoriser(ManualClock(), LocalOnly()).authorise(HERE, None, None, Purpose.LIST)
    with pytest.raises(NotAllowedError):
        _ = decision.camera


def test_a_decision_cannot_be_made_elsewhere() -> None:
    with pytest.raises(TypeError):
        Decision(HERE, CAMERA, (1, 2), Purpose.LIVE)  # type: ignore[call-arg]  # this is what must not work
    with pytest.raises(AssertionError):
        Decision(HERE, CAMERA, (1, 2), Purpose.LIVE, made_by=object())  # type: ignore[arg-type]  # nor this


def test_every_way_to_pictures_takes_a_look_that_is_written_down_and_the_rest_a_decision() -> None:
    ways = {name: way for name, way in vars(Media).items() if name[0] != "_" and inspect.isfunction(way)}
    pictures = {"still", "test_still", "past_still", "live", "playlist", "stretch"}
    assert pictures <= ways.keys()
    del ways["close"]
    for name, way in ways.items():
        _, first, *_ = inspect.signature(way).parameters.values()
        assert first.annotation is (Look if name in pictures else Decision), name


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:9465", "[::1]:9465", "127.0.0.1", "localhost:"]
)
def test_who_sits_at_this_machine_may_look(peer: str, host: str) -> None:
    assert decide(Viewer(peer, host)).camera == CAMERA


@pytest.mark.parametrize("peer", ["10.0.0.7", "192.168.1.2", "::ffff:10.0.0.7", "fe80::1", "", "testclient", "0.0.0.0"])
def test_who_comes_over_the_network_may_not(peer: str) -> None:
    with pytest.raises(NotAllowedError, match="sits at this machine"):
        decide(Viewer(peer, "localhost"))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9465", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.7:9465",
     "localhost@evil.example", "evil.example/localhost", "evil.example#localhost", "localhost:99999", "[::1", "a b",
     "127.0.0.1?x", "localhost\\evil"],
)  # fmt: skip
def test_a_strangers_name_that_points_here_is_refused(host: str) -> None:
    with pytest.raises(NotAllowedError, match="not its own"):
        decide(Viewer("127.0.0.1", host))


def test_what_another_server_forwards_is_refused() -> None:
    with pytest.raises(NotAllowedError, match="forwarded"):
        decide(Viewer("127.0.0.1", "localhost", is_forwarded=True))


@given(st.text(max_size=60))
def test_any_host_has_a_name_or_none(host: str) -> None:
    name = host_name(host)
    assert name == "" or name in host.lower()


def test_the_settings_name_the_policies() -> None:
    assert all(policy_named(name, None) for name in WEB_ALLOWS if name != PEOPLE)
    assert PEOPLE in WEB_ALLOWS
    assert isinstance(policy_named(WEB_ALLOWS[0], None), RefuseAll)
    with pytest.raises(ConfigError, match="nobody, local, people"):
        policy_named("everybody", None)
