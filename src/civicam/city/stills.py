"""Still pictures of the simulator's scenes, for the documentation."""

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
    image: Image.Image = renderer.frame(225).picture.frame().to_image()
    return image


def save_contact_sheet(path: Path, seed: int = 5) -> None:
    """Writes every kind of scene, by day and by night, as one PNG of 256 colours."""
    size = (640, 360)
    sheet = Image.new("RGB", (2 * size[0] + 4, len(KINDS) * (size[1] + 4) - 4), "white")
    for row, kind in enumerate(KINDS):
        for column, conditions in enumerate((DAY, NIGHT)):
            sheet.paste(still(kind, conditions, seed), (column * (size[0] + 4), row * (size[1] + 4)))
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
