"""One video stream of a session: packets in, samples with their time out."""

from civicam.camera.counters import SourceCounters
from civicam.camera.h264 import Depacketiser
from civicam.camera.rtcp import Bye, Reception, SenderReport, parse_compound, receiver_report
from civicam.camera.rtp import RtpReceiver
from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.camera.sdp import H264Offer
from civicam.camera.timeline import TICKS_A_SECOND, Timeline
from civicam.core.clock import Clock
from civicam.core.errors import RtpError
from civicam.core.ids import GapCause

_SETTLING_SAMPLES = 32


class VideoTrack:
    """Puts the parts together: RTP, H.264, timeline.

    Args:
        offer: what the session description said.
        sink: where samples go.
        counters: the camera's, which outlive this connection.
        clock: this machine's.
        previous: the setup that an earlier connection to the camera announced last. Where there was one, the first
            sample is behind a discontinuity, and the same setup is not announced again.

    Attributes:
        setup: the setup announced last.
        payload_type: of its packets.
        is_over: the camera said goodbye to the stream.
        framing_faults: stretches of bytes between packets that were nothing; counted by the connection.
    """

    def __init__(
        self,
        offer: H264Offer,
        sink: SampleSink,
        counters: SourceCounters,
        clock: Clock,
        previous: H264Setup | None = None,
    ) -> None:
        self.payload_type = offer.payload_type
        self.setup = previous
        self.is_over = False
        self.framing_faults = 0
        self._sink = sink
        self._counters = counters
        self._timeline = Timeline(clock)
        self._placed_from = counters.samples
        self._depacketiser = Depacketiser(self, offer.parameter_sets)
        self.push = self._depacketiser.push
        self.lost = self._depacketiser.lost
        self._receiver = RtpReceiver(offer.payload_type, self)
        self.framed = self._receiver.framed
        self.rtp = self._receiver.packet
        self._restarted = "the camera was connected to again" if previous is not None else ""
        self._rtcp_malformed = 0
        self._counted = (0, 0, 0, 0)
        self._before = (0, 0)  # packets and losses of sources that ended
        self._report: SenderReport | None = None
        self._report_arrival_ns = 0
        self._reported = (0, 0)  # expected and lost at the last receiver report

    @property
    def has_begun(self) -> bool:
        """Packets have come."""
        return self._receiver.ssrc is not None

    @property
    def is_settled(self) -> bool:
        """So many samples were placed in time that reading late no longer moves the timeline."""
        return self._counters.samples - self._placed_from >= _SETTLING_SAMPLES

    def restart(self) -> None:
        """The packets that follow are another source's. See `rtp.Payloads`."""
        self._before = (self._before[0] + self._receiver.received, self._before[1] + self._receiver.lost)
        self._depacketiser.restart()
        self._timeline.restart()
        self._restarted = "the camera started a new stream"
        self._report = None
        self._reported = (0, 0)

    def parameters(self, setup: H264Setup) -> None:
        """See `h264.AccessUnits`."""
        self._counters.width, self._counters.height = setup.width, setup.height
        if setup != self.setup:
            self.setup = setup
            self._sink.setup(setup)

    def unit(self, data: bytes, timestamp: int, arrival_ns: int, is_key: bool) -> None:
        """See `h264.AccessUnits`."""
        pts_90k, wall_ns, camera_wall_ns, jump = self._timeline.place(timestamp, arrival_ns, is_key)
        if jump or self._restarted:
            self._placed_from = self._counters.samples
        if self._restarted:
            self._sink.discontinuity(self._restarted)
            self._restarted = ""
        elif jump:
            self._sink.discontinuity(jump)
        counters = self._counters
        counters.samples += 1
        counters.media_bytes += len(data)
        counters.last_sample_ns = arrival_ns
        self._sink.sample(Sample(data, pts_90k, wall_ns, camera_wall_ns, is_key))

    def damaged(self, detail: str) -> None:
        """See `h264.AccessUnits`."""
        self._sink.broken(GapCause.LOST_PACKETS, detail)

    def rtcp(self, view: memoryview, start: int, end: int, arrival_ns: int) -> None:
        """Takes the compound packet `view[start:end]`; a malformed one is counted."""
        try:
            reports = parse_compound(bytes(view[start:end]))
        except RtpError:
            self._rtcp_malformed += 1
            return
        ssrc = self._receiver.ssrc
        for report in reports:
            if isinstance(report, Bye):
                self.is_over = self.is_over or ssrc in report.ssrcs
            elif ssrc in (None, report.ssrc):
                self._report, self._report_arrival_ns = report, arrival_ns
                self._timeline.sender_report(report.timestamp, report.unix_ns)

    def framing_fault(self, detail: str) -> None:
        """Bytes between packets were nothing."""
        self.framing_faults += 1
        self.lost(detail)

    def end_of_read(self) -> None:
        """Called behind each read from the network."""
        self._depacketiser.check_size()

    def receiver_report(self, own_ssrc: int, now_ns: int) -> bytes:
        """A compound RTCP packet that says how the stream arrives."""
        receiver = self._receiver
        if receiver.ssrc is None:
            return receiver_report(own_ssrc, None)
        expected, lost = receiver.expected, receiver.lost
        new_expected, new_lost = expected - self._reported[0], lost - self._reported[1]
        self._reported = (expected, lost)
        fraction = min(255, 256 * new_lost // new_expected) if new_expected > 0 and new_lost > 0 else 0
        last_sr = delay = 0
        if self._report is not None:
            last_sr = self._report.ntp >> 16 & 0xFFFFFFFF
            delay = (now_ns - self._report_arrival_ns) * 65536 // 1_000_000_000
        jitter_90k = int(self._timeline.jitter_ns * TICKS_A_SECOND / 1e9)
        block = Reception(receiver.ssrc, fraction, lost, receiver.highest, jitter_90k, last_sr, delay)
        return receiver_report(own_ssrc, block)

    def count(self) -> None:
        """Brings the camera's counters up to date."""
        receiver, depacketiser = self._receiver, self._depacketiser
        now = (
            self._before[0] + receiver.received,
            self._before[1] + receiver.lost,
            receiver.malformed + depacketiser.malformed + self._rtcp_malformed + self.framing_faults,
            depacketiser.dropped,
        )
        packets, lost, malformed, dropped = (new - old for new, old in zip(now, self._counted, strict=True))
        self._counted = now
        self._counters.packets += packets
        self._counters.packets_lost += lost
        self._counters.malformed += malformed
        self._counters.dropped += dropped
