"""Session descriptions (RFC 4566), as far as a camera's H.264 stream needs them (RFC 6184 8.2)."""

import base64
import binascii
import re
from dataclasses import dataclass, field

from civicam.core.errors import SdpError

MAX_LINES = 2000
MAX_PARAMETER_SETS = 64
VIDEO_CLOCK_HZ = 90_000

_MEDIA = re.compile(r"(\w{1,32})\s+\d+(?:/\d+)?\s+\S+\s+(.*)", re.ASCII)
_RTPMAP = re.compile(r"(\d{1,3})\s+([\w.-]+)(?:/(\d{1,9}))?(?:/.*)?", re.ASCII)


@dataclass(slots=True)
class Media:
    """One `m=` section.

    Attributes:
        kind: `video`, `audio`, `application`.
        payload_types: as listed, in the camera's order of preference.
        encodings: payload type to name and clock rate in Hz (0 where it is not told).
        formats: payload type to its `fmtp` parameters, names in lower case.
        control: the `control` attribute, empty where there is none.
    """

    kind: str
    payload_types: list[int]
    encodings: dict[int, tuple[str, int]] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)
    control: str = ""

    @property
    def label(self) -> str:
        """What it offers, such as `video H264/90000`."""
        offered = [f"{name}/{clock}" for name, clock in self.encodings.values()] or ["?"]
        return f"{self.kind} {' '.join(offered)}"


@dataclass(slots=True)
class SessionDescription:
    """What a camera offers."""

    control: str = ""
    medias: list[Media] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class H264Offer:
    """The stream to set up.

    Attributes:
        control: the media's `control` attribute.
        payload_type: the RTP payload type of its packets.
        packetization_mode: RFC 6184 5.4: 0 single NAL units, 1 fragmented too; 2 (interleaved) is refused.
        parameter_sets: NAL units from `sprop-parameter-sets`; what did not decode is left out.
    """

    control: str
    payload_type: int
    packetization_mode: int
    parameter_sets: tuple[bytes, ...]


def parse(data: bytes) -> SessionDescription:
    """Reads a description; lines that mean nothing to us are passed over.

    Raises:
        SdpError: it is not a session description.
    """
    description = SessionDescription()
    lines = re.split(r"[\r\n]+", data.decode("utf-8", "replace"))
    if len(lines) > MAX_LINES:
        raise SdpError(f"the session description has more than {MAX_LINES} lines")
    for line in lines:
        kind, _, value = line.strip().partition("=")
        if kind.strip() == "m":
            if found := _MEDIA.fullmatch(value.strip()):
                types = [int(word) for word in found[2].split() if re.fullmatch(r"[0-9]{1,3}", word)]
                description.medias.append(Media(found[1].lower(), types))
        elif kind.strip() == "a":
            _attribute(description, value)
    if not description.medias:
        raise SdpError("the session description offers no media")
    return description


def _attribute(description: SessionDescription, line: str) -> None:
    name, _, value = line.partition(":")
    name, value = name.strip().lower(), value.strip()
    media = description.medias[-1] if description.medias else None
    if name == "control":
        if media is None:
            description.control = value
        else:
            media.control = value
    elif media is not None and name == "rtpmap":
        if found := _RTPMAP.fullmatch(value):
            media.encodings[int(found[1])] = (found[2].upper(), int(found[3] or 0))
    elif media is not None and name == "fmtp":
        payload_type, _, parameters = value.partition(" ")
        if re.fullmatch(r"[0-9]{1,3}", payload_type):
            media.formats[int(payload_type)] = _parameters(parameters)


def _parameters(text: str) -> dict[str, str]:
    found = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in found if name.strip()}


def choose_h264(description: SessionDescription) -> H264Offer:
    """The first H.264 video stream.

    Raises:
        SdpError: there is none that can be recorded.
    """
    offered = [media for media in description.medias if media.kind == "video"]
    for media in offered:
        for payload_type, (name, clock_hz) in media.encodings.items():
            if name == "H264" and clock_hz in (0, VIDEO_CLOCK_HZ) and payload_type < 128:
                return _offer(media, payload_type)
    heard = ", ".join(media.label for media in description.medias)[:120]
    raise SdpError(
        f"no H.264 video at {VIDEO_CLOCK_HZ} Hz is offered, only: {heard}",
        fix="switch the camera's stream to H.264, or use its sub stream",
    )


def _offer(media: Media, payload_type: int) -> H264Offer:
    parameters = media.formats.get(payload_type, {})
    mode = parameters.get("packetization-mode", "0")
    if mode not in ("0", "1"):
        raise SdpError("the camera interleaves NAL units (packetization-mode 2)", fix="set it to mode 0 or 1")
    return H264Offer(media.control, payload_type, int(mode), _parameter_sets(parameters))


def _parameter_sets(parameters: dict[str, str]) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for text in parameters.get("sprop-parameter-sets", "").split(",")[:MAX_PARAMETER_SETS]:
        compact = re.sub(r"[^A-Za-z0-9+/]", "", text)
        try:
            nal = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        except binascii.Error:
            continue  # parameter sets come in-band too; a camera that garbles these is still usable
        if nal:
            found.append(nal)
    return tuple(found)


def control_url(base: str, control: str) -> str:
    """The address that SETUP, PLAY or TEARDOWN names (RFC 2326 C.1.1).

    Relative ones are appended, also behind a query, because that is what cameras expect.

    Args:
        base: `Content-Base`, else `Content-Location`, else the address that was described.
        control: the attribute's value; empty and `*` mean the base itself.

    Raises:
        SdpError: it cannot stand in a request line.
    """
    if not re.fullmatch(r"[\x21-\x7e]*", control) or not re.fullmatch(r"[\x21-\x7e]+", base):
        raise SdpError("a control address holds blanks or letters beyond ASCII")
    if control in ("", "*"):
        return base
    if re.match(r"(?i)rtspu?://", control):
        return control
    return f"{base.rstrip('/')}/{control.lstrip('/')}"
