"""The page and what belongs to it, read once and served from memory."""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page.

    Attributes:
        data: its bytes.
        gzipped: the same, compressed.
        media_type: what they are.
        etag: changes with them.
    """

    data: bytes
    gzipped: bytes
    media_type: str
    etag: str


def page_files() -> dict[str, PageFile]:
    """Every file of the page by name."""
    found = {}
    for file in files("civicam.web").joinpath("page").iterdir():
        media_type = _TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            data = file.read_bytes()
            etag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
            found[file.name] = PageFile(data, gzip.compress(data, mtime=0), media_type, etag)
    return found
