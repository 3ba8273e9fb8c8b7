"""Contact sheets: many scenes on one picture, for looking at them."""

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from gesso.core.errors import UsageError
from gesso.storybook.draw import draw
from gesso.storybook.scene import Scene

__all__ = ["contact_sheet"]

GAP: Final = 6
CAPTION_HEIGHT: Final = 18
PAPER: Final = (255, 255, 255)


def contact_sheet(
    scenes: Sequence[Scene], columns: int, size: int, captions: Sequence[str] | None = None
) -> Image.Image:
    """Paint the scenes row by row on white paper, each with its caption below.

    Args:
        scenes: what to paint, at least one.
        columns: pictures a row.
        size: side of each picture in pixels.
        captions: one line for each scene, cut to the width of its picture; None leaves no room for them.
    """
    if not scenes or columns < 1:
        raise UsageError(f"{len(scenes)} scenes in {columns} columns; a sheet needs one of each at least")
    if captions is not None and len(captions) != len(scenes):
        raise UsageError(f"{len(captions)} captions for {len(scenes)} scenes; give one for each")
    across = min(columns, len(scenes))
    cell = size + GAP, size + GAP + CAPTION_HEIGHT * (captions is not None)
    # rounded up
    rows = -(-len(scenes) // columns)
    sheet = Image.new("RGB", (across * cell[0] + GAP, rows * cell[1] + GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for i, scene in enumerate(scenes):
        x, y = GAP + i % columns * cell[0], GAP + i // columns * cell[1]
        sheet.paste(draw(scene, size), (x, y))
        if captions is not None:
            pen.text((x, y + size + 2), _cut(captions[i], font, size), (50, 46, 60), font)
    return sheet


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, shortened with dots until it is no wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
