"""One closed segment file, looked over: its bytes, and in a deep check its pictures."""

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import av

from civicam.core.errors import FootageError
from civicam.footage.keys import KeyRing
from civicam.footage.reader import SegmentReader
from civicam.footage.verify import SegmentVerdict, verify
from civicam.upkeep.files import ClosedFile

_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """What a file is.

    Attributes:
        file: the file.
        verdict: what its bytes say.
        sample_count: pictures that its good fragments hold, by their headers.
        decoded_count: pictures that a decoder made of those, 0 if it was not asked.
        decode_error: why it stopped, empty if it did not.
    """

    file: ClosedFile
    verdict: SegmentVerdict
    sample_count: int = 0
    decoded_count: int = 0
    decode_error: str = ""


def examine(file: ClosedFile, keyring: KeyRing, *, deep: bool, decode: bool) -> Finding:
    """Looks a file over (with `decode` its pictures too, if `deep`); what is wrong is in the finding, never raised."""
    verdict = verify(file.path, keyring, deep=deep)
    if not (decode and verdict.is_authenticated and verdict.good_count):
        samples = verdict.segment.sample_count if verdict.segment else 0
        return Finding(file, verdict, samples)
    try:
        init, payloads, samples = _good_footage(file, keyring)
    except FootageError as error:
        return Finding(file, verdict, decode_error=str(error))
    decoded, fault = _decode(init, payloads)
    return Finding(file, verdict, samples, decoded, fault)


def examine_all(
    files: Iterable[ClosedFile], keyring: KeyRing, *, deep: bool, threads: int, decode: bool
) -> Iterator[Finding]:
    """Looks files over on several threads (reading, unsealing and decoding let others run), in their order."""
    waiting = list(files)
    with ThreadPoolExecutor(threads, "examine") as pool:
        look = partial(examine, keyring=keyring, deep=deep, decode=decode)
        for first in range(0, len(waiting), _AT_ONCE):
            yield from pool.map(look, waiting[first : first + _AT_ONCE])


def _good_footage(file: ClosedFile, keyring: KeyRing) -> tuple[bytes, list[bytes], int]:
    """`init`, the payloads that are authentic and not marked damaged, and how many pictures those should be."""
    payloads, samples = [], 0
    with SegmentReader.open(file.path) as reader:
        for number in range(len(reader)):
            try:
                fragment = reader.read(number, keyring)
            except FootageError:
                continue  # `verify` told of it
            if not fragment.header.is_damaged:
                payloads.append(fragment.payload)
                samples += fragment.header.sample_count
        return reader.header.setup.init, payloads, samples


def _decode(init: bytes, payloads: list[bytes]) -> tuple[int, str]:
    """How many pictures a decoder makes of an MP4, and why it stopped early."""
    if not payloads:
        return 0, ""
    count = 0
    try:
        with av.open(io.BytesIO(b"".join([init, *payloads])), mode="r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for _ in container.decode(stream):
                count += 1
    except (av.FFmpegError, ValueError, IndexError) as error:
        return count, f"{type(error).__name__} after {count} pictures"
    return count, ""
