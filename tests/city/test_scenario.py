"""Scenario files: what they may say, and what is said about mistakes."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.city.faults import KINDS, Drop, Off, Switch
from civicam.city.scenario import load_scenario, parse_scenario
from civicam.core.errors import CityError

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "scenario.md"


def mistakes(text: str) -> str:
    with pytest.raises(CityError) as caught:
        parse_scenario(text, name="s.toml")
    assert caught.value.where == "s.toml"
    return caught.value.what


def test_the_guides_example_is_one() -> None:
    text = GUIDE.read_text()
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example
    drop, loss, switch, late = parse_scenario(example[1]).faults
    assert drop.fault == Drop(duration_s=5)
    assert (drop.at_s, drop.every_s, drop.times, drop.spread_s) == (30, 120, 10, 3)
    assert drop.cameras == ["north-*", "bridge-0[1-4]"]
    assert (loss.cameras, loss.at_s) == (["cam-007"], 12.5)
    assert switch.fault == Switch(stream="crossroads-night-1080p", duration_s=20)
    assert late.fault == Off(duration_s=90)


def test_the_guide_names_every_kind() -> None:
    kinds = {kind.model_fields["kind"].default for kind in KINDS}
    assert kinds == set(
        re.findall(
            r"^\| `([a-z-]+)` \|",
            GUIDE.read_text().partition("| --- ")[2].partition("## What")[2].partition("| --- ")[2],
            re.MULTILINE,
        )
    )


def test_an_empty_scenario_is_a_quiet_city() -> None:
    assert parse_scenario("").faults == ()


def test_every_mistake_is_named_with_its_line() -> None:
    found = mistakes(
        """
title = "x"

[[fault]]
cameras = []
at_s = -1
kind = "drop"

[[fault]]
cameras = "cam-1"
at_s = 1
kind = "los"

[[fault]]
cameras = "cam-1"
kind = "loss"
rate = 1.5
"""
    ).split("; ")
    assert found[0] == "line 2: `title` is unknown"
    assert found[1].startswith("fault 1, line 5: `cameras`")
    assert found[2].startswith("fault 1, line 6: `at_s`")
    assert found[3].startswith("fault 2, line 12: `kind`")
    assert "'clock-jump'" in found[3]
    assert found[4] == "fault 3, line 14: `at_s` is missing"
    assert found[5].startswith("fault 3, line 17: `rate`")
    assert len(found) == 6


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("at_s = 1", "`kind` is missing"),
        ("at_s = 1\nkind = 'reboot'", "`duration_s` is missing"),
        ("at_s = 1\nkind = 'switch'", "`stream` is missing"),
        ("at_s = '1'\nkind = 'drop'", "`at_s`"),
        ("at_s = nan\nkind = 'drop'", "`at_s`"),
        ("at_s = inf\nkind = 'drop'", "`at_s`"),
        ("at_s = 1\nkind = 'drop'\nreset = 1", "`reset`"),
        ("at_s = 1\nkind = 'drop'\nrate = 0.5", "`rate` is unknown here"),
        ("at_s = 1\nkind = 'drop'\ntimes = 3", "`times` needs `every_s`"),
        ("at_s = 1\nkind = 'drop'\nevery_s = 0", "`every_s`"),
        ("at_s = 1\nkind = ['drop']", "`kind`"),
    ],
)
def test_a_mistake_in_an_entry_is_named(lines: str, said: str) -> None:
    assert said in mistakes(f"[[fault]]\ncameras = 'cam-1'\n{lines}\n")


@pytest.mark.parametrize("text", ["fault = 3", "fault = [1]", "[fault]\nkind = 'drop'", "x = [", "x = " + "[" * 5000])
def test_a_file_of_another_shape_is_refused(text: str) -> None:
    assert mistakes(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CityError, match=r"nowhere\.toml: the scenario cannot be read"):
        load_scenario(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(CityError, match="byte 5 is not UTF-8"):
        load_scenario(tmp_path / "latin.toml")
    good = tmp_path / "good.toml"
    good.write_text("[[fault]]\ncameras = '*'\nat_s = 0\nkind = 'off'\n")
    assert load_scenario(good).name == str(good)


VALUES = st.one_of(
    st.integers(), st.floats().map(lambda value: f"{value:.3f}"), st.booleans().map(lambda value: str(value).lower()),
    st.sampled_from([*(f"'{kind.model_fields['kind'].default}'" for kind in KINDS), "'cam-*'", "[]", "['a']", "''"]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["cameras", "at_s", "kind", "duration_s", "every_s", "times", "spread_s", "rate", "count", "stream", "x"]
)


@given(st.lists(st.dictionaries(KEYS, VALUES), max_size=4))
def test_any_entries_are_a_scenario_or_a_clear_error(entries: list[dict[str, object]]) -> None:
    text = "".join("[[fault]]\n" + "".join(f"{key} = {value}\n" for key, value in entry.items()) for entry in entries)
    with contextlib.suppress(CityError):
        assert len(parse_scenario(text).faults) == len(entries)


@given(st.text() | st.text(alphabet="[]fault='\n=1{},.\"#"))
def test_any_text_is_a_scenario_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(CityError):
        parse_scenario(text)
