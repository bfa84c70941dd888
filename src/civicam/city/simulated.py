"""One simulated camera: what it is, what is wrong with it at the moment, and what it has sent."""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from civicam.city.auth import AuthScheme
from civicam.city.faults import (
    ClockJump,
    Drop,
    Fault,
    Garbage,
    Loss,
    Off,
    Reboot,
    Reorder,
    Silence,
    Slow,
    Switch,
    WrongPassword,
)
from civicam.city.loop import LoopedStream
from civicam.city.packets import PacketisedStream, ticks_of_ns
from civicam.city.sent import CameraTotals, PlayTotals
from civicam.core.errors import CityError
from civicam.core.ids import CameraId, StreamName

_RECENT_PLAYS = 64


@dataclass(frozen=True, slots=True)
class CityCamera:
    """A camera of the simulated city.

    Attributes:
        id: its name, and the first part of its URL's path.
        stream: what it shows.
        sub: the small picture, where it has one.
        phase_s: where in its loops it is when the server starts.
        username: who may play it.
        password: with what.
        auth: how it asks for them.
        clock_offset_s: how far its clock is ahead of true time.
        in_band: it repeats the parameter sets in front of each key frame.
    """

    id: CameraId
    stream: LoopedStream
    sub: LoopedStream | None = None
    phase_s: float = 0.0
    username: str = "civicam"
    password: str = field(default="", repr=False)
    auth: AuthScheme = AuthScheme.NONE
    clock_offset_s: float = 0.0
    in_band: bool = False


class Play(Protocol):
    """A stream that is being sent over a connection."""

    @property
    def name(self) -> StreamName:
        """Which of the camera's streams."""
        ...

    def switch(self, in_band: bool) -> None:
        """The camera plays something else as this stream now, and says so in band or not."""
        ...

    def totals(self) -> PlayTotals:
        """What was sent so far."""
        ...


class Connection(Protocol):
    """A connection to a camera."""

    def cut(self, reset: bool) -> None:
        """Ends it at once, with a TCP reset or an orderly close."""
        ...


class ActiveFault:
    """A fault that has begun; apart from `fault` itself, because the same one can strike twice."""

    __slots__ = ("fault",)

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class SimulatedCamera:
    """A camera's state.

    Args:
        spec: what it is.
        sources: its streams, ready to be sent.
        library: what it can be switched to, by name.
        origin_ns: when round 0 of its loops begins, monotonic, before its phase.
        rng: chance.

    Attributes:
        silent: nothing is sent.
        mute: requests are not answered.
        refusal: what requests get instead of an answer: "503", "close" or, if all is well, "".
        packet_faults: what happens to packets.
        disturbed: a frame cannot simply be sent.
        slow_ns: how long a request waits.
        password: the one that is right at the moment.
        jump_90k: what is added to RTP timestamps.
    """

    def __init__(
        self,
        spec: CityCamera,
        sources: Mapping[StreamName, PacketisedStream],
        library: Callable[[str], PacketisedStream],
        origin_ns: int,
        rng: random.Random,
    ) -> None:
        self.spec = spec
        self.rng = rng
        self.origin_ns = origin_ns
        self.phase_90k = int(spec.phase_s * 90_000)
        self.connections: set[Connection] = set()
        self.plays: set[Play] = set()
        self.connections_total = 0
        self.plays_total = 0
        self.receiver_reports = 0
        self.refused = 0
        self.bad_requests = 0
        self._ended: deque[PlayTotals] = deque(maxlen=_RECENT_PLAYS)
        self._past = [0, 0, 0, 0, 0]
        self._base = dict(sources)
        self._library = library
        self._active: list[ActiveFault] = []
        self._derive()

    def source(self, name: StreamName) -> PacketisedStream | None:
        """What it plays as `name` at the moment; None when it has no such stream."""
        return self._sources.get(name)

    def position_90k(self, now_ns: int) -> int:
        """Where in its loops it is, counted on from round to round."""
        return ticks_of_ns(now_ns - self.origin_ns) + self.phase_90k

    def wall_ns(self, true_ns: int) -> int:
        """What its clock shows at the true time `true_ns`."""
        return true_ns + int(self.spec.clock_offset_s * 1e9) + self._jump_ns

    def begin(self, fault: Fault) -> ActiveFault | None:
        """Has `fault` happen. Returns what `end` takes when it lasts, None when it was over at once."""
        if isinstance(fault, Switch):
            self._library(fault.stream)
        active = ActiveFault(fault)
        self._active.append(active)
        if isinstance(fault, Drop | Off | Reboot):
            self._cut(reset=isinstance(fault, Drop) and fault.reset)
        if isinstance(fault, Drop) and fault.duration_s is None:
            self._active.remove(active)
            return None
        self._derive()
        if isinstance(fault, Switch):
            self._switched(fault)
        return active

    def end(self, active: ActiveFault, now_ns: int) -> None:
        """Ends a fault; one that has ended already stays so."""
        if active not in self._active:
            return
        self._active.remove(active)
        self._derive()
        if isinstance(active.fault, Reboot):
            self.origin_ns = now_ns
            self.phase_90k = 0
        if isinstance(active.fault, Switch):
            self._switched(active.fault)

    def clear(self, now_ns: int) -> None:
        """Ends every fault."""
        for active in list(self._active):
            self.end(active, now_ns)

    def ended(self, play: Play) -> None:
        """Takes a play that is over."""
        if play not in self.plays:
            return
        self.plays.remove(play)
        totals = play.totals()
        self._ended.append(totals)
        self._past = [past + more for past, more in zip(self._past, _sums(totals), strict=True)]

    def totals(self) -> CameraTotals:
        """What it has sent since the start."""
        going = [play.totals() for play in self.plays]
        frames, packets, size, dropped, lost = (
            sum(column) for column in zip(self._past, *map(_sums, going), strict=True)
        )
        return CameraTotals(
            camera=self.spec.id,
            frames=frames,
            packets=packets,
            bytes=size,
            frames_dropped=dropped,
            packets_lost=lost,
            plays=self.plays_total,
            connections=self.connections_total,
            connections_open=len(self.connections),
            receiver_reports=self.receiver_reports,
            refused=self.refused,
            bad_requests=self.bad_requests,
            recent=(*self._ended, *going),
        )

    def _derive(self) -> None:
        faults = [active.fault for active in self._active]
        silences = [fault for fault in faults if isinstance(fault, Silence)]
        self.silent = bool(silences)
        self.mute = any(not fault.replies for fault in silences)
        self.refusal = next((_refusal(fault) for fault in faults if _refusal(fault)), "")
        self.packet_faults = tuple(a for a in self._active if isinstance(a.fault, Loss | Reorder | Garbage))
        self.disturbed = self.silent or bool(self.packet_faults)
        self.slow_ns = sum(int(fault.delay_s * 1e9) for fault in faults if isinstance(fault, Slow))
        wrong = any(isinstance(fault, WrongPassword) for fault in faults)
        self.password = self.spec.password + "-changed" if wrong else self.spec.password
        jumps = [fault for fault in faults if isinstance(fault, ClockJump)]
        self._jump_ns = sum(int(fault.jump_s * 1e9) for fault in jumps)
        self.jump_90k = sum(int(fault.jump_s * 90_000) for fault in jumps if fault.rtp)
        self._sources = dict(self._base)
        for fault in faults:
            if isinstance(fault, Switch) and StreamName(fault.which) in self._base:
                self._sources[StreamName(fault.which)] = self._library(fault.stream)

    def _switched(self, fault: Switch) -> None:
        if fault.parameter_sets == "reconnect":
            self._cut(reset=False)
        for play in self.plays:
            if play.name == fault.which:
                play.switch(in_band=self.spec.in_band or fault.parameter_sets == "in-band")

    def _cut(self, reset: bool) -> None:
        for connection in list(self.connections):
            connection.cut(reset)


def _refusal(fault: Fault) -> str:
    if isinstance(fault, Drop):
        return "close"
    return fault.answer if isinstance(fault, Off | Reboot) else ""


def _sums(play: PlayTotals) -> tuple[int, int, int, int, int]:
    return play.frames, play.packets, play.bytes, play.frames_dropped, play.packets_lost


def unknown_stream(name: str, known: Mapping[str, object]) -> CityError:
    """The error for a stream that the city does not have."""
    listed = ", ".join(repr(each) for each in sorted(known)[:10])
    return CityError(f"there is no stream {name!r}", fix=f"use one of {listed}" if listed else "give the city streams")
