"""Paints docs/images/painting.png, the README's picture: wishes, canvases, pictures, and changes in words.

Run: python docs/images/painting.py
"""

from pathlib import Path
from textwrap import wrap
from typing import Final

from PIL import Image, ImageDraw, ImageFont

import gesso
from gesso.canvas.preview import preview

WISH: Final = (
    "a large green tree on the left, a medium orange cat in the center "
    "and a large purple house on the right, on a meadow"
)
CHANGE: Final = "make the cat blue"
OTHERS: Final = (
    "a large red fish on the left and a yellow boat on the right, in the sea",
    "a large red rocket on the right, a yellow robot in the center and a large blue balloon on the left, "
    "at night",
    "a large turquoise umbrella at the top left, a red ball in the center, an orange hat on the right, "
    "at the beach",
)
SEED: Final = 1

SIDE, GAP, HEAD = 256, 16, 98  # pixels; shown smaller, so that it is sharp on every screen
INK, PAPER = (50, 46, 60), (255, 255, 255)


def main() -> None:
    planner, painter = gesso.load("mini-omost"), gesso.load("mini-sdxl")
    plan = planner.plan(WISH)
    (painting,) = painter.paint(plan.canvas, seed=SEED)
    changed = painter.repaint(painting, canvas=planner.plan(CHANGE, canvas=plan.canvas).canvas)
    cells = [
        (WISH, preview(plan.canvas, (SIDE, SIDE))),
        ("painted region by region", painting.image),
        (CHANGE, changed.image),
    ]
    for wish in OTHERS:
        (other,) = painter.paint(planner.plan(wish).canvas, seed=SEED)
        cells.append((wish, other.image))
    sheet(cells).save(Path(__file__).with_suffix(".png"), optimize=True)


def sheet(cells: list[tuple[str, Image.Image]]) -> Image.Image:
    """All cells in one row, each with its caption above it."""
    page = Image.new("RGB", (len(cells) * (SIDE + GAP) - GAP, SIDE + HEAD), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, (caption, picture) in enumerate(cells):
        x = number * (SIDE + GAP)
        pen.multiline_text((x, 0), "\n".join(wrap(caption, 30)), INK, font)
        page.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, HEAD))
    return page


if __name__ == "__main__":
    main()
