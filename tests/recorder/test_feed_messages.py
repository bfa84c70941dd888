"""Messages of the feed survive the way, in whatever pieces; what is none is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import FeedError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.recorder.feed_messages import (
    BrokenTold,
    DiscontinuityTold,
    Dropped,
    Gone,
    Here,
    Level,
    Message,
    MessageReader,
    SampleTold,
    SetupTold,
    Want,
    encode,
)

HANDLES = st.integers(0, 2**32 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
BYTES = st.binary(max_size=300)
KEYS = st.builds(
    StreamKey, st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z").map(CameraId), st.sampled_from(StreamName)
)
SETUPS = st.builds(
    H264Setup,
    BYTES,
    st.lists(BYTES, max_size=8).map(tuple),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
SAMPLES = st.builds(Sample, BYTES, INT64, INT64, st.none() | INT64, st.booleans())
DETAILS = st.text(max_size=80)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Want, HANDLES, st.sampled_from(Level), KEYS),
    st.builds(SetupTold, HANDLES, SETUPS),
    st.builds(SampleTold, HANDLES, SAMPLES),
    st.builds(BrokenTold, HANDLES, st.sampled_from(GapCause), DETAILS),
    st.builds(DiscontinuityTold, HANDLES, DETAILS),
    st.builds(Here, HANDLES),
    st.builds(Gone, HANDLES),
    st.builds(Dropped, HANDLES),
)


@given(st.lists(MESSAGES, max_size=6), st.integers(1, 400))
def test_messages_come_out_as_they_went_in_whatever_the_pieces(messages: list[Message], piece: int) -> None:
    data = b"".join(map(encode, messages))
    reader = MessageReader(1 << 20)
    found = [message for at in range(0, len(data), piece) for message in reader.feed(data[at : at + piece])]
    assert found == messages


@given(BYTES)
def test_noise_is_messages_or_an_error(data: bytes) -> None:
    reader = MessageReader(1 << 20)
    try:
        messages = reader.feed(data)
    except FeedError:
        return
    assert all(data.startswith(encode(message)) for message in messages[:1])


def test_a_message_that_says_it_is_huge_is_refused_before_it_comes() -> None:
    with pytest.raises(FeedError, match="4294967295 bytes"):
        MessageReader(256).feed(b"\xff\xff\xff\xff")


@pytest.mark.parametrize("camera", ["../etc", "UPPER", "", "a" * 64])
def test_a_stream_that_cannot_be_one_is_refused(camera: str) -> None:
    data = encode(Want(1, Level.ALL, StreamKey(CameraId(camera), StreamName.MAIN)))
    with pytest.raises(FeedError):
        MessageReader(256).feed(data)


def test_a_long_detail_is_cut_between_characters() -> None:
    (message,) = MessageReader(4096).feed(encode(DiscontinuityTold(1, "ш" * 1000)))
    assert message == DiscontinuityTold(1, "ш" * 200)
