"""Still pictures of the simulator's scenes, for the documentation."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from civicam.city.conditions import DAY, NIGHT, Conditions
from civicam.city.draw import Renderer
from civicam.city.scene_kinds import KINDS


def still(kind: str, conditions: Conditions, seed: int, *, width: int = 640, height: int = 360) -> Image.Image:
    """Returns a picture from the middle of a 30 second loop.

    Raises:
        CityError: there is no such kind of scene.
    """
    renderer = Renderer(kind, seed, width=width, height=height, fps=15, frames=450, conditions=conditions)
    return Image.fromarray(renderer.frame(225).picture.frame().to_ndarray(format="rgb24"))


def save_contact_sheet(path: Path, seed: int = 5) -> None:
    """Writes every kind of scene, by day and by night, as one PNG of 256 colours under 400 kB.

    The sensor's noise is left out: it is what a PNG of a small picture would mostly hold.
    """
    width, height, gap = 432, 243, 4
    sheet = Image.new("RGB", (2 * width + gap, len(KINDS) * (height + gap) - gap), "white")
    for row, kind in enumerate(KINDS):
        for column, conditions in enumerate((DAY, NIGHT)):
            picture = still(kind, replace(conditions, noise=0.4), seed, width=1280, height=720)
            small = picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * (width + gap), row * (height + gap)))
    sheet.quantize(256).save(path, optimize=True)
