"""A ledger in a folder, with people."""

from dataclasses import dataclass
from pathlib import Path

from civicam.core.citykey import KEY_BYTES, CityKey
from civicam.ledger.entry import Draft, Kind, Part, PersonId
from civicam.ledger.log import LedgerFolder, Log, create_log
from civicam.ledger.people_keys import new_person_id

ORIGIN = "ledger.city.example"
NOON_NS = 1_772_366_400_000_000_000


@dataclass
class LedgerHouse:
    """A ledger's folder, its city's key, and how to open it."""

    folder: LedgerFolder
    city_key: CityKey

    @classmethod
    def at(cls, root: Path) -> "LedgerHouse":
        return cls(LedgerFolder(root), CityKey(bytes(range(KEY_BYTES))))

    @classmethod
    def build(cls, root: Path) -> "LedgerHouse":
        house = cls.at(root)
        create_log(house.folder, ORIGIN, house.city_key)
        return house

    def open(self) -> Log:
        return Log(self.folder, self.city_key)

    def person(self, log: Log) -> PersonId:
        person = new_person_id()
        log.keys.create(person)
        return person

    def with_entries(self, count: int, at_once: int = 100) -> Log:
        """A log with that many entries in its tiles."""
        log = self.open()
        for first in range(0, count, at_once):
            log.append(drafts(min(at_once, count - first), first), NOON_NS + first)
        log.integrate()
        return log


def draft(number: int = 0, person: PersonId | None = None, **facts: str) -> Draft:
    parts = {} if person is None else {"viewer": Part(person, {"name": "Nilufar Karimova", **facts})}
    return Draft(Kind.VIEW, {"camera": "gate-1", "number": number, "media": "redacted"}, parts)


def drafts(count: int, first: int = 0) -> list[Draft]:
    return [draft(first + number) for number in range(count)]
