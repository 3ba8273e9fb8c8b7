"""Paints docs/images/painting.png, the README's picture: wishes, their canvases, pictures, and changes in words.

Run: python docs/images/painting.py
"""

from pathlib import Path
from textwrap import wrap
from typing import Final

from PIL import Image, ImageDraw, ImageFont

import gesso
from gesso.canvas.preview import preview

WISHES: Final = (
    ("a red fish left of a yellow boat in the sea", "make the fish blue", 1),
    ("a large green tree, a small orange cat and a purple house on a meadow", "make the house white", 2),
)
"""A wish, a change of it, and the seed."""

SIDE, GAP, HEAD = 320, 16, 52  # pixels; shown at half that, so that it is sharp on every screen
INK, PAPER = (50, 46, 60), (255, 255, 255)


def main() -> None:
    planner, painter = gesso.load("mini-omost"), gesso.load("mini-sdxl")
    cells: list[tuple[str, Image.Image]] = []
    for wish, change, seed in WISHES:
        plan = planner.plan(wish)
        (painting,) = painter.paint(plan.canvas, seed=seed)
        changed = planner.plan(change, canvas=plan.canvas)
        repainted = painter.repaint(painting, canvas=changed.canvas)
        cells += [
            (f"“{wish}”", preview(plan.canvas, (SIDE, SIDE))),
            ("painted region by region", painting.image),
            (f"“{change}”", repainted.image),
        ]
    sheet(cells).save(Path(__file__).with_suffix(".png"), optimize=True)


def sheet(cells: list[tuple[str, Image.Image]]) -> Image.Image:
    """All cells in one row, each with its caption above it."""
    page = Image.new("RGB", (len(cells) * (SIDE + GAP) - GAP, SIDE + HEAD), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(20)
    for number, (caption, picture) in enumerate(cells):
        x = number * (SIDE + GAP)
        pen.multiline_text((x, 0), "\n".join(wrap(caption, 32)[:2]), INK, font)
        page.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, HEAD))
    return page


if __name__ == "__main__":
    main()
