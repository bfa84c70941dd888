"""One stream on its way to one connection: frame after frame when it is due, and a sender report now and then."""

import asyncio
import random

from civicam.city import rtcp
from civicam.city.faults import PacketFault, packet_fault
from civicam.city.packets import PATCH, PacketisedFrame, PacketisedStream, ns_of_90k
from civicam.city.sent import FrameFate, PlayTotals, SentFrame, SentLog
from civicam.city.simulated import ActiveFault, SimulatedCamera
from civicam.city.wheel import Wheel
from civicam.core.clock import Clock
from civicam.core.ids import StreamName

REPORT_EVERY_S = 5
_32_BITS = 0xFFFFFFFF


class Playout:
    """Sends a camera's stream from its next key frame on, at its pace.

    Args:
        camera: whose stream.
        name: which of its streams; it has it.
        transport: where to.
        channels: interleaved channels of RTP and RTCP.
        wheel: calls when something is due.
        clock: wall time for sender reports.
        rng: first sequence number, timestamp and SSRC.
        sent: what was sent is told here.
        max_pending_bytes: frames are dropped rather than have more than this wait for a slow reader.
    """

    def __init__(
        self,
        camera: SimulatedCamera,
        name: StreamName,
        transport: asyncio.Transport,
        channels: tuple[int, int],
        *,
        wheel: Wheel,
        clock: Clock,
        rng: random.Random,
        sent: SentLog,
        max_pending_bytes: int,
    ) -> None:
        source = camera.source(name)
        assert source is not None
        self._camera = camera
        self._name = name
        self._transport = transport
        self._channel, self._report_channel = channels
        self._wheel = wheel
        self._clock = clock
        self._sent = sent
        self._max_pending_bytes = max_pending_bytes
        self._ssrc = rng.getrandbits(32)
        self._first_sequence = self._sequence = rng.getrandbits(16)
        self._first_timestamp = rng.getrandbits(32)
        self._cname = f"{camera.spec.id}@civicam.invalid"
        self._frames_sent = self._packets = self._bytes = 0
        self._frames_dropped = self._packets_lost = 0
        self._filters: dict[ActiveFault, PacketFault] = {}
        self._awaits_key = False
        self._switched = False
        self._ended = False
        self._in_band = camera.spec.in_band
        self._enter(source, clock.monotonic_ns())
        # RTP time is the camera's time shifted so that the first frame has the timestamp that was drawn.
        self._shift_90k = 0
        self._shift_90k = (self._first_timestamp - self._timestamp(self._frames[self._index])) & _32_BITS

    @property
    def rtp_info(self) -> tuple[int, int]:
        """The next packet's sequence number and timestamp (RFC 2326 section 12.33)."""
        return self._sequence & 0xFFFF, self._timestamp(self._frames[self._index])

    def start(self) -> None:
        """Begins: nothing is sent before the next key frame is due."""
        self._camera.plays.add(self)
        self._camera.plays_total += 1
        due_ns = self._round_ns + self._frames[self._index].send_ns
        self._wheel.call_at(due_ns, self._due)
        self._wheel.call_at(due_ns, self._report)

    def stop(self, say_bye: bool = False) -> None:
        """Ends for good, with or without a BYE."""
        if self._ended:
            return
        self._ended = True
        if say_bye and not self._camera.silent:
            self._write_report(rtcp.bye(self._ssrc, self._cname))
        self._camera.ended(self)

    @property
    def name(self) -> StreamName:
        """Which of the camera's streams."""
        return self._name

    def switch(self, in_band: bool) -> None:
        """Goes on with what the camera plays now, from its next key frame, with its parameter sets in band or not."""
        self._switched = True
        self._in_band = in_band

    def totals(self) -> PlayTotals:
        """What was sent so far."""
        return PlayTotals(
            stream=self._name,
            ssrc=self._ssrc,
            first_sequence=self._first_sequence,
            last_sequence=self._sequence - 1,
            frames=self._frames_sent,
            packets=self._packets,
            bytes=self._bytes,
            frames_dropped=self._frames_dropped,
            packets_lost=self._packets_lost,
        )

    def _enter(self, source: PacketisedStream, now_ns: int) -> None:
        """Stands before the next key frame of `source`."""
        self._source = source
        self._frames = source.in_band if self._in_band else source.frames
        self._round, self._index = source.next_key(self._camera.position_90k(now_ns))
        self._begin_round()

    def _begin_round(self) -> None:
        # From the camera's origin, not from the round before, so that rounding never adds up.
        self._round_90k = self._round * self._source.duration_90k - self._camera.phase_90k
        self._round_ns = self._camera.origin_ns + ns_of_90k(self._round_90k)

    def _timestamp(self, frame: PacketisedFrame) -> int:
        return (self._shift_90k + self._round_90k + self._camera.jump_90k + frame.pts_90k) & _32_BITS

    def _due(self, now_ns: int) -> None:
        if self._ended:
            return
        if self._switched:
            self._follow_switch(now_ns)
        else:
            frame = self._frames[self._index]
            if self._camera.disturbed or self._awaits_key:
                self._send_disturbed(frame)
            else:
                self._send(frame)
            self._index += 1
            if self._index == len(self._frames):
                self._index = 0
                self._round += 1
                self._begin_round()
        self._wheel.call_at(self._round_ns + self._frames[self._index].send_ns, self._due)

    def _follow_switch(self, now_ns: int) -> None:
        self._switched = False
        source = self._camera.source(self._name)
        assert source is not None
        self._enter(source, now_ns)

    def _send(self, frame: PacketisedFrame) -> None:
        # The hot path: at 800 cameras it runs 12,000 times a second.
        patches = frame.patches
        length = len(frame.wire)
        pending = self._transport.get_write_buffer_size()
        if pending and pending + length > self._max_pending_bytes:
            self._drop(frame)
            return
        self._transport.write(self._stamped(frame))
        self._frames_sent += 1
        self._packets += len(patches)
        self._bytes += length
        if self._sent.wants_frames:
            self._log(frame, FrameFate.WHOLE)
        self._sequence += len(patches)

    def _stamped(self, frame: PacketisedFrame) -> bytearray:
        wire = bytearray(frame.wire)
        timestamp = self._timestamp(frame)
        sequence, ssrc, stamp = self._sequence, self._ssrc, PATCH.pack_into
        for at in frame.patches:
            stamp(wire, at, sequence & 0xFFFF, timestamp, ssrc)
            sequence += 1
        if self._channel:
            for at in frame.patches:
                wire[at - 5] = self._channel
        return wire

    def _drop(self, frame: PacketisedFrame) -> None:
        self._frames_dropped += 1
        if self._sent.wants_frames:
            self._log(frame, FrameFate.DROPPED)
        self._sequence += len(frame.patches)

    def _send_disturbed(self, frame: PacketisedFrame) -> None:
        if self._camera.silent or (self._awaits_key and not frame.is_key):
            self._awaits_key = True
            return
        self._awaits_key = False
        if not self._camera.packet_faults:
            self._send(frame)
            return
        if self._transport.get_write_buffer_size() > self._max_pending_bytes:
            self._drop(frame)
            return
        wire = bytes(self._stamped(frame))
        packets = self._with_faults(wire, frame)
        sent = b"".join(packets)
        if sent:
            self._transport.write(sent)
            self._frames_sent += 1
        self._packets += len(packets)
        self._bytes += len(sent)
        self._packets_lost += len(frame.patches) - len(packets)
        if self._sent.wants_frames:
            self._log(frame, FrameFate.WHOLE if sent == wire else FrameFate.DAMAGED)
        self._sequence += len(frame.patches)

    def _with_faults(self, wire: bytes, frame: PacketisedFrame) -> list[bytes]:
        starts = frame.packet_starts()
        packets = [wire[at:end] for at, end in zip(starts, [*starts[1:], len(wire)], strict=True)]
        self._filters = {
            active: self._filters.get(active) or made
            for active in self._camera.packet_faults
            if (made := packet_fault(active.fault, self._camera.rng)) is not None
        }
        for each in self._filters.values():
            packets = each.apply(packets)
        return packets

    def _log(self, frame: PacketisedFrame, fate: FrameFate) -> None:
        self._sent.frame(
            SentFrame(
                camera=self._camera.spec.id,
                stream=self._name,
                ssrc=self._ssrc,
                sequence=self._sequence,
                packets=len(frame.patches),
                timestamp=self._timestamp(frame),
                wall_ns=self._clock.wall_ns(),
                is_key=frame.is_key,
                fate=fate,
                sha256=self._source.digest(self._index),
            )
        )

    def _report(self, now_ns: int) -> None:
        if self._ended:
            return
        self._wheel.call_at(now_ns + REPORT_EVERY_S * 1_000_000_000, self._report)
        if self._camera.silent:
            return
        position_90k = self._camera.position_90k(now_ns) - self._camera.phase_90k
        # The wheel's `now` is a moment ago by now: both clocks are read against the same instant.
        wall_ns = self._clock.wall_ns() - (self._clock.monotonic_ns() - now_ns)
        self._write_report(
            rtcp.sender_report(
                self._ssrc,
                wall_ns=self._camera.wall_ns(wall_ns),
                timestamp=(self._shift_90k + position_90k + self._camera.jump_90k) & _32_BITS,
                packets=self._packets,
                octets=max(0, self._bytes - 16 * self._packets),
                cname=self._cname,
            )
        )

    def _write_report(self, packet: bytes) -> None:
        if self._transport.is_closing() or self._transport.get_write_buffer_size() > self._max_pending_bytes:
            return
        self._transport.write(bytes((0x24, self._report_channel)) + len(packet).to_bytes(2) + packet)
