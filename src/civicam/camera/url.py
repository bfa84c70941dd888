"""A camera's address, apart from the name and password that open it (RFC 2326 3.2, RFC 3986 3.2)."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from civicam.core.errors import ConfigError

DEFAULT_PORT = 554
MAX_URL_CHARS = 4096

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Za-z:.%]+\]|[\x21-\x39\x3b-\x5a\x5e-\x7e]+)(?::(?P<port>[0-9]{0,5}))?")
# Cameras that want the password in the path or the query: `?password=x`, `/user=a_password=x_channel=1`.
_SECRET = re.compile(r"(?i)(pass\w{0,8}|pwd|psw|token|auth|secret|key)=[^&/?#]*")
_USERINFO = re.compile(r"//.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password. Prints as neither."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"

    __str__ = __repr__

    def scrub(self, text: str) -> str:
        """`text` with the password blotted out, for what a camera said and a message repeats."""
        return text.replace(self.password, "***") if self.password else text


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """Where a camera is.

    Attributes:
        host: a name or an address, an IPv6 one without brackets.
        port: TCP port.
        target: what requests name: the URL without credentials.
    """

    host: str
    port: int
    target: str

    @property
    def redacted(self) -> str:
        """The address for messages and logs."""
        return redact(self.target)

    def __repr__(self) -> str:
        return f"CameraUrl({self.redacted})"

    __str__ = __repr__

    @classmethod
    def parse(cls, text: str) -> tuple[Self, Credentials | None]:
        """Splits `rtsp://user:password@host:port/path` into the address and the credentials, if it holds any.

        An unescaped `@` in the password is understood; the last one ends it. An unescaped `/`, `?` or `#` is not, and
        so an `@` behind one is refused: it could be the rest of a password.

        Raises:
            ConfigError: it is not an RTSP address. The message does not repeat it.
        """
        found = _URL.fullmatch(text) if len(text) <= MAX_URL_CHARS else None
        if found is None or any(ord(c) <= 32 or ord(c) == 127 for c in text):
            raise _unusable("is not a URL")
        if found["scheme"].lower() != "rtsp":
            raise _unusable("is not an rtsp:// address")
        if "@" in found["rest"]:
            raise _unusable("has an @ behind its first /, ? or #; escape it as %40, and in a password / as %2F")
        userinfo, _, host_port = found["authority"].rpartition("@")
        place = _HOST_PORT.fullmatch(host_port)
        if place is None:
            raise _unusable("names no host, or a port that is none")
        port = int(place["port"] or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise _unusable("has a port outside 1 to 65535")
        target = f"rtsp://{host_port}{_escaped(found['rest'])}"
        return cls(place["host"].strip("[]"), port, target), _credentials(userinfo)


def redact(text: str) -> str:
    """An address, or what should have been one, with everything that could be a credential left out."""
    return _SECRET.sub(r"\1=***", _USERINFO.sub("//", text))


def _credentials(userinfo: str) -> Credentials | None:
    if not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    return Credentials(unquote(user), unquote(password))


def _escaped(rest: str) -> str:
    # Requests are ASCII; what a person typed beyond it travels as UTF-8 (RFC 3987 3.1).
    return "".join(c if ord(c) < 128 else "".join(f"%{b:02X}" for b in c.encode("utf-8", "replace")) for c in rest)


def _unusable(what: str) -> ConfigError:
    return ConfigError(f"the camera address {what}", fix="write it as rtsp://HOST:PORT/PATH")
