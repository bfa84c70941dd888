"""A stream's description (RFC 4566), with what RFC 6184 section 8.2.1 and RFC 2326 appendix C add."""

from base64 import b64encode

from civicam.city.loop import LoopedStream
from civicam.city.packets import CLOCK_HZ, PAYLOAD_TYPE

TRACK = "trackID=0"


def describe(stream: LoopedStream, title: str, session: int) -> bytes:
    """Returns the description of `stream`.

    Args:
        stream: what is played.
        title: the session's name.
        session: the description's version and id.
    """
    sets = ",".join(b64encode(nal).decode() for nal in (stream.sps, stream.pps))
    fmtp = f"packetization-mode=1;profile-level-id={stream.sps[1:4].hex()};sprop-parameter-sets={sets}"
    lines = (
        "v=0",
        f"o=- {session} {session} IN IP4 127.0.0.1",
        f"s={title}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} {fmtp}",
        f"a=framerate:{stream.fps:g}",
        f"a=x-dimensions:{stream.width},{stream.height}",
        "a=recvonly",
        f"a=control:{TRACK}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()
