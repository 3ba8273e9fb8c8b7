"""`gesso personalize`: this subject, from one reference picture, in new pictures."""

from pathlib import Path
from typing import Annotated

import typer

from gesso.cli.options import with_settings
from gesso.cli.output import say
from gesso.cli.paint_options import OutOptions, PainterOptions, PictureOptions
from gesso.cli.paint_watch import watching
from gesso.cli.subject_options import AdapterOptions, SubjectOptions
from gesso.cli.upscale import upscaler_for
from gesso.engines.options import LoadOptions

__all__ = ["personalize_command"]


@with_settings(
    to=OutOptions,
    look=SubjectOptions,
    picture=PictureOptions,
    model=PainterOptions,
    by=AdapterOptions,
    options=LoadOptions,
)
def personalize_command(
    prompts: Annotated[
        list[str],
        typer.Argument(
            metavar="PROMPT...",
            help="The new picture in words, among them the subject's; several are painted in turn.",
        ),
    ],
    subject: Annotated[str, typer.Option(help="What the subject is, as the prompt calls it: cat.")],
    reference: Annotated[Path, typer.Option(help="A picture of it; its transparency tells where it is.")],
    mask: Annotated[
        Path | None, typer.Option(help="White where the subject is; without one, it is found.")
    ] = None,
    keep_mask: Annotated[
        Path | None, typer.Option(help="Write the mask that is used, to look at it.")
    ] = None,
    *,
    to: OutOptions,
    look: SubjectOptions,
    picture: PictureOptions,
    model: PainterOptions,
    by: AdapterOptions,
    options: LoadOptions,
) -> None:
    """Paint this subject in a new context, or with --texture in a new texture; the PNG carries its recipe.

    The reference is looked at once for all prompts; --batch paints each under several seeds.
    """
    to.check()
    picture.check()
    enlarge = upscaler_for(to, model, options)
    strength = look.strength()
    origin = look.reference(reference, mask)
    _, where = origin.read()  # before models are loaded: it may be that nothing stands out
    if keep_mask is not None:
        where.save(keep_mask)
    personalizer = by.load(model, options)
    settings = personalizer.engine.settings(picture.given, style=picture.style)
    seen = personalizer.look_at(origin, subject)
    paintings = []
    with watching(personalizer.engine, to) as watch:
        for prompt in prompts:
            paintings += personalizer.paint(seen, prompt, settings, strength=strength, watch=watch)
    for number, painting in enumerate(paintings):
        say(str(enlarge(painting).save(to.file(number, len(paintings)))))
