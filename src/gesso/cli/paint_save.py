"""What all ways to paint begin and end with: settings for a picture, and its file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.cli.output import say
from gesso.cli.paint_options import PictureOptions
from gesso.cli.upscale import Enlarge
from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image as Pictures

    from gesso.diffusion.settings import PaintSettings
    from gesso.engines.paint import PaintEngine
    from gesso.engines.paint_recipe import Painting, PaintRecipe

__all__ = ["save", "settings_of"]


def settings_of(
    engine: "PaintEngine",
    picture: PictureOptions,
    old: "PaintRecipe | None",
    below: "Pictures.Image | None",
) -> "PaintSettings":
    """How to paint: as the options say, else as the old picture or the model has it.

    Raises:
        UsageError: the old picture began from another one, which did not come.
    """
    if old is None:
        return engine.settings(picture.given, style=picture.style)
    settings = engine.settings(picture.given, others=old.alone, style=picture.style)
    if old.start == "picture" and settings.strength < 1 and below is None and picture.strength is None:
        raise UsageError("the picture began from another one; give that with --from, or --strength 1 to "
                         "begin from nothing")  # fmt: skip
    return settings


def save(painting: "Painting", wish: str, planner: str, file: Path, enlarge: Enlarge) -> None:
    """Write a picture that notes its wish and planner, made larger if wished, and say where it is."""
    noted = replace(painting, recipe=replace(painting.recipe, wish=wish, planner=planner))
    say(str(enlarge(noted).save(file)))
