"""What somebody typed of a camera, as the addresses of its streams and the one login that opens them."""

from civicam.camera.url import CameraUrl, Credentials
from civicam.core.errors import ConfigError
from civicam.core.ids import StreamName


def stream_addresses(
    main: str, sub: str, login: Credentials | None
) -> tuple[dict[StreamName, str], Credentials | None]:
    """The streams' addresses without credentials, and the credentials, wherever they stood.

    Args:
        main: the full picture's URL.
        sub: the small picture's; empty for none.
        login: what was given apart from them.

    Raises:
        ConfigError: an address is none, or there are different logins.
    """
    urls: dict[StreamName, str] = {}
    logins = {login}
    for stream, text in ((StreamName.MAIN, main), *(((StreamName.SUB, sub),) if sub else ())):
        address, own = CameraUrl.parse(text)
        urls[stream] = address.target
        logins.add(own)
    logins -= {None}
    if len(logins) > 1:
        raise ConfigError("different names or passwords for one camera", fix="it has one of each, for both streams")
    return urls, next(iter(logins), None)
