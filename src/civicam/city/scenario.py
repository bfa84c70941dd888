"""A scenario: which cameras fail, when and how, from a TOML file.

    [[fault]]
    cameras = ["cam-0*"]      # ids, or patterns with * ? [ ]
    at_s = 10                 # seconds after the city started
    kind = "drop"             # what happens: see `faults.py`; its own settings stand beside it
    duration_s = 5
    every_s = 60              # again every minute; `times` says how often in all
    spread_s = 2              # each camera begins up to this much later, by chance

docs/guide/scenario.md lists every kind and setting.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from civicam.city.faults import Fault
from civicam.core.errors import CityError

MAX_FILE_BYTES = 4 * 1024 * 1024

_TIMING = ("cameras", "at_s", "every_s", "times", "spread_s")
_FIX = "see docs/guide/scenario.md"

Seconds = Annotated[float, Field(ge=0, le=1e7)]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class Planned(BaseModel):
    """One entry of a scenario.

    Attributes:
        cameras: ids or patterns (`fnmatch`).
        at_s: when it begins, seconds after the server's start.
        fault: what happens.
        every_s: the time between two beginnings; None for once.
        times: how often in all; None for without end, where `every_s` is given.
        spread_s: each camera begins up to this much later, by chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    cameras: Annotated[list[Pattern], Field(min_length=1)]
    at_s: Seconds
    fault: Annotated[Fault, Field(discriminator="kind")]
    every_s: Annotated[float, Field(gt=0, le=1e7)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    spread_s: Seconds = 0

    @model_validator(mode="after")
    def _times_need_a_period(self) -> "Planned":
        if self.times is not None and self.every_s is None:
            raise ValueError("`times` needs `every_s`")
        return self


class Scenario(BaseModel):
    """What goes wrong in a city, and when.

    Attributes:
        faults: in the file's order.
        name: the file, for messages.
    """

    model_config = ConfigDict(frozen=True)

    faults: tuple[Planned, ...] = ()
    name: str = "scenario"


def load_scenario(path: Path) -> Scenario:
    """Reads the scenario at `path`.

    Raises:
        CityError: it cannot be read, or holds mistakes: each one is named with its line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise CityError(f"the scenario cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise CityError(f"byte {error.start} is not UTF-8", where=str(path), fix="save it as UTF-8") from None
    if len(data) > MAX_FILE_BYTES:
        raise CityError(f"a scenario has at most {MAX_FILE_BYTES} bytes", where=str(path), fix=_FIX)
    return parse_scenario(text, name=str(path))


def parse_scenario(text: str, name: str = "scenario") -> Scenario:
    """Returns the scenario that `text` holds.

    Args:
        text: TOML.
        name: the file, for messages.

    Raises:
        CityError: `text` holds mistakes: all are named, each with its line.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number with thousands of digits
        raise CityError(f"not TOML: {error}", where=name, fix=_FIX) from None
    lines = _Lines(text)
    mistakes = [f"line {lines.of_key(key)}: `{key}` is unknown" for key in table if key != "fault"]
    entries = table.get("fault", [])
    if not isinstance(entries, list):
        mistakes.append("`fault` is a list of tables: write [[fault]]")
        entries = []
    planned = []
    for number, entry in enumerate(entries):
        try:
            planned.append(_plan(entry))
        except ValidationError as error:
            mistakes += [
                f"{lines.of_entry(number, _key(found))}{_words(found)}" for found in error.errors(include_url=False)
            ]
        except CityError as error:
            mistakes.append(f"{lines.of_entry(number, '')}{error.what}")
    if mistakes:
        raise CityError("; ".join(mistakes), where=name, fix=_FIX)
    return Scenario(faults=tuple(planned), name=name)


def _plan(entry: Any) -> Planned:
    if not isinstance(entry, dict):
        raise CityError("not a table: write [[fault]]")
    timing = {key: value for key, value in entry.items() if key in _TIMING}
    if isinstance(timing.get("cameras"), str):
        timing["cameras"] = [timing["cameras"]]
    rest = {key: value for key, value in entry.items() if key not in _TIMING}
    return Planned.model_validate({**timing, "fault": rest})


def _key(found: Any) -> str:
    """The setting that a validation error is about; empty when it is about the whole entry."""
    # `fault` and the kind are steps of the model that the file does not have.
    steps = [step for step in found["loc"] if isinstance(step, str)]
    if steps[:1] == ["fault"]:
        return steps[2] if len(steps) > 2 else "kind"
    return steps[0] if steps else ""


def _words(found: Any) -> str:
    key = _key(found)
    if found["type"] == "missing":
        return f"`{key}` is missing"
    if found["type"] == "extra_forbidden":
        return f"`{key}` is unknown here"
    if found["type"] == "union_tag_not_found":
        return "`kind` is missing"
    what = str(found["msg"]).removeprefix("Value error, ")
    what = what.replace("'kind' ", "")
    return f"`{key}`: {what}" if key else what


class _Lines:
    """Finds where in a file a setting stands: tomllib does not say."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        header = re.compile(r"\s*\[\[\s*[\"']?fault[\"']?\s*\]\]")
        self._heads = [number for number, line in enumerate(self._lines) if header.match(line)]

    def of_key(self, key: str) -> str:
        return self._find(key, 0, len(self._lines)) or "?"

    def of_entry(self, number: int, key: str) -> str:
        """`fault 2, line 14: `, as exactly as it can be told."""
        if number >= len(self._heads):
            return f"fault {number + 1}: "
        start = self._heads[number]
        end = self._heads[number + 1] if number + 1 < len(self._heads) else len(self._lines)
        line = self._find(key, start, end) if key else None
        return f"fault {number + 1}, line {line or start + 1}: "

    def _find(self, key: str, start: int, end: int) -> str | None:
        pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\].=]")
        return next((str(at + 1) for at in range(start, end) if pattern.match(self._lines[at])), None)
