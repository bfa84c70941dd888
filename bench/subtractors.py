"""MOG2 and KNN for comparison, in a process and an environment of their own.

Run as a script, this is the process: it needs NumPy and the library, and nothing of civicam's.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from civicam.redaction.picture import Picture

_LIBRARY = "opencv-python-headless"
_WIDTH = 320


def _command(*arguments: str) -> list[str]:
    uv = shutil.which("uv") or ".tools/bin/uv"
    return [uv, "run", "--no-project", "--with", _LIBRARY, "--with", "numpy", "python", *arguments]


def is_available() -> bool:
    """The environment can be made."""
    try:
        return subprocess.run(_command("-c", "import cv2"), capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Subtractor:
    """One of them with its defaults, at 320 pixels wide.

    Args:
        name: `MOG2` or `KNN`.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            _command(str(Path(__file__)), self._name), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def apply(self, picture: "Picture") -> NDArray[np.bool_]:
        """Which pixels it calls foreground."""
        width, height = picture.size
        step = max(1, width // _WIDTH)
        rows, columns = height // step, width // step
        luma = picture.y[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
        planes = [luma, *(self._chroma(plane, step, (rows, columns)) for plane in (picture.u, picture.v))]
        sent = np.stack(planes, axis=-1).astype(np.uint8)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(np.array([rows, columns], "<u4").tobytes() + sent.tobytes())
        process.stdin.flush()
        mask = np.frombuffer(process.stdout.read(rows * columns), np.uint8).reshape(rows, columns) != 0
        whole = np.zeros((height, width), np.bool_)
        whole[: rows * step, : columns * step] = np.repeat(np.repeat(mask, step, 0), step, 1)
        return whole

    @staticmethod
    def _chroma(plane: NDArray[np.uint8], step: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        full = np.repeat(np.repeat(plane, 2, 0), 2, 1)
        return full[: shape[0] * step : step, : shape[1] * step : step]


def _serve(name: str) -> None:
    import cv2  # type: ignore[import-not-found]  # noqa: PLC0415 - only the comparison's own environment has it

    makers = {"MOG2": cv2.createBackgroundSubtractorMOG2, "KNN": cv2.createBackgroundSubtractorKNN}
    subtractor = makers[name](detectShadows=False)
    read, write = sys.stdin.buffer, sys.stdout.buffer
    while len(head := read.read(8)) == 8:
        rows, columns = np.frombuffer(head, "<u4")
        picture = np.frombuffer(read.read(int(rows) * int(columns) * 3), np.uint8).reshape(rows, columns, 3)
        write.write(subtractor.apply(picture).tobytes())
        write.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
