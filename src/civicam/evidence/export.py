"""Makes an export: footage of some streams and a stretch, with all that it takes to verify it.

It is made in a folder of its own, file by file, and each stream that is whole is kept: an export that was interrupted
goes on where it was. Nobody has a part of it: the package is there whole, or not at all. The films are made by
`original` or by `redacted`.
"""

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from civicam.evidence.certificate import Seal
from civicam.evidence.manifest import (
    CERTIFICATE,
    FOOTAGE,
    LEDGER,
    MANIFEST,
    SIGNATURE,
    AnyManifest,
    DocumentModel,
    EntryModel,
    LedgerProof,
    as_base64,
    reading_order,
    to_bytes,
)
from civicam.evidence.order import STREAMS, Made, Progress
from civicam.evidence.package import crc_of, write_package
from civicam.ledger.merkle import inclusion_proof
from civicam.ledger.published import Published

PACKAGE: Final = "export.zip"


def finish(made: Made, seal: Seal, documents: dict[str, bytes]) -> bytes:
    """Writes manifest, signature, certificate and documents; returns the manifest's SHA-256, which the ledger is told.

    Raises:
        OSError: they cannot be written.
    """
    listed = [DocumentModel(name=name, sha256=sha256(data).hexdigest()) for name, data in sorted(documents.items())]
    made.manifest = made.manifest.model_copy(update={"documents": listed})
    data = to_bytes(made.manifest)
    digest = sha256(data).digest()
    for name, content in {
        **documents, MANIFEST: data, SIGNATURE: seal.sign(digest), CERTIFICATE: seal.certificate,
    }.items():  # fmt: skip
        (made.folder / name).write_bytes(content)
    return digest


def entries_of(manifest: AnyManifest) -> list[int]:
    """The entries of the ledger that commit to the footage."""
    return sorted({segment.proof.entry for segment in manifest.segments})


def prove(published: Published, export: int, entries: Sequence[int]) -> LedgerProof:
    """What the ledger says: the entries, each with its proof under one checkpoint.

    Raises:
        LedgerError: the ledger cannot be read, or is not that long yet.
    """
    reader = published.reader

    def proven(index: int) -> EntryModel:
        proof = inclusion_proof(index, reader.size, reader.node)
        return EntryModel(index=index, data=as_base64(reader.entry(index)), proof=[as_base64(one) for one in proof])

    wanted = sorted({*entries, export})
    return LedgerProof(
        checkpoint=published.checkpoint.decode(), export=export, entries=[proven(index) for index in wanted]
    )


def package(made: Made, proof: LedgerProof, progress: Progress = lambda _: None) -> Path:
    """Puts it all into one file, and takes the parts away; returns where that is.

    Raises:
        OSError: it cannot be written.
    """
    folder, manifest = made.folder, made.manifest
    (folder / LEDGER).write_bytes(to_bytes(proof))
    small = [MANIFEST, SIGNATURE, CERTIFICATE, LEDGER, *(one.name for one in manifest.documents)]
    members = [(name, folder / name, crc_of(folder / name)) for name in sorted(small, key=reading_order)]
    members += [(one.name, folder / one.name, one.crc32) for one in manifest.files]
    target = folder / PACKAGE
    write_package(target, members, progress)
    # What says that films are whole goes before them.
    for path in (*folder.glob(STREAMS), *(folder / name for name in small)):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / FOOTAGE)
    return target
