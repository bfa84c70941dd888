"""The page and what belongs to it, read once and served from memory."""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
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
    """Every file of the control room by name."""
    found = files("civicam.web").joinpath("page").iterdir()
    return {file.name: _page_file(file) for file in found if _ending(file) in _TYPES}


def public_style() -> PageFile:
    """How the public pages look."""
    return _page_file(files("civicam.web").joinpath("public", "public.css"))


def _page_file(file: Traversable) -> PageFile:
    data = file.read_bytes()
    etag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    return PageFile(data, gzip.compress(data, mtime=0), _TYPES[_ending(file)], etag)


def _ending(file: Traversable) -> str:
    return file.name.rpartition(".")[2]
