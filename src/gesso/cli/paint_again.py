"""`gesso paint PICTURE.png`: a picture once more by its recipe, with the references it notes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.cli.output import note
from gesso.cli.paint_options import OutOptions, PainterOptions
from gesso.cli.paint_save import save
from gesso.cli.paint_subjects import CastOptions
from gesso.cli.paint_watch import watching
from gesso.cli.subject_options import AdapterOptions, SubjectOptions, refuse_options
from gesso.cli.upscale import Enlarge
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from PIL import Image as Pictures

    from gesso.engines.paint_recipe import Painting, PaintRecipe

__all__ = ["Again", "paint_again"]


@dataclass(frozen=True, slots=True)
class Again:
    """How a picture is painted by its recipe."""

    cast: CastOptions
    look: SubjectOptions
    by: AdapterOptions
    model: PainterOptions
    options: LoadOptions
    to: OutOptions

    def paint(self, recipe: "PaintRecipe", folder: Path | None, below: "Pictures.Image | None") -> "Painting":
        """Paint it, with its subjects if it has some; errors as in `remake_with_subjects`."""
        if not any(each.subjects for each in recipe.history):
            self.by.refuse(self.look, self.cast.references)
            engine = self.model.load(self.options, recipe)
            with watching(engine, self.to) as watch:
                return engine.remake(recipe, source=below, watch=watch)
        from gesso.engines.personalize_again import remake_with_subjects

        refuse_options(self.look.chosen, "came for a picture that is painted by its recipe; leave it out")
        personalizer = self.by.load(self.model, self.options, recipe)
        with watching(personalizer.engine, self.to) as watch:
            return remake_with_subjects(personalizer, recipe, folder, source=below, watch=watch)


def paint_again(
    old: "Painting", source: str, again: Again, below: "Pictures.Image | None", enlarge: Enlarge
) -> None:
    """Paint a picture by its recipe, and say whether it became the same.

    Args:
        old: the picture.
        source: its file.
        again: how.
        below: the picture that it began from, if it did from one.
        enlarge: makes it larger, if that is asked for.
    """
    recipe = old.recipe.painted
    new = again.paint(recipe, again.cast.folder(source), below)
    save(new, recipe.wish, recipe.planner, again.to.out, enlarge)
    if old.recipe.upscaled:
        note("the picture was made larger after it was painted; it is compared as it was before")
    if new.recipe.pixels == recipe.pixels:
        note("the same picture, bit for bit")
        return
    others = ", ".join(recipe.made_with.differences(new.recipe.made_with)) or "unknown"
    note(f"a picture by the same recipe, of other pixels; what is different now: {others}")
