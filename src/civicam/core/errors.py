"""Every error civicam raises on purpose, as one tree.

    CivicamError
    ├── ConfigError              settings that cannot be used
    ├── CameraError              a camera, or what it sent
    │   ├── ConnectError         nothing answers at the address
    │   ├── RtspError            an answer that is not RTSP, or refuses
    │   │   └── UnauthorisedError
    │   ├── SdpError             a session description without a usable video stream
    │   ├── RtpError             a malformed RTP or RTCP packet
    │   ├── H264Error            a malformed NAL unit or parameter set
    │   └── StallError           connected, and no sample came
    ├── FootageError             bytes on disk
    │   ├── SegmentError         a file that is not a (whole) segment
    │   ├── SealError            authentication failed: altered bytes or the wrong key
    │   ├── KeyMissingError      the day key is gone (deleted, or never there)
    │   └── VolumeError          a place to write that cannot be written
    │       └── DiskFullError
    ├── CatalogueError           the database
    ├── WorkerError              a worker process that could not start or died
    ├── FeedError                the live feed between processes: not there, refused, or not understood
    ├── DecodeError              samples that do not become pictures
    ├── EncodeError              pictures that do not become samples
    ├── RedactionError           a model or mask that cannot be used
    ├── PlayerError              a view that cannot be given
    │   └── NotAllowedError      nobody allowed it
    ├── RequestError             a request that cannot be understood
    │   ├── NotFoundError        it asks for what is not there
    │   └── BusyError            as much as there may be at once is going on already
    ├── AccessError              people, rights, cases and grants: what they cannot be
    │   ├── SignInError          nobody is signed in, or not as they say
    │   └── TooSoonError         it was tried too often
    ├── AccessStoreError         the database of people and rights
    ├── LedgerError              the ledger cannot be written or read, or does not hold
    └── CityError                the simulator: a scene, video or scenario that cannot be played

A message says what was wrong, where, and what to do about it.
"""


class CivicamError(Exception):
    """The root of the tree.

    Args:
        what: what was wrong, as a clause without a full stop.
        where: the camera, file, line or byte offset it was found at.
        fix: what the reader can do about it.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        # All three go to Exception so that an error survives pickling between processes.
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.fix))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.fix})" if self.fix else ""
        return f"{place}{self.what}{advice}"


def _rebuild(kind: type[CivicamError], what: str, where: str, fix: str) -> CivicamError:
    return kind(what, where=where, fix=fix)


class ConfigError(CivicamError):
    """Settings that cannot be used."""


class CameraError(CivicamError):
    """A camera, or what it sent."""


class ConnectError(CameraError):
    """Nothing answers at the camera's address."""


class RtspError(CameraError):
    """An answer that is not RTSP, or that refuses."""


class UnauthorisedError(RtspError):
    """The camera refuses the name and password."""


class SdpError(CameraError):
    """A session description without a usable video stream."""


class RtpError(CameraError):
    """A malformed RTP or RTCP packet."""


class H264Error(CameraError):
    """A malformed H.264 NAL unit or parameter set."""


class StallError(CameraError):
    """The camera is connected, and no sample came."""


class FootageError(CivicamError):
    """Bytes on disk."""


class SegmentError(FootageError):
    """A file that is not a segment, or not a whole one."""


class SealError(FootageError):
    """Authentication failed: the bytes were altered or the key is the wrong one."""


class KeyMissingError(FootageError):
    """The day key is not there."""


class VolumeError(FootageError):
    """A volume that cannot be written."""


class DiskFullError(VolumeError):
    """A volume without room."""


class CatalogueError(CivicamError):
    """The catalogue's database cannot be used."""


class WorkerError(CivicamError):
    """A worker process that could not start, or died."""


class FeedError(CivicamError):
    """The live feed between processes: not there, refused, or not understood."""


class DecodeError(CivicamError):
    """Samples that do not become pictures."""


class EncodeError(CivicamError):
    """Pictures that do not become samples."""


class RedactionError(CivicamError):
    """A background model or a mask that cannot be used."""


class PlayerError(CivicamError):
    """A view that cannot be given."""


class NotAllowedError(PlayerError):
    """Nobody allowed this view."""


class RequestError(CivicamError):
    """A request that cannot be understood."""


class NotFoundError(RequestError):
    """A request for something that is not there."""


class BusyError(RequestError):
    """A request for more than may go on at once."""


class AccessError(CivicamError):
    """Something that people, rights, cases and grants cannot be."""


class SignInError(AccessError):
    """Nobody is signed in, or they are not who they say."""


class TooSoonError(AccessError):
    """It was tried too often, and may be tried again later."""


class AccessStoreError(CivicamError):
    """The database of people and rights cannot be used."""


class LedgerError(CivicamError):
    """The ledger cannot be written or read, or what is in it does not hold."""


class EvidenceError(CivicamError):
    """Something that was exported does not hold, or cannot be exported."""


class NotWrittenYetError(EvidenceError):
    """Footage that is recorded, and to which no entry of the ledger commits yet: within minutes one does."""


class CityError(CivicamError):
    """The simulator: a scene, video or scenario that cannot be played."""
