"""`gesso canvas`: look at canvases, check them, compare them, and change them by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gesso.canvas import edit
from gesso.canvas.canvas import Canvas
from gesso.canvas.diff import diff
from gesso.canvas.parts import Region
from gesso.cli.layout import draw_layout, region_index, region_table, sheet_columns
from gesso.cli.options import with_settings
from gesso.cli.output import fail, note, out, say
from gesso.core.errors import CanvasError, UsageError
from gesso.engines.canvas_files import (
    STANDARD_INPUT,
    canvas_json,
    check_canvas_path,
    read_canvas_file,
    reading_of,
    write_canvas,
)
from gesso.engines.canvas_subjects import subject_problems

__all__ = ["app", "check_command", "diff_command", "edit_command", "show_command"]

NO_OFFSET: Final = "no offset"
NEEDED: Final = ("location", "area", "distance_to_viewer", "colour", "description")
"""What a new region cannot do without."""

PLACED: Final = frozenset({"location", "offset", "area", "distance_to_viewer", "colour", "subject"})
"""Fields of a region that are no texts."""

app = typer.Typer(
    help="Show, check, compare and change canvases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[
    str, typer.Argument(metavar="FILE", help='Program, reply, JSON or painted PNG; "-" is standard input.')
]
Outs = Annotated[
    list[Path] | None, typer.Option("--out", help="Write it, too: .json, .py, or a layout as .png or .svg.")
]
Json = Annotated[bool, typer.Option("--json/--source", help="Print JSON, or the canvas program.")]


@app.command("show")
def show_command(file: File, outs: Outs = None) -> None:
    """Draw the layout, and list the regions, the farthest first."""
    for path in outs or ():
        check_canvas_path(path)
    canvas = read_canvas_file(file)
    out.print(draw_layout(canvas, sheet_columns(out)))
    out.print(region_table(canvas))
    _write(canvas, outs)


@app.command("check")
def check_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help='Programs, replies, JSON; "-" is standard input.'),
    ],
    published: Annotated[
        bool,
        typer.Option("--published", help="Read by the rules of Omost's own code alone."),
    ] = False,
) -> None:
    """Say whether files hold canvases, what was corrected, and which subjects are missing beside them.

    The exit code is 1 if a file holds no canvas, or one with a subject that cannot be painted.
    """
    _require_one_input(files)
    found = [_checked(file, published) for file in files]
    if not all(found):
        raise typer.Exit(1)


@app.command("diff")
def diff_command(old: File, new: File) -> None:
    """Say what changed from one canvas to another: + added, - removed, > moved, ~ changed."""
    _require_one_input([old, new])
    say(str(diff(read_canvas_file(old), read_canvas_file(new))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What `gesso canvas edit` is to do; what is not given stays as it is."""

    region: Annotated[
        int | None,
        typer.Option(help="Number that `show` draws; without it, the background is meant."),
    ] = None
    add: Annotated[
        bool,
        typer.Option("--add", help="Add a region, with the values that are given."),
    ] = False
    delete: Annotated[bool, typer.Option("--delete", help="Take the region away.")] = False
    to: Annotated[str | None, typer.Option(help='Location, such as "on the left".')] = None
    offset: Annotated[str | None, typer.Option(help='Such as "slightly to the upper".')] = None
    area: Annotated[str | None, typer.Option(help='Such as "a large square area".')] = None
    distance: Annotated[float | None, typer.Option(help="To the viewer; nearer regions cover others.")] = None
    colour: Annotated[str | None, typer.Option("--colour", "--color", help="A colour name of HTML.")] = None
    description: Annotated[str | None, typer.Option(help="One sentence.")] = None
    detail: Annotated[
        list[str] | None, typer.Option(help="Detailed description; may be given several times; replaces all.")
    ] = None
    tags: Annotated[str | None, typer.Option(help="Words, separated by commas.")] = None
    atmosphere: Annotated[str | None, typer.Option(help="A sentence.")] = None
    style: Annotated[str | None, typer.Option(help="A sentence.")] = None
    quality: Annotated[str | None, typer.Option(help="A sentence.")] = None
    subject: Annotated[
        str | None,
        typer.Option(help='Name of a reference picture beside the canvas, as cat.png or cat=photo.png; "" '
                     "takes the subject away."),
    ] = None  # fmt: skip
    order: Annotated[
        str | None, typer.Option(help="All numbers in the order the program shall have, such as 2,1,3.")
    ] = None

    @property
    def values(self) -> dict[str, Any]:
        """Field of a region -> its new value, of those that are given."""
        values = {
            "location": self.to,
            "offset": self.offset,
            "area": self.area,
            "distance_to_viewer": self.distance,
            "colour": self.colour,
            "description": self.description,
            "detailed_descriptions": tuple(self.detail) if self.detail else None,
            "tags": self.tags,
            "atmosphere": self.atmosphere,
            "style": self.style,
            "quality_meta": self.quality,
            "subject": self.subject,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def action(self) -> str:
        """What is to be done: "order", "add", "delete" or "change".

        Raises:
            UsageError: nothing, or several things at once.
        """
        given = {"order": self.order is not None, "add": self.add, "delete": self.delete}
        actions = [name for name, wanted in given.items() if wanted]
        if self.values and actions != ["add"]:
            actions.append("change")
        if len(actions) != 1:
            came = f"{' and '.join(actions)} at once" if actions else "nothing to do"
            raise UsageError(f"{came}; give --order, --add, --delete, or new values. For several, let the "
                             "output of one command be the input of the next, as -")  # fmt: skip
        if self.region is not None and actions[0] in ("order", "add"):
            raise UsageError(f"--{actions[0]} is no change of one region; leave --region out")
        return actions[0]


@app.command("edit")
@with_settings(changes=_Changes)
def edit_command(file: File, outs: Outs = None, as_json: Json = False, *, changes: _Changes) -> None:
    """Change a canvas by hand, and print it; what changed is told on standard error."""
    for path in outs or ():
        check_canvas_path(path)
    canvas = read_canvas_file(file)
    changed = _changed(canvas, changes)
    note(str(diff(canvas, changed)))
    _write(changed, outs)
    say(canvas_json(changed) if as_json else changed.to_source().rstrip("\n"))


def _require_one_input(files: Sequence[str]) -> None:
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError("several files are -; standard input can be only one of them")


def _checked(file: str, published: bool) -> bool:
    try:
        reading = reading_of(file, published=published)
    except CanvasError as error:
        fail(CanvasError(f"{file}, {error}"))
        return False
    count = len(reading.canvas.regions)
    say(f"{file}: a canvas with {count} {'region' if count == 1 else 'regions'}")
    for correction in reading.corrections:
        say(f"  corrected, {correction}")
    folder = None if file == STANDARD_INPUT else Path(file).expanduser().parent
    problems = subject_problems(reading.canvas, folder)
    for problem in problems:
        fail(CanvasError(f"{file}, {problem}"))
    return not problems


def _changed(canvas: Canvas, changes: _Changes) -> Canvas:
    match changes.action:
        case "order":
            return edit.reorder(canvas, [region_index(canvas, n) for n in _numbers(changes.order or "")])
        case "add":
            return edit.add(canvas, _new_region(changes.values))
        case "delete":
            if changes.region is None:
                raise UsageError("which region is to go? give its number with --region")
            return edit.delete(canvas, region_index(canvas, changes.region))
    if changes.region is not None:
        return _region_changed(canvas, region_index(canvas, changes.region), changes.values)
    return _background_changed(canvas, changes.values)


def _region_changed(canvas: Canvas, index: int, values: dict[str, Any]) -> Canvas:
    region, texts = canvas.regions[index], {name: values[name] for name in values if name not in PLACED}
    if "location" in values:  # an offset was from the old place
        canvas = edit.move(canvas, index, values["location"], values.get("offset", NO_OFFSET))
    elif "offset" in values:
        canvas = edit.move(canvas, index, region.location, values["offset"])
    if "area" in values:
        canvas = edit.resize(canvas, index, values["area"])
    if "distance_to_viewer" in values:
        canvas = edit.set_distance(canvas, index, values["distance_to_viewer"])
    if "colour" in values:
        canvas = edit.recolour(canvas, index, values["colour"])
    if "subject" in values:
        canvas = edit.set_subject(canvas, index, values["subject"] or None)
    return edit.redescribe(canvas, index, **texts) if texts else canvas


def _background_changed(canvas: Canvas, values: dict[str, Any]) -> Canvas:
    texts = dict(values)
    if "colour" in texts:
        canvas = edit.recolour(canvas, None, texts.pop("colour"))
    placed = [name for name in texts if name in PLACED]
    if placed:
        raise UsageError(f"the background has no {placed[0]}; say which region is meant with --region")
    return edit.redescribe(canvas, None, **texts) if texts else canvas


def _new_region(values: dict[str, Any]) -> Region:
    missing = [name for name in NEEDED if name not in values]
    if missing:
        raise UsageError(f"a new region lacks {', '.join(missing)}; give --to, --area, --distance, --colour "
                         "and --description")  # fmt: skip
    texts = dict.fromkeys(("tags", "atmosphere", "style", "quality_meta"), "")
    return Region(**{"offset": NO_OFFSET, "detailed_descriptions": (), **texts, **values})


def _numbers(listed: str) -> list[int]:
    try:
        return [int(number) for number in listed.split(",")]
    except ValueError as error:
        raise UsageError(f"--order is {listed!r}; give the regions' numbers, such as 2,1,3") from error


def _write(canvas: Canvas, paths: Sequence[Path] | None) -> None:
    for path in paths or ():
        write_canvas(canvas, path)
        note(f"saved to {path}")
