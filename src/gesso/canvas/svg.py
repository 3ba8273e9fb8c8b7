"""A preview of a canvas as SVG, which any browser shows; texts of a canvas are only ever text in it."""

from collections.abc import Iterator
from typing import Final
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import Region
from gesso.canvas.sketch import RGB, Rectangle, Shape, chip, free_place, ink, mix, named, shapes

__all__ = ["preview_svg"]

OPACITY: Final = 0.73
NARROW, WIDE = 0.54, 1.0  # width of a letter, in heights of the font; a browser's own font is not known here


def preview_svg(canvas: Canvas, size: tuple[int, int] = (512, 512)) -> str:
    """An SVG document of the layout: boxes in the regions' colours, near ones in front, with names.

    Each box has its number in the canvas (`data-region`, counted from 0) and all its texts as a tooltip.

    Args:
        canvas: what to show.
        size: width and height in pixels.

    Raises:
        CanvasError: a side is too small or too large.
    """
    return "\n".join(_lines(canvas, size)) + "\n"


def _lines(canvas: Canvas, size: tuple[int, int]) -> Iterator[str]:
    width, height = size
    unit, ground = min(size) / 100, canvas.background
    marks = shapes(canvas, size)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="{3.1 * unit:.2f}">'
    )
    yield f'<rect width="{width}" height="{height}" fill="{_hex(ground.rgb)}"/>'
    for shape in marks:
        yield _box(shape, unit)
    taken: list[Rectangle] = []
    said = _cut(ground.description, width - 8 * unit, unit)
    corner = (1.5 * unit, height - 6.3 * unit, _extent(said, unit), 4.8 * unit)
    yield _chip(said, corner, ground.rgb, unit)
    taken.append(corner)
    for shape in reversed(marks):  # near ones choose their places first
        text = f"{shape.number} · {named(shape.region)}"
        said = _cut(text, shape.box[2] - shape.box[0] - 6 * unit, unit)
        place = free_place(shape.box, (_extent(said, unit), 4.8 * unit), 1.5 * unit, taken)
        yield _chip(said, place, shape.region.rgb, unit)
        taken.append(place)
    yield "</svg>"


def _box(shape: Shape, unit: float) -> str:
    left, top, right, bottom = shape.box
    rgb = shape.region.rgb
    return (
        f'<rect data-region="{shape.index}" x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" '
        f'height="{bottom - top:.2f}" rx="{2.2 * unit:.2f}" fill="{_hex(rgb)}" fill-opacity="{OPACITY}" '
        f'stroke="{_hex(mix(rgb, ink(rgb), 0.25))}" stroke-width="{0.4 * unit:.2f}">'
        f"<title>{_text(_told(shape.region))}</title></rect>"
    )


def _chip(text: str, place: Rectangle, rgb: RGB, unit: float) -> str:
    x, y, width, height = place
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" rx="{height / 2:.2f}" '
        f'fill="{_hex(chip(rgb))}"/>'
        f'<text x="{x + 1.5 * unit:.2f}" y="{y + 0.66 * height:.2f}" fill="{_hex(ink(rgb))}">'
        f"{_text(text)}</text>"
    )


def _told(region: Region) -> str:
    """All that a region says, a line for each text."""
    where = f"{region.location}, {region.offset}, {region.area}, distance {region.distance_to_viewer}"
    marks = (region.tags, region.atmosphere, region.style, region.quality_meta, region.colour)
    subject = "" if region.subject is None else f"subject {region.subject}"
    texts = (region.description, where, subject, *region.detailed_descriptions, *marks)
    return "\n".join(text for text in texts if text)


def _extent(text: str, unit: float) -> float:
    """Width of a chip with a text, about."""
    letters = sum(WIDE if east_asian_width(letter) in "WF" else NARROW for letter in text)
    return 3.1 * unit * letters + 3 * unit


def _cut(text: str, width: float, unit: float) -> str:
    """As much of a text, on one line, as a chip in this width can hold."""
    line = " ".join(text.split())[:200]
    if _extent(line, unit) <= width:
        return line
    while len(line) > 1 and _extent(line + "…", unit) > width:
        line = line[:-1]
    return line.rstrip(" ,.") + "…"


def _text(text: str) -> str:
    """Escaped, and without the control characters that XML 1.0 cannot hold."""
    return escape("".join(letter for letter in text if letter in "\t\n" or _is_xml(letter)))


def _is_xml(letter: str) -> bool:
    return letter >= " " and letter not in "\ufffe\uffff" and not "\ud800" <= letter <= "\udfff"


def _hex(rgb: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
