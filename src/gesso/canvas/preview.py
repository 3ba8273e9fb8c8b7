"""A preview of a canvas as a picture: soft boxes in the regions' colours, near ones in front, with names."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from gesso.canvas.canvas import Canvas
from gesso.canvas.sketch import DARK, RGB, Rectangle, Shape, chip, free_place, ink, mix, named, shapes
from gesso.core.errors import MediaError

__all__ = ["preview"]

FINE: Final = 2  # everything is drawn at twice the size, so that edges are smooth
OPACITY: Final = 185  # of a box, 0..255
UNKNOWN: Final = "\U0010ffff"  # no font has a picture of it

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def preview(canvas: Canvas, size: tuple[int, int] = (512, 512), font: Path | None = None) -> Image.Image:
    """An RGB picture of the layout.

    Args:
        canvas: what to show.
        size: width and height in pixels; boxes are stretched to it, as they are in painting.
        font: a TrueType or OpenType file; Pillow's own font has no Chinese. A name that the font cannot
            write is replaced by the region's location.

    Raises:
        CanvasError: a side is too small or too large.
        MediaError: the font cannot be read.
    """
    marks = shapes(canvas, (size[0] * FINE, size[1] * FINE))
    picture = Image.new("RGB", (size[0] * FINE, size[1] * FINE), canvas.background.rgb)
    for shape in marks:
        _lay(picture, shape)
    unit = min(picture.size) / 100
    letters, numbers = _font(font, round(3.1 * unit)), _font(None, round(2.7 * unit))
    pen = _Pen(ImageDraw.Draw(picture), letters, numbers, unit, [])
    pen.caption(canvas.background.description, canvas.background.rgb, picture.size)
    for shape in reversed(marks):  # near ones choose their places first
        pen.name(shape)
    return picture.resize(size, Image.Resampling.BOX)


def _lay(picture: Image.Image, shape: Shape) -> None:
    """Lay a box with a soft shadow on the picture."""
    unit = min(picture.size) / 100
    left, top, right, bottom = (round(edge) for edge in shape.box)
    margin = round(3 * unit)
    size = right - left + 2 * margin, bottom - top + 2 * margin
    inner = margin, margin, size[0] - margin - 1, size[1] - margin - 1
    form = Image.new("L", size)
    ImageDraw.Draw(form).rounded_rectangle(inner, 2.2 * unit, fill=255)
    shadow = form.filter(ImageFilter.GaussianBlur(1.1 * unit)).point(lambda value: value * 0.28)
    corner = left - margin, top - margin
    picture.paste(DARK, corner, shadow)
    picture.paste(shape.region.rgb, corner, form.point(lambda value: value * OPACITY // 255))
    edge = Image.new("L", size)
    ImageDraw.Draw(edge).rounded_rectangle(inner, 2.2 * unit, outline=255, width=max(2, round(0.45 * unit)))
    picture.paste(mix(shape.region.rgb, ink(shape.region.rgb), 0.25), corner, edge)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Writes names on chips that keep clear of one another.

    Attributes:
        draw: of the picture.
        font: of the names.
        small: of the numbers.
        unit: a hundredth of the picture's shorter side, in pixels.
        taken: the chips so far.
    """

    draw: ImageDraw.ImageDraw
    font: Font
    small: Font
    unit: float
    taken: list[Rectangle]

    @property
    def height(self) -> float:
        """Of a chip, in pixels."""
        return 4.8 * self.unit

    def caption(self, text: str, rgb: RGB, size: tuple[int, int]) -> None:
        """Say in the lower left corner what the whole picture shows."""
        said = self._cut(text, size[0] - 8 * self.unit) if _writable(text, self.font) else "background"
        width = self._extent(said)
        self._chip(said, (1.5 * self.unit, size[1] - self.height - 1.5 * self.unit, width, self.height), rgb)

    def name(self, shape: Shape) -> None:
        """Write number and description into the box, where no other name stands."""
        region, badge = shape.region, self.height
        text = named(region)
        if not _writable(text, self.font):
            text = named(replace(region, description=region.location))
        said = self._cut(text, shape.box[2] - shape.box[0] - badge - 4 * self.unit)
        width = self._extent(said) + badge - self.unit
        place = free_place(shape.box, (width, self.height), 1.5 * self.unit, self.taken)
        self._chip(said, place, region.rgb, str(shape.number))

    def _extent(self, text: str) -> float:
        """Width of a chip with a text."""
        left, _, right, _ = self.font.getbbox(text)
        return right - left + 3 * self.unit

    def _cut(self, text: str, width: float) -> str:
        """As much of a text, on one line, as a chip in this width can hold."""
        line = " ".join(text.split())[:200]
        if self._extent(line) <= width:
            return line
        while len(line) > 1 and self._extent(line + "…") > width:
            line = line[:-1]
        return line.rstrip(" ,.") + "…"

    def _chip(self, text: str, place: Rectangle, rgb: RGB, number: str = "") -> None:
        x, y, width, height = place
        letters, paper = ink(rgb), chip(rgb)
        self.taken.append(place)
        self.draw.rounded_rectangle((x, y, x + width, y + height), height / 2, fill=paper)
        middle = y + height / 2
        if number:
            edge = 0.16 * height
            self.draw.ellipse((x + edge, y + edge, x + height - edge, y + height - edge), fill=letters)
            self.draw.text((x + height / 2, middle), number, fill=paper, font=self.small, anchor="mm")
        right = x + width - 1.5 * self.unit
        self.draw.text((right, middle), text, fill=letters, font=self.font, anchor="rm")


@lru_cache(maxsize=8)
def _font(path: Path | None, height: int) -> Font:
    if path is None:
        return ImageFont.load_default(height)
    try:
        return ImageFont.truetype(path, height)
    except OSError as error:
        raise MediaError(f"{path} cannot be read as a font: {error}; give a .ttf or .otf file") from error


def _writable(text: str, font: Font) -> bool:
    """Whether a font has a picture of every letter; else it writes the same empty box for each."""
    box = bytes(font.getmask(UNKNOWN))
    return all(bytes(font.getmask(letter)) != box for letter in set(text) if not letter.isspace())
