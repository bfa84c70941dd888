"""Rules of the repository that a reader relies on."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from civicam.cli.commands import build

ROOT = Path(__file__).parent.parent
SOURCE = sorted((ROOT / "src/civicam").rglob("*.py"))
MOST_LINES = 800
CATCH_ALLS = {"utils", "util", "common", "helpers", "helper", "misc", "shared"}

NOT_COMMANDS = {"civicam segment 1"}  # the label that segment keys are derived under

AMBIENT = re.compile(r"(?:time\.(?:time|time_ns|monotonic|monotonic_ns|perf_counter)|datetime\.(?:now|utcnow))")
_RANDOM = {"random", "randint", "uniform", "choice", "choices", "shuffle", "sample", "gauss", "randbytes", "seed"}
COMPOSITION = {"core/clock.py", "app.py", "recorder/worker.py"}
"""May read the machine's clock or make generators without being given them; everything in cli/ too."""

# What gives out media would be listed here together with the decision that allows it.
COMMANDS = {
    "init", "camera add", "camera import", "camera list", "camera describe", "camera place", "camera remove",
    "camera test", "person found", "person list",
    "access explain", "run", "status", "check",
    "footage list", "hold add", "hold list", "hold release", "city", "demo",
    "verify", "ledger verify", "ledger list", "ledger explain", "ledger key", "witness",
}  # fmt: skip
WRITES_A_FILE = {"city": {"--truth", "--list", "--cache"}, "demo": {"--folder"}, "witness": {"FOLDER"}}
"""Options that name a place to write to. None of them writes a camera's footage."""
READS_A_FILE = {
    "verify": {"FILE", "--original"},
    "camera import": {"FILE"},
    "ledger verify": {"--earlier"},
    "city": {"--video", "--scenario"},
}


def ambient_calls(code: str) -> Iterator[str]:
    """Calls that read the machine's clock or its one random generator."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if AMBIENT.fullmatch(called) or (called.startswith("random.") and called[7:] in _RANDOM):
                yield called


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name."""
    commands = getattr(command, "commands", None)
    if commands is None:
        yield path, command
        return
    for name, inner in commands.items():
        yield from leaves(inner, f"{path} {name}".strip())


TREE = dict(leaves(typer.main.get_command(build())))


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")} | {
        "--help",
        "-h",
    }


def shown_commands(text: str) -> Iterator[str]:
    """The `civicam ...` lines of a page: in code blocks, and between backticks."""
    for block in re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"\s*(?:\$ )?(?:sudo -u \S+ )?(?:\S*/)?(civicam\s.*)", line)
            if found:
                yield found[1]
    for line in text.splitlines():
        if line.startswith("    ") and (found := re.match(r"\s+(?:\$ )?(?:\S*/)?(civicam\s.*)", line)):
            yield found[1]
    yield from re.findall(r"`(civicam [^`\n]*)`", text)


def mistakes_in(line: str) -> list[str]:
    """What of a command line typer does not know."""
    if line in NOT_COMMANDS:
        return []
    line = re.split(r"\s{2,}|\s[|<>&;#]", line.strip())[0]
    words = shlex.split(line.replace("…", "").replace("...", ""))[1:]
    if not words or words[0].startswith("-"):
        return [word for word in words if word not in {"--help", "-h"}]
    depth = 2 if " ".join(words[:2]) in TREE else 1
    name = " ".join(words[:depth])
    if name not in TREE:
        is_group = any(known.startswith(f"{name} ") for known in TREE)
        return [] if is_group and len(words) == 1 else [name]
    known = options(TREE[name])
    return [word for word in words[depth:] if word.startswith("--") and word.split("=")[0] not in known]


# --- files ------------------------------------------------------------------------------------------------------------


def test_no_source_file_is_a_fault_long() -> None:
    assert {str(path): n for path in SOURCE if (n := len(path.read_text("utf-8").splitlines())) > MOST_LINES} == {}


def test_no_folder_or_file_is_a_catch_all() -> None:
    parts = {part.removesuffix(".py") for path in SOURCE for part in path.relative_to(ROOT).parts}
    assert not parts & CATCH_ALLS


def test_time_and_chance_are_passed_in() -> None:
    found = {}
    for path in SOURCE:
        name = path.relative_to(ROOT / "src/civicam").as_posix()
        calls = sorted(ambient_calls(path.read_text("utf-8")))
        if calls and name not in COMPOSITION and not name.startswith("cli/"):
            found[name] = calls
    assert found == {}


@pytest.mark.parametrize("code", ["time.time()", "x = time.monotonic_ns() + 1", "random.choice([1])", "datetime.now()"])
def test_an_ambient_call_is_found(code: str) -> None:
    assert list(ambient_calls(code))
    assert not list(ambient_calls("clock.wall_ns(); rng.choice([1]); random.Random(1); time.sleep"))


# --- the command line -------------------------------------------------------------------------------------------------


def test_no_command_hands_out_footage() -> None:
    assert set(TREE) == COMMANDS
    assert any("Path" in str(parameter.type_descriptor.annotation) for parameter in TREE["city"].params)
    for name, command in TREE.items():
        takes_path = {
            parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.opts[0].upper()
            for parameter in command.params
            if "Path" in str(parameter.type_descriptor.annotation)
        }
        allowed = WRITES_A_FILE.get(name, set()) | READS_A_FILE.get(name, set()) | {"--data"}
        assert takes_path <= allowed, name
        words = " ".join(options(command))
        assert not re.search(r"export|output|--out|save|snapshot|still|decrypt|clear|play|dump|mp4|jpe?g", words), name


def test_only_the_check_opens_footage() -> None:
    openers = {"civicam.footage.reader", "civicam.footage.segment", "av"}
    for path in (ROOT / "src/civicam/cli").rglob("*.py"):
        imported = {
            name
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not imported & openers, path


def test_every_command_and_option_explains_itself() -> None:
    for name, command in TREE.items():
        assert command.help, name
        for parameter in command.params:
            if parameter.opts[0].startswith("-") and not getattr(parameter, "hidden", False):
                assert parameter.help, (name, parameter.opts)


def test_scripts_can_read_what_people_read() -> None:
    for name in ("camera list", "camera test", "run", "status", "check", "footage list", "hold list", "city",
                 "verify", "ledger verify", "ledger list", "ledger explain"):  # fmt: skip
        assert "--json" in options(TREE[name]), name


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documents_exist(page: Path) -> None:
    wrong = {line: bad for line in shown_commands(page.read_text("utf-8")) if (bad := mistakes_in(line))}
    assert wrong == {}


def test_commands_in_help_and_messages_exist() -> None:
    wrong = {}
    for path in SOURCE:
        for line in re.findall(r"`(civicam [^`\n{]*)`", path.read_text("utf-8")):
            if bad := mistakes_in(line):
                wrong[f"{path.name}: {line}"] = bad
    for name, command in TREE.items():
        for line in re.findall(r"^ *(?:Example: )?(civicam .*)", command.help, re.MULTILINE):
            if bad := mistakes_in(line):
                wrong[f"{name}: {line}"] = bad
    assert wrong == {}


@pytest.mark.parametrize("line", ["civicam chek", "civicam camera ad x y", "civicam check --fast", "civicam --quick"])
def test_a_wrong_command_is_found(line: str) -> None:
    assert list(shown_commands(f"Try:\n\n    {line}\n")) == list(shown_commands(f"`{line}`")) == [line]
    assert list(shown_commands(f"```sh\n$ .venv/bin/{line}\n```")) == [line]
    assert mistakes_in(line)


@pytest.mark.parametrize(
    "line", ["civicam camera add ID URL --purpose x", "civicam status --json | jq .", "civicam -h"]
)
def test_a_right_command_is_not(line: str) -> None:
    assert mistakes_in(line) == []
