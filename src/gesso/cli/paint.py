"""`gesso paint` and `gesso repaint`: from a wish or a canvas to a picture, and parts of it anew."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gesso.cli.layout import region_index
from gesso.cli.options import with_settings
from gesso.cli.output import err, note, say
from gesso.cli.paint_options import PainterOptions, PictureOptions
from gesso.cli.paint_watch import watching
from gesso.cli.plan import DEFAULT_PLANNER, EndpointOptions
from gesso.cli.plan_view import follow, tell
from gesso.core.errors import UsageError
from gesso.engines.canvas_files import STANDARD_INPUT, is_picture, read_canvas_file
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from PIL import Image as Pictures

    from gesso.canvas.canvas import Box, Canvas
    from gesso.engines.paint import PaintEngine
    from gesso.engines.paint_recipe import Painting

__all__ = ["paint_command", "repaint_command"]

CANVAS_ENDINGS: Final = (".py", ".json", ".txt", ".md")

Out = Annotated[Path, typer.Option("--out", "-o", help="The PNG to write; a batch is numbered.")]
Planner = Annotated[
    str | None, typer.Option("--planner", help=f"Who plans: a name or folder [{DEFAULT_PLANNER}].")
]
Previews = Annotated[
    int, typer.Option("--previews", metavar="K", min=0, help="Save a small preview each K steps.")
]


@with_settings(picture=PictureOptions, model=PainterOptions, server=EndpointOptions, options=LoadOptions)
def paint_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="WISH|CANVAS|PNG",
            help="A wish; a canvas (program, reply or JSON; - is standard input); or a picture of gesso's, "
            "which is painted once more from its recipe.",
        ),
    ],
    out: Out = Path("painting.png"),
    planner: Planner = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="PICTURE", help="Begin from a picture; with --strength.")
    ] = None,
    previews: Previews = 0,
    *,
    picture: PictureOptions,
    model: PainterOptions,
    server: EndpointOptions,
    options: LoadOptions,
) -> None:
    """Paint a wish, a canvas, or a picture of gesso's once more; the PNG carries its recipe."""
    _check_out(out)
    if is_picture(source):
        old = _open(source)
        if not picture.given:
            _paint_again(old, begin, out, previews, model=model, options=options)
            return
        canvas, wish, named = old.recipe.canvas, old.recipe.wish, old.recipe.planner
    elif _is_canvas(source):
        canvas, wish, named = read_canvas_file(source), "", ""
    else:
        # planned before the painter is loaded: the two need not be in memory at once
        canvas, wish, named = (
            _plan(source, None, planner, server, options),
            source,
            planner or DEFAULT_PLANNER,
        )
    engine = model.load(options)
    settings = picture.over(engine.defaults)
    with watching(out, settings.steps, previews) as watch:
        paintings = engine.paint(
            canvas, settings, style=picture.style or "sentences", picture=_opened(begin), watch=watch
        )
    for number, painting in enumerate(paintings):
        file = out if len(paintings) == 1 else out.with_stem(f"{out.stem}-{number + 1}")
        _save(painting, wish, named, file)
    _tell_memory(engine)


@with_settings(picture=PictureOptions, model=PainterOptions, server=EndpointOptions, options=LoadOptions)
def repaint_command(
    source: Annotated[Path, typer.Argument(metavar="PNG", help="A picture that gesso painted.")],
    region: Annotated[
        list[int] | None,
        typer.Option(help="Number of a region, as `gesso canvas show` lists them; may be repeated."),
    ] = None,
    wish: Annotated[str | None, typer.Option(help="What is to change, in words.")] = None,
    canvas: Annotated[
        str | None, typer.Option(metavar="CANVAS", help="What the picture is to show: an edited canvas.")
    ] = None,
    out: Out = Path("painting.png"),
    planner: Planner = None,
    feather: Annotated[int, typer.Option(min=0, help="Width of the soft border, in pixels.")] = 8,
    previews: Previews = 0,
    *,
    picture: PictureOptions,
    model: PainterOptions,
    server: EndpointOptions,
    options: LoadOptions,
) -> None:
    """Paint parts of a picture anew: regions by number, or what a wish or an edited canvas changes.

    Every pixel outside the boxes of these regions stays as it is.
    """
    _check_out(out)
    old = _open(str(source))
    if wish is not None and canvas is not None:
        raise UsageError("both --wish and --canvas say what is to change; give one of them")
    before = old.recipe.canvas
    now = before if canvas is None else read_canvas_file(canvas)
    if wish is not None:
        now = _plan(wish, before, planner, server, options)
    boxes = _boxes(before, now, region or [])
    engine = model.load(options, usual=old.recipe.painter)
    settings = picture.over(old.recipe.settings)
    if now == before and picture.seed is None:
        settings = replace(settings, seed=settings.seed + 1)  # the same noise would paint the same again
    with watching(out, settings.steps, previews) as watch:
        painting = engine.repaint(old, boxes, settings, canvas=now, feather=feather, watch=watch)
    _save(painting, wish or old.recipe.wish, planner or old.recipe.planner, out)
    _tell_memory(engine)


def _paint_again(
    old: "Painting",
    begin: str | None,
    out: Path,
    previews: int,
    *,
    model: PainterOptions,
    options: LoadOptions,
) -> None:
    """Paint a picture by its recipe, and say whether it became the same."""
    recipe = old.recipe
    if options.threads is None:  # the number of threads decides the last bits
        options = replace(options, threads=recipe.made_with.get("threads"))
    engine = model.load(options, usual=recipe.painter, loras=recipe.loras)
    with watching(out, recipe.settings.steps, previews) as watch:
        new = engine.remake(recipe, source=_opened(begin), watch=watch)
    same = new.recipe.pixels == recipe.pixels
    if not same:
        changed = [name for name, value in recipe.made_with.items() if new.recipe.made_with[name] != value]
        note(
            f"the pixels differ from the first time; what is different now: {', '.join(changed) or 'unknown'}"
        )
    _save(new, recipe.wish, recipe.planner, out)
    note("the same picture, bit for bit" if same else "a picture by the same recipe")


def _plan(
    wish: str, canvas: "Canvas | None", planner: str | None, server: EndpointOptions, options: LoadOptions
) -> "Canvas":
    """Have a wish planned, and show the layout as it comes."""
    writer = server.planner(planner, replace(options, threads=None) if server.endpoint else options)
    plan = follow(writer.stream(wish, canvas=canvas), err)
    tell(plan)
    return plan.canvas


def _boxes(before: "Canvas", now: "Canvas", numbers: list[int]) -> "list[Box]":
    """What is to be painted anew: regions by number and what came new, or all that changed."""
    from gesso.engines.paint import changed_boxes

    if numbers:
        chosen = [before.regions[region_index(before, number)].box for number in numbers]
        return chosen + [region.box for region in now.regions if region not in before.regions]
    changed = changed_boxes(before, now)
    if not changed:
        raise UsageError("nothing is to change; say --region N, --wish or --canvas")
    return list(changed)


def _is_canvas(source: str) -> bool:
    """Whether a source is a canvas file rather than a wish; a missing file is no wish either."""
    return source == STANDARD_INPUT or Path(source).suffix in CANVAS_ENDINGS or _is_file(source)


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # a wish longer than names of files may be
        return False


def _check_out(out: Path) -> None:
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out} does not end in .png; only PNG keeps every pixel and the recipe")


def _open(source: str) -> "Painting":
    from gesso.engines.paint_recipe import open_painting

    return open_painting(source)


def _opened(begin: str | None) -> "Pictures.Image | None":
    from gesso.media.images import load_image

    return None if begin is None else load_image(begin)


def _save(painting: "Painting", wish: str, planner: str, file: Path) -> None:
    from gesso.engines.paint_recipe import Painting

    Painting(painting.image, replace(painting.recipe, wish=wish, planner=planner)).save(file)
    say(str(file))


def _tell_memory(engine: "PaintEngine") -> None:
    from gesso.diffusion.memory import measure_peak

    with measure_peak(engine.painter.device) as peak:
        pass
    note(f"at most {peak.gigabytes:.1f} GB of memory were in use")
