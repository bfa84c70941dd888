"""Settings: every mistake at once, each with its place."""

import contextlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.config import (
    DataFolder,
    MaskSettings,
    Settings,
    VolumeSettings,
    WitnessSettings,
    load_settings,
    locate_keys,
    parse_settings,
    render_default,
)
from civicam.core.errors import ConfigError


def parse(text: str, **environment: str) -> Settings:
    return parse_settings(text, "civicam.toml", environment)


def mistakes(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environment)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse("") == Settings()


@pytest.mark.parametrize("city", ["A city", 'Stadt "am" Fluss\\', "Душанбе", "{name}"])
def test_the_file_that_init_writes_says_the_defaults(city: str) -> None:
    settings = parse(render_default(city))
    assert settings.city.name == city
    assert replace(settings, city=Settings().city) == Settings()


def test_the_file_that_init_writes_names_every_setting() -> None:
    named = {path for path in locate_keys(render_default("A city")) if len(path) > 1}
    for optional in (MaskSettings, WitnessSettings):
        assert all(f"# {key} = " in render_default("A city") for key in optional.__dataclass_fields__)
    for section, value in (
        (name, getattr(Settings(), name)) for name in Settings.__dataclass_fields__ if name not in {"mask", "witness"}
    ):
        prefix, table = ((section, 0), value[0]) if isinstance(value, tuple) else ((section,), value)
        for key in table.__dataclass_fields__:
            assert (*prefix, key) in named


def test_every_mistake_is_told_with_its_line_its_value_and_what_is_allowed() -> None:
    text = """\
[recorder]
segment_s = 0
segmnt_s = 30
stall_s = "ten"   # a comment

[[volume]]
name = "a"
path = "x"
[[volume]]
name = "b"
reserve_gb = -1

[retentoin]
days = 30
"""
    found = mistakes(text)
    assert sorted(found) == sorted(
        [
            "civicam.toml:2: recorder.segment_s = 0: must be a whole number from 1 to 3600",
            "civicam.toml:3: recorder.segmnt_s: no such key; did you mean segment_s?",
            "civicam.toml:4: recorder.stall_s = 'ten': must be a number from 1 to 300",
            "civicam.toml:11: volume.reserve_gb = -1: must be a number, 0 or more",
            "civicam.toml:13: retentoin: no such section; did you mean retention?",
        ]
    )


def test_a_file_that_is_not_toml_tells_the_line() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse("[city]\nname = \n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recorder = 3", "civicam.toml:1: recorder = 3: this is a section, written as [recorder]"),
        ("[volume]\nname = 'a'", "civicam.toml:1: volume is written as [[volume]], once for each"),
        ("volume = []", "civicam.toml:1: volume is written as [[volume]], once for each"),
        ("volume = [3]", "civicam.toml:1: volume = 3: this is a section, written as [[volume]]"),
        ("[metrics]\nport = 70000", "civicam.toml:2: metrics.port = 70000: must be a whole number from 0 to 65535"),
        ("[metrics]\nport = true", "civicam.toml:2: metrics.port = True: must be a whole number from 0 to 65535"),
        ("[retention]\ndays = inf", "civicam.toml:2: retention.days = inf: must be a number, 0 or more"),
        ("[city]\nname = ''", "civicam.toml:2: city.name = '': must be text of 1 to 80 characters"),
        (
            "[[volume]]\n[[volume]]\npath = 'elsewhere'",
            "civicam.toml:2: volume.name = 'main': another volume has it already",
        ),
        (
            "[[volume]]\nname = 'a'\npath = 'x'\n[[volume]]\nname = 'b'\npath = './x'",
            "civicam.toml:6: volume.path = './x': another volume has it already",
        ),
        ("[web]\nallow = 'all'", "civicam.toml:2: web.allow = 'all': must be one of nobody, local, people"),
        ("[redaction]\ncover = ''", "civicam.toml:2: redaction.cover = '': must be text, not empty"),
        ("[redaction]\ncover = 'none'", "civicam.toml:2: redaction.cover = 'none': must be one of flat, pixelate"),
        (
            "[[mask]]\ncamera = 'a'\ncorners = '0 0, 1 1'",
            "civicam.toml:3: mask.corners = '0 0, 1 1': must be pairs from 0 to 1, three or more, as 0.1 0.2, 0.4 0",
        ),
        (
            "[[mask]]\ncamera = 'a'\nkind = 'b'\ncorners = '0 0,1 0,1 1'",
            "civicam.toml:3: mask.kind = 'b': must be one of mask, always",
        ),
        ("[[volume]]\nname = '../a'", "civicam.toml:2: volume.name = '../a': use letters, digits, '-' and '_'"),
        (
            "[recorder]\nmax_fragment_mb = 32\nbacklog_mb = 16",
            "civicam.toml:2: recorder.max_fragment_mb = 32: must fit into recorder.backlog_mb = 16",
        ),
    ],
)
def test_a_mistake_is_told(text: str, told: str) -> None:
    assert mistakes(text) == [told]


def test_the_environment_overrides_the_file() -> None:
    settings = parse(
        "[recorder]\nsegment_s = 20\nstall_s = 5",
        CIVICAM_RECORDER__SEGMENT_S="30",
        CIVICAM_CITY__NAME="42",
        CIVICAM_DATA="elsewhere",
        PATH="/bin",
    )
    assert (settings.recorder.segment_s, settings.recorder.stall_s, settings.city.name) == (30, 5, "42")


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    assert mistakes(
        "",
        CIVICAM_RECORDER__SEGMENT_S="soon",
        CIVICAM_RECORDR__STALL_S="5",
        CIVICAM_METRICS__PROT="1",
        CIVICAM_VOLUME__PATH="x",
    ) == [
        "CIVICAM_VOLUME__PATH: volumes are set in the file only",
        "CIVICAM_RECORDR__STALL_S: recordr: no such section; did you mean recorder?",
        "CIVICAM_RECORDER__SEGMENT_S: recorder.segment_s = 'soon': must be a whole number from 1 to 3600",
        "CIVICAM_METRICS__PROT: metrics.prot: no such key; did you mean port?",
    ]


def test_lines_are_found_in_every_way_to_write_a_key() -> None:
    text = """\
top = '''
[not.a.table]
not_a_key = 1
'''
a.b = 1
"quoted key" = 2
inline = { x = 1, y = [1, 2] }
list = [
  1,
]
[table]  # [[no]]
key = "]"
[[array]]
k = 1
[array.inner]
k = 2
[[array]]
k = 3
"""
    lines = locate_keys(text)
    for path, line in {
        ("top",): 1,
        ("a", "b"): 5,
        ("quoted key",): 6,
        ("inline", "y", 1): 7,
        ("list",): 8,
        ("table",): 11,
        ("table", "key"): 12,
        ("array", 0): 13,
        ("array", 0, "k"): 14,
        ("array", 0, "inner", "k"): 16,
        ("array", 1): 17,
        ("array", 1, "k"): 18,
    }.items():
        assert lines[path] == line
    assert ("not", "a", "table") not in lines


@given(st.text(alphabet="[]=\"'\n #.ab1{},", max_size=60))
def test_no_text_escapes_as_anything_but_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text)


def test_a_folder_without_a_city_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="civicam init"):
        load_settings(DataFolder(tmp_path), {})


def test_a_volume_is_relative_to_the_data_folder_unless_absolute() -> None:
    data = DataFolder(Path("/data"))
    assert data.volume_root(VolumeSettings(path="footage")) == Path("/data/footage")
    assert data.volume_root(VolumeSettings(path="/disk2")) == Path("/disk2")


def test_settings_are_there_without_the_validator() -> None:
    code = "import sys, civicam.config; sys.exit(bool({'pydantic', 'typer', 'rich'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_masks_are_read_as_polygons() -> None:
    text = """
[[mask]]
camera = "rudaki-07"
corners = "0.1 0.2, 0.4 0.2, 0.4 0.9"
[[mask]]
camera = "rudaki-08"
corners = "0 0,1 0,1 1,0 1"
kind = "always"
"""
    first, second = parse(text).mask
    assert (first.polygon, first.kind) == (((0.1, 0.2), (0.4, 0.2), (0.4, 0.9)), "mask")
    assert (second.camera, len(second.polygon), second.kind) == ("rudaki-08", 4, "always")
    assert len(mistakes("[[mask]]\ncamera = 'No Name'\ncorners = '0 0,1 0,nan 1'")) == 1
