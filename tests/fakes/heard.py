"""A sink that keeps what it hears."""

from civicam.camera.sample import H264Setup, Sample
from civicam.core.ids import GapCause


class Heard:
    """Keeps everything, in order, as `events`; and samples apart."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.samples: list[Sample] = []
        self.setups: list[H264Setup] = []
        self.details: list[str] = []

    def setup(self, setup: H264Setup) -> None:
        self.events.append("setup")
        self.setups.append(setup)

    def sample(self, sample: Sample) -> None:
        self.events.append("sample")
        self.samples.append(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        self.events.append(cause.label)
        self.details.append(detail)

    def discontinuity(self, detail: str) -> None:
        self.events.append("discontinuity")
        self.details.append(detail)

    @property
    def data(self) -> list[bytes]:
        return [sample.data for sample in self.samples]
