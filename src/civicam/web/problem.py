"""Errors as a browser gets them: problem details (RFC 9457), made of the error tree.

What is wrong with a request is told whole. What is wrong with this machine is told by kind only: its messages name
folders and files, which are nobody's business outside; they go to standard error.
"""

import sys
from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse

from civicam.core.errors import (
    AccessError,
    AccessStoreError,
    BusyError,
    CatalogueError,
    CivicamError,
    ConfigError,
    FootageError,
    LedgerError,
    NotAllowedError,
    NotFoundError,
    PlayerError,
    RequestError,
    SignInError,
    TooSoonError,
)

MEDIA_TYPE: Final = "application/problem+json"

# The first that fits counts.
_STATUS: Final[tuple[tuple[type[CivicamError], HTTPStatus], ...]] = (
    (NotAllowedError, HTTPStatus.FORBIDDEN),
    (SignInError, HTTPStatus.UNAUTHORIZED),
    (TooSoonError, HTTPStatus.TOO_MANY_REQUESTS),
    (AccessError, HTTPStatus.BAD_REQUEST),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (BusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (RequestError, HTTPStatus.BAD_REQUEST),
    (ConfigError, HTTPStatus.BAD_REQUEST),
)
_OWN_FAULTS: Final[tuple[tuple[type[CivicamError], str], ...]] = (
    (CatalogueError, "the catalogue cannot be read now"),
    (FootageError, "this footage cannot be read"),
    (PlayerError, "this view cannot be given now"),
    (AccessStoreError, "who may what cannot be read now"),
    (LedgerError, "this cannot be written down now, so nothing is shown or done"),
)
_TITLES: Final = {
    HTTPStatus.BAD_REQUEST: "The request cannot be understood",
    HTTPStatus.UNAUTHORIZED: "Nobody is signed in",
    HTTPStatus.TOO_MANY_REQUESTS: "Too often",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too long",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The request cannot be understood",
    HTTPStatus.FORBIDDEN: "Nobody allowed this",
    HTTPStatus.NOT_FOUND: "There is no such thing",
    HTTPStatus.METHOD_NOT_ALLOWED: "This is not to be had like that",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The request is too long",
    HTTPStatus.SERVICE_UNAVAILABLE: "This machine cannot do that now",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here",
}
RETRY_AFTER_S: Final = 5


def problem(status: HTTPStatus, detail: str) -> JSONResponse:
    """An answer that says what was wrong."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, status.phrase),
        "status": int(status),
        "detail": detail,
    }
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body, int(status), headers, MEDIA_TYPE)


def told(error: CivicamError) -> tuple[HTTPStatus, str]:
    """The status that `error` is answered with, and what is told about it."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status, f"{error.what}; {error.fix}" if error.fix else error.what
    sys.stderr.write(f"civicam web: {error}\n")
    words = next((words for kind, words in _OWN_FAULTS if isinstance(error, kind)), "something went wrong here")
    return HTTPStatus.SERVICE_UNAVAILABLE, words


def as_problem(error: CivicamError) -> JSONResponse:
    """The answer to a request that ended in `error`."""
    return problem(*told(error))
