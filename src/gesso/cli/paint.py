"""`gesso paint` and `gesso repaint`: from a wish or a canvas to a picture, and parts of it anew."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gesso.cli.options import with_settings
from gesso.cli.paint_again import Again, paint_again
from gesso.cli.paint_cast import CastPainting
from gesso.cli.paint_change import ChangeOptions
from gesso.cli.paint_options import OutOptions, PainterOptions, PictureOptions
from gesso.cli.paint_plan import WishOptions
from gesso.cli.paint_save import save, settings_of
from gesso.cli.paint_subjects import (
    CastOptions,
    canvas_with_names,
    noted_subjects,
)
from gesso.cli.paint_watch import watching
from gesso.cli.subject_options import AdapterOptions, SubjectOptions
from gesso.cli.upscale import upscaler_for
from gesso.core.errors import UsageError
from gesso.engines.canvas_files import STANDARD_INPUT, is_picture, read_canvas_file
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from PIL import Image as Pictures

    from gesso.canvas.canvas import Canvas
    from gesso.engines.paint_recipe import Painting

__all__ = ["paint_command", "repaint_command"]

CANVAS_ENDINGS: Final = (".py", ".json", ".txt", ".md", ".png")


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be painted, and the picture that it comes from, if any."""

    canvas: "Canvas"
    wish: str = ""
    planner: str = ""
    painting: "Painting | None" = None


@with_settings(
    to=OutOptions,
    picture=PictureOptions,
    model=PainterOptions,
    planning=WishOptions,
    cast=CastOptions,
    look=SubjectOptions,
    by=AdapterOptions,
    options=LoadOptions,
)
def paint_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="WISH|CANVAS|PNG",
            help="A wish; a canvas (program, reply or JSON; - is standard input); or a picture of gesso's, "
            "which is painted once more from its recipe.",
        ),
    ],
    begin: Annotated[
        str | None, typer.Option("--from", metavar="PICTURE", help="Begin from a picture; with --strength.")
    ] = None,
    *,
    to: OutOptions,
    picture: PictureOptions,
    model: PainterOptions,
    planning: WishOptions,
    cast: CastOptions,
    look: SubjectOptions,
    by: AdapterOptions,
    options: LoadOptions,
) -> None:
    """Paint a wish, a canvas, or a picture of gesso's once more; the PNG carries its recipe.

    Reference pictures that a canvas names as subjects are looked for beside it.
    """
    to.check()
    picture.check()
    enlarge = upscaler_for(to, model, options)
    below = _opened(begin)
    # a wish is planned before the painter is loaded: the two need not be in memory at once
    job = _job(source, planning, options)
    old = None if job.painting is None else job.painting.recipe
    anew = job.painting is None or picture.given or picture.style is not None or cast.subject
    if job.painting is not None and not anew:
        paint_again(job.painting, source, Again(cast, look, by, model, options, to), below, enlarge)
        return
    own = None if job.wish else source  # what a planner wrote has no folder to look into
    subjects = cast.named(job.canvas, own) if old is None else cast.noted(old, job.canvas, source)
    whole = old is not None and any(not note.region for note in old.subjects)
    if subjects or whole:
        if below is not None:
            raise UsageError("--from came for a picture with subjects, which begins from noise; leave it out")
        job_of = CastPainting(subjects, look, by, model, options)
        found = job_of.paint(job.canvas, picture, to, old, cast.folder(source))
        for number, painting in enumerate(found):
            save(painting, job.wish, job.planner, to.file(number, len(found)), enlarge)
        return
    by.refuse(look, cast.references)
    engine = model.load(options, old)
    settings = settings_of(engine, picture, old, below)
    style = picture.style or (old.style if old else "sentences")
    with watching(engine, to) as watch:
        paintings = engine.paint(job.canvas, settings, style=style, picture=below, watch=watch)
    for number, painting in enumerate(paintings):
        save(painting, job.wish, job.planner, to.file(number, len(paintings)), enlarge)


@with_settings(
    change=ChangeOptions,
    to=OutOptions,
    picture=PictureOptions,
    model=PainterOptions,
    planning=WishOptions,
    cast=CastOptions,
    look=SubjectOptions,
    by=AdapterOptions,
    options=LoadOptions,
)
def repaint_command(
    source: Annotated[Path, typer.Argument(metavar="PNG", help="A picture that gesso painted.")],
    *,
    change: ChangeOptions,
    to: OutOptions,
    picture: PictureOptions,
    model: PainterOptions,
    planning: WishOptions,
    cast: CastOptions,
    look: SubjectOptions,
    by: AdapterOptions,
    options: LoadOptions,
) -> None:
    """Paint parts of a picture anew: regions by number, or what a wish or an edited canvas changes.

    Every pixel outside the boxes of these regions stays as it is.
    """
    to.check()
    picture.check()
    enlarge = upscaler_for(to, model, options)
    old = _open(source)
    before = old.recipe.canvas
    now = change.canvas_after(before, planning, options)
    if change.canvas is None:
        subjects = cast.noted(old.recipe, now, source)
    else:  # what the picture shows is looked for beside it, and what the edited canvas brings beside that
        kept = noted_subjects(old.recipe, now, cast.folder(source))
        subjects = cast.named(now, change.canvas, kept)
    now = canvas_with_names(now, subjects)
    boxes = change.boxes(before, now)
    if subjects:
        job = CastPainting(subjects, look, by, model, options)
        painting = job.repaint(old, now, boxes, picture, to, change.feather)
    else:
        by.refuse(look, cast.references)
        engine = model.load(options, old.recipe)
        settings = engine.settings(picture.given, others=old.part_settings(now), style=picture.style)
        with watching(engine, to) as watch:
            painting = engine.repaint(
                old, boxes, settings, canvas=now, style=picture.style, feather=change.feather, watch=watch
            )
    named = old.recipe.planner if change.wish is None else planning.name
    save(painting, change.wish or old.recipe.wish, named, to.out, enlarge)


def _job(source: str, planning: WishOptions, options: LoadOptions) -> _Job:
    """What a source asks for; a wish is planned."""
    painted, canvas = is_picture(source), _is_canvas(source)
    if painted or canvas:
        planning.refuse(options)
    if painted:
        old = _open(source)
        return _Job(old.recipe.canvas, old.recipe.wish, old.recipe.planner, old)
    if canvas:
        return _Job(read_canvas_file(source))
    return _Job(planning.plan(source, None, options), source, planning.name)


def _is_canvas(source: str) -> bool:
    """Whether a source is the name of a file, be it missing, rather than a wish."""
    if source == STANDARD_INPUT or Path(source).suffix.lower() in CANVAS_ENDINGS:
        return True
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # a wish longer than names of files may be
        return False


def _open(source: str | Path) -> "Painting":
    from gesso.engines.paint_recipe import open_painting

    return open_painting(source)


def _opened(begin: str | None) -> "Pictures.Image | None":
    from gesso.media.images import load_image

    return None if begin is None else load_image(begin)
