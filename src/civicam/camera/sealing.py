"""A camera's name and password, as the catalogue keeps them: wrapped with the city's key, for that camera alone."""

import json

from civicam.camera.url import Credentials
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId


def seal_credentials(key: CityKey, camera: CameraId, credentials: Credentials | None) -> bytes | None:
    """What the catalogue stores; None where there is nothing to seal."""
    if credentials is None:
        return None
    return key.wrap(json.dumps([credentials.user, credentials.password]).encode(), f"camera:{camera}")


def open_credentials(key: CityKey, camera: CameraId, sealed: bytes | None) -> Credentials | None:
    """What `seal_credentials` was given.

    Raises:
        SealError: they do not open with this city's key.
    """
    if sealed is None:
        return None
    user, password = json.loads(key.unwrap(sealed, f"camera:{camera}"))
    return Credentials(user, password)
