"""What can go wrong with a camera, on demand.

Every fault has a `kind`, the word a scenario file uses, and most have a `duration_s`; without one a lasting fault lasts
until `CityServer.clear`.
"""

import random
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

Duration = Annotated[float, Field(gt=0, le=1e7)]
Rate = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Fault(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Drop(_Fault):
    """The camera closes its connections, and closes new ones at once while it lasts; without a duration, once.

    `reset` ends them with a TCP reset instead of an orderly close.
    """

    kind: Literal["drop"] = "drop"
    duration_s: Duration | None = None
    reset: bool = False


class Silence(_Fault):
    """Nothing is sent, and the socket stays open. Afterwards media goes on at a key frame, without a sequence gap.

    `replies`: requests are still answered.
    """

    kind: Literal["silence"] = "silence"
    duration_s: Duration | None = None
    replies: bool = True


class Loss(_Fault):
    """Packets get sequence numbers and are not sent: each with probability `rate`, at most `count` a connection."""

    kind: Literal["loss"] = "loss"
    duration_s: Duration | None = None
    rate: Rate = 1.0
    count: Count | None = None


class Reorder(_Fault):
    """A packet changes places with the next one of its frame, with probability `rate`, at most `count` times."""

    kind: Literal["reorder"] = "reorder"
    duration_s: Duration | None = None
    rate: Rate = 1.0
    count: Count | None = None


class Garbage(_Fault):
    """Bytes that do not belong, before packets, with probability `rate` a packet, at most `count` times a connection.

    `where`: `between` puts `size_bytes` random bytes between two packets; `framing` damages the length in a packet's
    interleaved header; `payload` overwrites a packet's payload with random bytes and leaves the framing whole.
    """

    kind: Literal["garbage"] = "garbage"
    duration_s: Duration | None = None
    rate: Rate = 1.0
    count: Count | None = None
    size_bytes: Annotated[int, Field(ge=1, le=65536)] = 64
    where: Literal["between", "framing", "payload"] = "between"


class Switch(_Fault):
    """The camera plays another looped stream, named `stream`, from its next key frame: resolution, parameter sets.

    `parameter_sets`: `in-band`, in front of each key frame from then on; `reconnect`, the camera closes its connections
    and its new description tells; `hidden`, neither, as faulty cameras do. When it ends it switches back the same way.
    """

    kind: Literal["switch"] = "switch"
    duration_s: Duration | None = None
    stream: Annotated[str, Field(min_length=1, max_length=200)]
    parameter_sets: Literal["in-band", "reconnect", "hidden"] = "in-band"
    which: Literal["main", "sub"] = "main"


class Off(_Fault):
    """The camera is not there: at `at_s = 0` this is a late start. Connections close without a word.

    `answer`: what requests get while it lasts, a `503` or a `close`d connection.
    """

    kind: Literal["off"] = "off"
    duration_s: Duration | None = None
    answer: Literal["503", "close"] = "close"


class Reboot(_Fault):
    """The camera drops its connections, is away for `duration_s`, and begins anew, from its loop's first frame."""

    kind: Literal["reboot"] = "reboot"
    duration_s: Duration
    answer: Literal["503", "close"] = "close"


class ClockJump(_Fault):
    """The camera's clock jumps by `jump_s`: NTP times, and RTP timestamps unless `rtp` is false."""

    kind: Literal["clock-jump"] = "clock-jump"
    duration_s: Duration | None = None
    jump_s: Annotated[float, Field(ge=-1e8, le=1e8)]
    rtp: bool = True


class WrongPassword(_Fault):
    """The camera's password is another one. Who is playing goes on playing, and further requests are refused."""

    kind: Literal["wrong-password"] = "wrong-password"
    duration_s: Duration | None = None


class Slow(_Fault):
    """Requests are handled `delay_s` after they came."""

    kind: Literal["slow"] = "slow"
    duration_s: Duration | None = None
    delay_s: Annotated[float, Field(gt=0, le=3600)]


Fault = Drop | Silence | Loss | Reorder | Garbage | Switch | Off | Reboot | ClockJump | WrongPassword | Slow
KINDS: tuple[type[Fault], ...] = (
    Drop, Silence, Loss, Reorder, Garbage, Switch, Off, Reboot, ClockJump, WrongPassword, Slow,
)  # fmt: skip


class PacketFault(Protocol):
    """What happens to a frame's packets on their way to one connection."""

    def apply(self, packets: list[bytes]) -> list[bytes]:
        """Returns what is sent of `packets`, each with its interleaved header, in the order it is sent."""
        ...


class _Chance:
    """Says yes at a rate, up to a count."""

    def __init__(self, rate: float, count: int | None, rng: random.Random) -> None:
        self._rate = rate
        self._left = count
        self._rng = rng

    def __call__(self) -> bool:
        if self._left == 0 or (self._rate < 1 and self._rng.random() >= self._rate):
            return False
        if self._left is not None:
            self._left -= 1
        return True


class _Losing:
    def __init__(self, fault: Loss, rng: random.Random) -> None:
        self._strikes = _Chance(fault.rate, fault.count, rng)

    def apply(self, packets: list[bytes]) -> list[bytes]:
        return [packet for packet in packets if not self._strikes()]


class _Reordering:
    def __init__(self, fault: Reorder, rng: random.Random) -> None:
        self._strikes = _Chance(fault.rate, fault.count, rng)

    def apply(self, packets: list[bytes]) -> list[bytes]:
        mixed = list(packets)
        at = 0
        while at + 1 < len(mixed):
            if self._strikes():
                mixed[at], mixed[at + 1] = mixed[at + 1], mixed[at]
                at += 1
            at += 1
        return mixed


class _Spoiling:
    def __init__(self, fault: Garbage, rng: random.Random) -> None:
        self._fault = fault
        self._rng = rng
        self._strikes = _Chance(fault.rate, fault.count, rng)

    def apply(self, packets: list[bytes]) -> list[bytes]:
        return [self._spoil(packet) if self._strikes() else packet for packet in packets]

    def _spoil(self, packet: bytes) -> bytes:
        if self._fault.where == "between":
            return self._rng.randbytes(self._fault.size_bytes) + packet
        if self._fault.where == "framing":
            length = int.from_bytes(packet[2:4]) ^ self._rng.randint(1, 0xFFFF)
            return packet[:2] + length.to_bytes(2) + packet[4:]
        return packet[:16] + self._rng.randbytes(len(packet) - 16)


def packet_fault(fault: Fault, rng: random.Random) -> PacketFault | None:
    """Returns what `fault` does to the packets of one connection; None when it does nothing to packets."""
    if isinstance(fault, Loss):
        return _Losing(fault, rng)
    if isinstance(fault, Reorder):
        return _Reordering(fault, rng)
    if isinstance(fault, Garbage):
        return _Spoiling(fault, rng)
    return None
