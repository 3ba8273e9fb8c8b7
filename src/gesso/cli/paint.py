"""`gesso paint` and `gesso repaint`: from a wish or a canvas to a picture, and parts of it anew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gesso.cli.options import with_settings
from gesso.cli.output import note, say
from gesso.cli.paint_change import ChangeOptions
from gesso.cli.paint_options import OutOptions, PainterOptions, PictureOptions
from gesso.cli.paint_plan import WishOptions
from gesso.cli.paint_subjects import RegionSubject, look_at_all, read_subjects
from gesso.cli.paint_watch import watching
from gesso.cli.subject_options import AdapterOptions, SubjectOptions
from gesso.cli.upscale import Enlarge, upscaler_for
from gesso.core.errors import UsageError
from gesso.engines.canvas_files import STANDARD_INPUT, is_picture, read_canvas_file
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from PIL import Image as Pictures

    from gesso.canvas.canvas import Canvas
    from gesso.diffusion.settings import PaintSettings
    from gesso.engines.paint import PaintEngine
    from gesso.engines.paint_recipe import Painting, PaintRecipe

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
    subject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N=PICTURE",
            help="Put this subject into a region, as 2=cat.png or 2:cat=photo.png; may be repeated.",
        ),
    ] = None,
    *,
    to: OutOptions,
    picture: PictureOptions,
    model: PainterOptions,
    planning: WishOptions,
    look: SubjectOptions,
    by: AdapterOptions,
    options: LoadOptions,
) -> None:
    """Paint a wish, a canvas, or a picture of gesso's once more; the PNG carries its recipe."""
    to.check()
    picture.check()
    enlarge = upscaler_for(to, model, options)
    below = _opened(begin)
    # a wish is planned before the painter is loaded: the two need not be in memory at once
    job = _job(source, planning, options)
    old = None if job.painting is None else job.painting.recipe
    if subject:
        if below is not None:
            raise UsageError("--from and --subject came together; pictures with subjects begin from noise")
        personal = _Personal(read_subjects(subject, job.canvas), look, by)
        found = personal.paint(job.canvas, picture, model, to, options)
        _save(found, job.wish, job.planner, to, enlarge)
        return
    by.refuse(look)
    engine = model.load(options, old)
    if job.painting is not None and not picture.given and picture.style is None:
        _paint_again(job.painting, engine, below, to, enlarge)
        return
    settings = _settings(engine, picture, old, below)
    style = picture.style or (old.style if old else "sentences")
    with watching(engine, to) as watch:
        paintings = engine.paint(job.canvas, settings, style=style, picture=below, watch=watch)
    _save(paintings, job.wish, job.planner, to, enlarge)


@dataclass(frozen=True, slots=True)
class _Personal:
    """Subjects for the regions of a canvas, and how they are looked at."""

    subjects: list[RegionSubject]
    look: SubjectOptions
    by: AdapterOptions

    def paint(
        self,
        canvas: "Canvas",
        picture: PictureOptions,
        model: PainterOptions,
        to: OutOptions,
        options: LoadOptions,
    ) -> "list[Painting]":
        """Paint the canvas with its subjects."""
        strength = self.look.strength()
        personalizer = self.by.load(model, options)
        settings = personalizer.engine.settings(picture.given, style=picture.style)
        seen = look_at_all(personalizer, self.subjects, self.look)
        style = picture.style or "sentences"
        with watching(personalizer.engine, to) as watch:
            return personalizer.paint_canvas(
                canvas, seen, settings, strength=strength, style=style, watch=watch
            )


@with_settings(
    change=ChangeOptions,
    to=OutOptions,
    picture=PictureOptions,
    model=PainterOptions,
    planning=WishOptions,
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
    boxes = change.boxes(before, now)
    engine = model.load(options, old.recipe)
    settings = engine.settings(picture.given, others=old.part_settings(now), style=picture.style)
    with watching(engine, to) as watch:
        painting = engine.repaint(
            old, boxes, settings, canvas=now, style=picture.style, feather=change.feather, watch=watch
        )
    named = old.recipe.planner if change.wish is None else planning.name
    wish = change.wish or old.recipe.wish
    _save([painting], wish, named, to, enlarge)


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


def _paint_again(
    old: "Painting",
    engine: "PaintEngine",
    below: "Pictures.Image | None",
    to: OutOptions,
    enlarge: Enlarge,
) -> None:
    """Paint a picture by its recipe, and say whether it became the same."""
    recipe = old.recipe.painted
    with watching(engine, to) as watch:
        new = engine.remake(recipe, source=below, watch=watch)
    _save([new], recipe.wish, recipe.planner, to, enlarge)
    if old.recipe.upscaled:
        note("the picture was made larger after it was painted; it is compared as it was before")
    if new.recipe.pixels == recipe.pixels:
        note("the same picture, bit for bit")
        return
    others = ", ".join(recipe.made_with.differences(new.recipe.made_with)) or "unknown"
    note(f"a picture by the same recipe, of other pixels; what is different now: {others}")


def _settings(
    engine: "PaintEngine",
    picture: PictureOptions,
    old: "PaintRecipe | None",
    below: "Pictures.Image | None",
) -> "PaintSettings":
    """How to paint: as the options say, else as the old picture or the model has it."""
    if old is None:
        return engine.settings(picture.given, style=picture.style)
    settings = engine.settings(picture.given, others=old.alone, style=picture.style)
    if old.start == "picture" and settings.strength < 1 and below is None and picture.strength is None:
        raise UsageError("the picture began from another one; give that with --from, or --strength 1 to "
                         "begin from nothing")  # fmt: skip
    return settings


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


def _save(paintings: Sequence["Painting"], wish: str, planner: str, to: OutOptions, enlarge: Enlarge) -> None:
    for number, painting in enumerate(paintings):
        noted = replace(painting, recipe=replace(painting.recipe, wish=wish, planner=planner))
        file = enlarge(noted).save(to.file(number, len(paintings)))
        say(str(file))
