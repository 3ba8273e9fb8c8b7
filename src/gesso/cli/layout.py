"""A canvas in a terminal: coloured boxes on a grid of letters, and a table of its regions.

Regions are numbered as in the pictures of a layout (`gesso.canvas.preview`): 1 is the farthest away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import Region
from gesso.canvas.sketch import RGB, Rectangle, chip, free_place, ink, mix, named, scaled
from gesso.core.errors import UsageError

__all__ = [
    "draw_layout",
    "in_one_line",
    "numbered",
    "place_of",
    "region_index",
    "region_table",
    "sheet_columns",
]

UNDER: Final = 0.3
"""Share of what lies behind a box in its colour, as in the picture that painting starts from."""

WIDEST, NARROWEST = 64, 24
HEIGHT_TO_WIDTH: Final = 0.5  # a letter is about twice as high as it is wide
AROUND: Final = 4  # lines of a terminal that are left for what stands around a drawing


@dataclass(slots=True)
class _Cell:
    """One place for a letter; the second half of a wide letter holds none."""

    letter: str
    ink: RGB
    paper: RGB


@dataclass(frozen=True, slots=True)
class _Box:
    """A region on the sheet, in cells of letters; right and bottom are just outside."""

    number: int
    region: Region
    left: int
    top: int
    right: int
    bottom: int

    @property
    def edges(self) -> Rectangle:
        """As (left, top, right, bottom)."""
        return self.left, self.top, self.right, self.bottom


def draw_layout(canvas: Canvas, columns: int = WIDEST) -> Text:
    """The layout as text: boxes in the regions' colours, near ones in front, with numbers and names.

    Args:
        canvas: what to show.
        columns: width; the height is half of it, which looks square.
    """
    rows = round(columns * HEIGHT_TO_WIDTH)
    ground = canvas.background.rgb
    sheet = [[_Cell(" ", ink(ground), ground) for _ in range(columns)] for _ in range(rows)]
    boxes = [_on_sheet(number, region, columns, rows) for number, region in numbered(canvas)]
    for box in boxes:
        _lay(sheet, box)
    taken: list[Rectangle] = []
    for box in reversed(boxes):  # near ones choose their places first
        _name(sheet, box, taken)
    return Text("\n").join(map(_line, sheet))


def region_table(canvas: Canvas) -> Table:
    """What a canvas holds, a line for each region, the farthest first; the background is the first line."""
    heads = ["", "what", "place", "area", "depth", "colour"]
    if any(region.subject for region in canvas.regions):
        heads.append("subject")
    table = Table(*heads, box=None, pad_edge=False, header_style="dim")
    ground = canvas.background
    table.add_row(
        "", Text(in_one_line(ground.description)), "everywhere", "", "", _swatch(ground.colour, ground.rgb)
    )
    for number, region in numbered(canvas):
        table.add_row(
            str(number),
            Text(in_one_line(region.description)),
            place_of(region),
            region.area.removeprefix("a ").removesuffix(" area"),
            f"{region.distance_to_viewer:g}",
            _swatch(region.colour, region.rgb),
            *([Text(region.subject or "")] if "subject" in heads else []),
        )
    return table


def numbered(canvas: Canvas) -> tuple[tuple[int, Region], ...]:
    """The regions with their numbers, the farthest first."""
    return tuple(enumerate(canvas.by_depth, 1))


def region_index(canvas: Canvas, number: int) -> int:
    """The place in `Canvas.regions`, from 0, of the region with a number.

    Raises:
        UsageError: there is none.
    """
    count = len(canvas.regions)
    if not 1 <= number <= count:
        allowed = (
            f"give one of 1 to {count}, as `gesso canvas show` draws them" if count else "there are none"
        )
        raise UsageError(f"there is no region {number}; {allowed}")
    # sorted as `Canvas.by_depth` is
    return sorted(range(count), key=lambda index: -canvas.regions[index].distance_to_viewer)[number - 1]


def place_of(region: Region) -> str:
    """Location and offset, in words."""
    return region.location if region.offset == "no offset" else f"{region.location}, {region.offset}"


def sheet_columns(console: Console) -> int:
    """Width of a drawing that a console shows as a whole."""
    high = round((console.height - AROUND) / HEIGHT_TO_WIDTH)
    return max(NARROWEST, min(WIDEST, console.width - 1, high if console.is_terminal else WIDEST))


def in_one_line(text: str) -> str:
    """A text of a canvas, without line breaks and what a terminal would take for a command."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _on_sheet(number: int, region: Region, columns: int, rows: int) -> _Box:
    left, top, right, bottom = (round(edge) for edge in scaled(region.box, (columns, rows)))
    return _Box(number, region, left, top, right, bottom)


def _lay(sheet: list[list[_Cell]], box: _Box) -> None:
    """Lay a box with its edge on the sheet; what lies behind it shines through, its letters do not."""
    rgb = box.region.rgb
    for y in range(box.top, box.bottom):
        for x in range(box.left, box.right):
            paper = mix(rgb, sheet[y][x].paper, UNDER)
            sheet[y][x] = _Cell(_edge(box, x, y), mix(paper, ink(paper), 0.5), paper)


def _edge(box: _Box, x: int, y: int) -> str:
    """The letter of a box's edge at a cell; a blank inside."""
    across = {box.left: 0, box.right - 1: 2}.get(x, 1)
    down = {box.top: 0, box.bottom - 1: 2}.get(y, 1)
    return ("┌─┐", "│ │", "└─┘")[down][across]


def _name(sheet: list[list[_Cell]], box: _Box, taken: list[Rectangle]) -> None:
    """Write number and description into a box, where no other name stands."""
    said = _cut(f" {box.number} {in_one_line(named(box.region))} ", box.right - box.left - 2)
    place = free_place(box.edges, (cell_len(said), 1), 1, taken)
    taken.append(place)
    x, y = int(place[0]), int(place[1])
    letters, paper = ink(box.region.rgb), chip(box.region.rgb)
    for letter in said:
        width = cell_len(letter)
        if not width:  # a mark that belongs to the letter before
            sheet[y][x - 1].letter += letter
            continue
        sheet[y][x : x + width] = [_Cell(part, letters, paper) for part in (letter, "")[:width]]
        x += width


def _cut(text: str, width: int) -> str:
    """As much of a text as has room in this many columns."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 2).rstrip()}… "


def _line(cells: Sequence[_Cell]) -> Text:
    """A line of the sheet, with one style for each run of cells alike."""
    line = Text(no_wrap=True)
    for (letters, paper), run in groupby(cells, key=lambda cell: (cell.ink, cell.paper)):
        style = Style(color=Color.from_rgb(*letters), bgcolor=Color.from_rgb(*paper))
        line.append("".join(cell.letter for cell in run), style)
    return line


def _swatch(name: str, rgb: RGB) -> Text:
    return Text.assemble(("  ", Style(bgcolor=Color.from_rgb(*rgb))), f" {name}")
