"""A city that recorded a minute, wrote down what it recorded, and exports it."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import civicam.evidence
from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import CityKey
from civicam.core.ids import StreamName
from civicam.evidence import original, redacted
from civicam.evidence.certificate import Seal, open_seal
from civicam.evidence.credentials import Credentials, open_credentials
from civicam.evidence.export import entries_of, finish, package, prove
from civicam.evidence.manifest import export_facts
from civicam.evidence.order import Archive, Made, Making, Order
from civicam.evidence.statement import statement, statement_pdf
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.entry import Draft, Kind
from civicam.ledger.log import read_verifier
from civicam.ledger.published import read_published
from civicam.player.archive_reader import ArchiveReader
from civicam.player.redacted_film import RedactedFilms
from civicam.upkeep.written import footage_draft, footage_leaves
from civicam.vision.model_store import ModelStore
from tests.fakes.recorded import KEYS, START_NS, Footage, Recorded, S, minute
from tests.fakes.walk import SETTINGS
from tests.ledger.house import LedgerHouse, draft

PAGE = Path(civicam.evidence.__file__).parent / "page" / "verify.html"
AT_NS = START_NS + 3600 * S
WINDOW = (START_NS + 5 * S, START_NS + 55 * S)


@dataclass
class Exporting:
    """What exports are made of.

    Attributes:
        root: its folder.
        ledger: where it is written down.
        recorded: the footage.
        seal: signs.
        credentials: sign, too.
        has_page: whether the page that checks them lies in exports: most of a small one.
    """

    root: Path
    ledger: LedgerHouse
    recorded: Recorded
    seal: Seal
    credentials: Credentials
    has_page: bool = True

    @classmethod
    def build(cls, root: Path, footage: Callable[[], Footage] = minute) -> "Exporting":
        """Records footage of two cameras, a minute if nothing else is said, and commits to it in two entries."""
        ledger, recorded = LedgerHouse.build(root / "ledger"), Recorded.make(root / "city", footage=footage)
        log = ledger.open()
        with Catalogue.open(recorded.path) as catalogue:
            rows = catalogue.uncommitted_segments(1000)
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                log.append([draft(1)], AT_NS)
                (receipt,) = log.append([footage_draft(half)], AT_NS)
                catalogue.commit_segments(half, receipt.index, footage_leaves(half))
        log.integrate()
        log.publish(log.note())
        log.close()
        return cls(root, ledger, recorded, *_keys(root, ledger))

    @classmethod
    def at(cls, root: Path) -> "Exporting":
        """The city that `build` made there, as another process finds it."""
        ledger, volume = LedgerHouse.at(root / "ledger"), Volume("main", root / "city" / "main", 0)
        recorded = Recorded(root / "city", volume, KeyRing(CityKey(b"k" * 32)))
        return cls(root, ledger, recorded, *_keys(root, ledger))

    @property
    def order(self) -> Order:
        """Everything of both cameras within the window."""
        verifier = str(read_verifier(self.ledger.folder))
        return Order(
            number="1", city="Khujand", ledger=verifier, operator="Firuza", recipient="the court of Khujand",
            case="7/26", window=WINDOW, cameras=tuple(key.camera for key in KEYS), stream=StreamName.MAIN, at_ns=AT_NS,
        )  # fmt: skip

    def export(self, name: str = "export", progress: Callable[[int], None] = lambda _: None, **changes: object) -> Path:
        """Makes an export, from the order to the package."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        order = replace(self.order, **changes)  # type: ignore[arg-type]  # fields by name
        with Catalogue.open(self.recorded.path) as catalogue:
            archive = Archive(catalogue, {"main": self.recorded.volume}, self.recorded.keyring)
            making = Making(self.seal, self.credentials, folder, progress)
            if order.is_redacted:
                made = self._redacted(order, archive, making)
            else:
                made = original.make(order, archive, making)
        words = statement(made, self.seal.certificate)
        pdf = statement_pdf(words, "Export 1 of Khujand", AT_NS)
        documents = {"statement.txt": words.encode(), "statement.pdf": pdf} | (
            {"verify.html": PAGE.read_bytes()} if self.has_page else {}
        )
        digest = finish(made, self.seal, documents)
        log = self.ledger.open()
        facts = export_facts(made.manifest, digest, self.seal.fingerprint)
        (receipt,) = log.append([Draft(Kind.EXPORT, facts)], AT_NS + S)
        log.integrate()
        log.publish(log.note())
        log.close()
        proof = prove(read_published(self.ledger.folder), receipt.index, entries_of(made.manifest))
        return package(made, proof, progress)

    def _redacted(self, order: Order, archive: Archive, making: Making) -> Made:
        reader = ArchiveReader(self.recorded.path, {"main": self.recorded.volume}, self.recorded.keyring)
        store = ModelStore(self.root / "scenes", CityKey(b"k" * 32))
        with closing(reader):
            return redacted.make(order, archive, RedactedFilms(reader, store, lambda _: SETTINGS), making)


def _keys(root: Path, ledger: LedgerHouse) -> tuple[Seal, Credentials]:
    """With what its exports are signed."""
    return (
        open_seal(root, "Khujand", ledger.city_key, AT_NS),
        open_credentials(root, "Khujand", ledger.city_key, AT_NS),
    )
