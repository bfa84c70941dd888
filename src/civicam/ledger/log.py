"""The log on disk: one writer, entries durable batch by batch, tiles and a signed checkpoint now and then.

log.json        origin and public key
signing.key     wrapped by the city's key
journal         what is durable and not yet in tiles
newest          the checkpoint of all that is in tiles
public/         tiles, and a checkpoint, which witnesses may have signed: static files for everybody
parts/          what belongs to people, sealed, a file for each entry bundle
people/         one wrapped key a person
"""

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from civicam.core.citykey import KEY_BYTES, CityKey, Entropy
from civicam.core.errors import ConfigError, LedgerError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.durable import explained, write_whole
from civicam.ledger.encoding import encode
from civicam.ledger.entry import SEAL, Draft, Receipt
from civicam.ledger.journal import Journal, Record
from civicam.ledger.merkle import EMPTY_ROOT, Hash, leaf_hash, root_of, tree_root
from civicam.ledger.note import Note, Signer, VerifierKey
from civicam.ledger.parts import SealedPart, parts_from_json, parts_to_json, seal_part
from civicam.ledger.people_keys import PeopleKeys
from civicam.ledger.tiles import HEIGHT, WIDTH, TileReader, entries_path, files_in, pack_entries, tile_path

_KEY_CONTEXT: Final = "ledger signing key"
_MOST_JOURNAL_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class LedgerFolder:
    """What is where in a ledger's folder.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def about(self) -> Path:
        """Origin and public key."""
        return self.root / "log.json"

    @property
    def signing_key(self) -> Path:
        """The log's private key, wrapped."""
        return self.root / "signing.key"

    @property
    def journal(self) -> Path:
        """What is durable and not yet in tiles."""
        return self.root / "journal"

    @property
    def public(self) -> Path:
        """Static files for everybody."""
        return self.root / "public"

    @property
    def newest(self) -> Path:
        """The checkpoint of all that is in tiles."""
        return self.root / "newest"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that is published."""
        return self.public / "checkpoint"

    @property
    def people(self) -> Path:
        """One wrapped key a person."""
        return self.root / "people"

    @property
    def lock(self) -> Path:
        """Held by the one writer."""
        return self.root / "lock"

    def parts(self, bundle: int) -> Path:
        """The sealed parts of an entry bundle."""
        return self.root / "parts" / f"{entries_path(bundle).removeprefix('tile/entries/')}.jsonl"


def create_log(folder: LedgerFolder, origin: str, city_key: CityKey, entropy: Entropy = os.urandom) -> VerifierKey:
    """Makes an empty log with a key of its own, and returns its public key.

    Raises:
        ConfigError: there is one already; it is left as it is.
        LedgerError: it cannot be written, or the origin cannot be a log's name.
    """
    if folder.about.exists():
        raise ConfigError("there is a ledger already", where=str(folder.root))
    secret = entropy(KEY_BYTES)
    signer = Signer(origin, secret)
    with explained("the ledger was made", folder.root):
        folder.root.mkdir(mode=0o750, parents=True, exist_ok=True)
        write_whole(folder.signing_key, city_key.wrap(secret, _KEY_CONTEXT), 0o600)
        empty = Checkpoint(origin, 0, EMPTY_ROOT).text
        for path in (folder.newest, folder.checkpoint):
            write_whole(path, str(Note(empty, (signer.sign(empty),))).encode())
        about = {"origin": origin, "key": str(signer.verifier)}
        write_whole(folder.about, json.dumps(about).encode() + b"\n")
    return signer.verifier


def read_parts(folder: LedgerFolder, index: int) -> dict[str, SealedPart]:
    """The sealed parts of an entry that is in tiles, by role; empty where it has none.

    Raises:
        LedgerError: they cannot be read.
    """
    path, name = folder.parts(index // WIDTH), str(index)
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LedgerError(f"sealed parts cannot be read: {error.strerror}", where=str(path)) from error
    for line in reversed(lines):
        found = _parts_line(line, path)
        if name in found:
            return parts_from_json(json.dumps(found[name]).encode())
    return {}


def _parts_line(line: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}  # a crash cut it off; the journal's record was written again behind it
    if not isinstance(found, dict):
        raise LedgerError("these are no sealed parts", where=str(path))
    return found


def read_verifier(folder: LedgerFolder) -> VerifierKey:
    """The public key of the log in `folder`.

    Raises:
        LedgerError: there is no log, or what it says of itself cannot be read.
    """
    try:
        return VerifierKey.parse(str(json.loads(folder.about.read_bytes())["key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError("there is no ledger here", where=str(folder.root), fix="run `civicam init`") from error


@dataclass(slots=True)
class _Edge:
    """The tree's right edge: what is in tiles that are not whole.

    Attributes:
        size: entries in the tree.
        entries: of the last, partial bundle.
        levels: of each level of tiles, the hashes of the last, partial one.
    """

    size: int
    entries: list[bytes]
    levels: list[list[Hash]]

    def copy(self) -> "_Edge":
        return _Edge(self.size, [*self.entries], [[*hashes] for hashes in self.levels])

    def add(self, entry: bytes) -> dict[str, bytes]:
        """Adds an entry, and returns the files that are whole with it."""
        files: dict[str, bytes] = {}
        self.size += 1
        self.entries.append(entry)
        if len(self.entries) == WIDTH:
            files[entries_path(self.size // WIDTH - 1)] = pack_entries(self.entries)
            self.entries = []
        self._push(0, leaf_hash(entry), files)
        return files

    def _push(self, level: int, found: Hash, files: dict[str, bytes]) -> None:
        if level == len(self.levels):
            self.levels.append([])
        hashes = self.levels[level]
        hashes.append(found)
        if len(hashes) == WIDTH:
            files[tile_path(level, (self.size >> level * HEIGHT) // WIDTH - 1)] = b"".join(hashes)
            above = root_of(hashes)
            self.levels[level] = []
            self._push(level + 1, above, files)

    def partial_files(self) -> dict[str, bytes]:
        """The files that are not whole."""
        files = {
            tile_path(level, (self.size >> level * HEIGHT) // WIDTH, len(hashes)): b"".join(hashes)
            for level, hashes in enumerate(self.levels)
            if hashes
        }
        if self.entries:
            files[entries_path(self.size // WIDTH, len(self.entries))] = pack_entries(self.entries)
        return files

    def root(self) -> Hash:
        """The tree's root; all nodes that it takes are in partial tiles."""

        def node(level: int, index: int) -> Hash:
            tile_level, above = divmod(level, HEIGHT)
            first = (index << above) % WIDTH
            return root_of(self.levels[tile_level][first : first + (1 << above)])

        return tree_root(self.size, node)


class Log:
    """A log, opened for writing. One process, one thread.

    Args:
        folder: where it is.
        city_key: unwraps its keys.
        entropy: salts and nonces.

    Raises:
        LedgerError: there is none, another process writes it, or what is there does not fit together.
    """

    def __init__(self, folder: LedgerFolder, city_key: CityKey, entropy: Entropy = os.urandom) -> None:
        self.folder = folder
        self.keys = PeopleKeys(folder.people, city_key, entropy)
        self.verifier = read_verifier(folder)
        self._entropy = entropy
        self._lock = _lock(folder.lock)
        try:
            self._signer = Signer(self.verifier.name, city_key.unwrap(_read(folder.signing_key), _KEY_CONTEXT))
            if self._signer.verifier != self.verifier:
                raise LedgerError("the signing key is not the one that this log is known by", where=str(folder.root))
            self.checkpoint = self._read_checkpoint()
            self._edge = self._read_edge(self.checkpoint)
            self._journal = Journal(folder.journal, self.checkpoint.size)
        except BaseException:
            os.close(self._lock)
            raise
        if self._journal.first > self.checkpoint.size:
            self.close()
            raise LedgerError(
                f"entries {self.checkpoint.size} to {self._journal.first} are in no file",
                where=str(folder.root),
                fix="restore the whole ledger from one backup; its witnesses know what it had",
            )

    @property
    def size(self) -> int:
        """Entries that are durable."""
        return max(self._journal.first + len(self._journal.records), self.checkpoint.size)

    @property
    def waiting(self) -> int:
        """Of these, entries that are not yet in tiles."""
        return self.size - self.checkpoint.size

    def append(self, drafts: Sequence[Draft], wall_ns: int) -> list[Receipt]:
        """Writes drafts down as one batch; all are durable when it returns, and none is there when it raises.

        Raises:
            LedgerError: the disk is full or fails, or a draft cannot be written.
            KeyMissingError: a draft is about somebody who is unknown or erased.
            SealError: somebody's key does not open.
        """
        records = [self._record(draft, wall_ns) for draft in drafts]
        if self._journal.size_bytes > _MOST_JOURNAL_BYTES:
            raise LedgerError("entries cannot be put into tiles, and no more are taken", where=str(self.folder.root))
        first = self.size
        self._journal.append(records)
        return [Receipt(first + number, wall_ns, draft, made_by=SEAL) for number, draft in enumerate(drafts)]

    def integrate(self) -> Checkpoint:
        """Puts what is in the journal into tiles, and signs a checkpoint of it.

        Raises:
            LedgerError: a file cannot be written; everything is as before, and it can be tried again.
        """
        done = self.checkpoint.size - self._journal.first
        records = self._journal.records[max(done, 0) :]
        if not records:
            return self.checkpoint
        edge, files = self._edge.copy(), dict[str, bytes]()
        for record in records:
            files |= edge.add(record.entry)
        with explained("the ledger's tiles were written", self.folder.public):
            self._write_parts(records)
            for path, data in (files | edge.partial_files()).items():
                write_whole(self.folder.public / path, data)
            found = Checkpoint(self.verifier.name, edge.size, edge.root())
            note = Note(found.text, (self._signer.sign(found.text),))
            write_whole(self.folder.newest, str(note).encode())
        self._edge, self.checkpoint = edge, found
        self._drop_partials(files)
        self._journal.begin(edge.size)
        return found

    def publish(self, note: Note) -> None:
        """Publishes a checkpoint, with whichever signatures it has.

        Raises:
            LedgerError: it cannot be written.
        """
        with explained("the checkpoint was published", self.folder.checkpoint):
            write_whole(self.folder.checkpoint, str(note).encode())

    def note(self) -> Note:
        """The newest checkpoint, signed by the log alone.

        Raises:
            LedgerError: it cannot be read.
        """
        return Note.parse(_read(self.folder.newest))

    def reader(self) -> TileReader:
        """Reads the tree of the newest checkpoint."""
        return TileReader(self.checkpoint.size, files_in(self.folder.public))

    def close(self) -> None:
        """Lets another process write."""
        self._journal.close()
        os.close(self._lock)

    def _record(self, draft: Draft, wall_ns: int) -> Record:
        sealed: dict[str, SealedPart] = {}
        commitments: dict[str, str] = {}
        for role, part in draft.parts.items():
            commitments[role], sealed[role] = seal_part(role, part, self.keys, self._entropy)
        return Record(encode(draft, wall_ns, commitments), parts_to_json(sealed) if sealed else b"")

    def _write_parts(self, records: Sequence[Record]) -> None:
        """Adds sealed parts to their bundles' files; after a crash some may be there twice, which does no harm."""
        lines: dict[int, list[bytes]] = {}
        for index, record in enumerate(records, self.checkpoint.size):
            if record.parts:
                lines.setdefault(index // WIDTH, []).append(b'{"%d":%b}\n' % (index, record.parts))
        for bundle, added in lines.items():
            path = self.folder.parts(bundle)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:  # noqa: PTH123
                file.write(b"".join(added))
                file.flush()
                os.fsync(file.fileno())

    def _drop_partials(self, whole: dict[str, bytes]) -> None:
        """A partial tile is of no use once the whole one is there (tlog-tiles allows it)."""
        for path in whole:
            folder = self.folder.public / f"{path}.p"
            for partial in folder.glob("*"):
                partial.unlink(missing_ok=True)
            if folder.is_dir():
                folder.rmdir()

    def _read_checkpoint(self) -> Checkpoint:
        note = self.note()
        note.check(self.verifier)
        found = Checkpoint.parse(note.text)
        if found.origin != self.verifier.name:
            raise LedgerError("the checkpoint is another log's", where=str(self.folder.newest))
        return found

    def _read_edge(self, checkpoint: Checkpoint) -> _Edge:
        size, reader = checkpoint.size, self.reader()
        entries = reader.entries(size // WIDTH) if size % WIDTH else []
        levels: list[list[Hash]] = []
        while size >> len(levels) * HEIGHT:
            level = len(levels)
            count = (size >> level * HEIGHT) % WIDTH
            start = (size >> level * HEIGHT) - count
            levels.append([reader.node(level * HEIGHT, start + at) for at in range(count)])
        edge = _Edge(size, entries, levels)
        if edge.root() != checkpoint.root:
            raise LedgerError(
                "the tiles are not those of the checkpoint",
                where=str(self.folder.public),
                fix="run `civicam ledger verify`, and restore the whole ledger from a backup",
            )
        return edge


def _lock(path: Path) -> int:
    with explained("the ledger was opened", path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise LedgerError("another process writes this ledger", where=str(path), fix="stop it first") from None
    return descriptor


def _read(path: Path) -> bytes:
    with explained("the ledger was read", path):
        return path.read_bytes()
