"""Painting and repainting with the subjects of a canvas."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.cli.paint_options import OutOptions, PainterOptions, PictureOptions
from gesso.cli.paint_save import settings_of
from gesso.cli.paint_subjects import RegionSubject, canvas_with_names, look_at_all, noted_strength
from gesso.cli.paint_watch import watching
from gesso.cli.subject_options import AdapterOptions, SubjectOptions
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.canvas.canvas import Box, Canvas
    from gesso.diffusion.denoise import Watch
    from gesso.diffusion.settings import PaintSettings
    from gesso.engines.paint_recipe import Painting, PaintRecipe
    from gesso.engines.personalize import Personalizer

__all__ = ["CastPainting"]


@dataclass(frozen=True, slots=True)
class CastPainting:
    """How pictures with subjects are painted.

    Attributes:
        subjects: who stands where; none for what `gesso personalize` has painted.
        look: how references are looked at, and how much they count.
        by: what looks at them.
        model: the painter.
        options: how it is loaded.
    """

    subjects: list[RegionSubject]
    look: SubjectOptions
    by: AdapterOptions
    model: PainterOptions
    options: LoadOptions

    def paint(
        self,
        canvas: "Canvas",
        picture: PictureOptions,
        to: OutOptions,
        old: "PaintRecipe | None",
        folder: Path | None,
    ) -> "list[Painting]":
        """Paint a canvas with its subjects, or anew what `gesso personalize` has painted.

        Args:
            canvas: what to paint.
            picture: its settings.
            to: where it goes.
            old: the recipe of the picture that the canvas is from, if it is from one.
            folder: where references may lie that the recipe notes.
        """
        canvas = canvas_with_names(canvas, self.subjects)
        personalizer = self.by.load(self.model, self.options, old)
        settings = settings_of(personalizer.engine, picture, old, None)
        style = picture.style or (old.style if old else "sentences")
        with watching(personalizer.engine, to) as watch:
            if old is not None and not self.subjects:
                return self._whole(personalizer, old, folder, settings, watch)
            seen = look_at_all(personalizer, self.subjects, self.look)
            notes = [each.note for each in self.subjects if each.note is not None]
            strength = noted_strength(notes, self.look)
            return personalizer.paint_canvas(
                canvas, seen, settings, strength=strength, style=style, watch=watch
            )

    def repaint(
        self,
        old: "Painting",
        now: "Canvas",
        boxes: "list[Box]",
        picture: PictureOptions,
        to: OutOptions,
        feather: int,
    ) -> "Painting":
        """Paint parts of a picture anew, with the subjects of its canvas.

        Args:
            old: the picture.
            now: what it is to show.
            boxes: which parts.
            picture: settings of the new parts.
            to: where it goes.
            feather: width of the soft border inside the boxes, in pixels.
        """
        from gesso.engines.personalize_again import repaint_with_subjects

        personalizer = self.by.load(self.model, self.options, old.recipe)
        settings = personalizer.engine.settings(
            picture.given, others=old.part_settings(now), style=picture.style
        )
        part = personalizer.engine.part_recipe(
            old, boxes, settings, canvas=now, style=picture.style, feather=feather
        )
        notes = [each.note for each in self.subjects if each.note is not None]
        seen = look_at_all(personalizer, self.subjects, self.look)
        with watching(personalizer.engine, to) as watch:
            return repaint_with_subjects(
                personalizer, old, part, seen, strength=noted_strength(notes, self.look), watch=watch
            )

    def _whole(
        self,
        personalizer: "Personalizer",
        old: "PaintRecipe",
        folder: Path | None,
        settings: "PaintSettings",
        watch: "Watch",
    ) -> "list[Painting]":
        """The one subject of a picture without regions, anew."""
        from gesso.engines.personalize_again import look_again

        (note,) = old.subjects
        seen = look_again(personalizer, note, folder)
        strength = noted_strength([note], self.look)
        return personalizer.paint(seen, note.prompt, settings, strength=strength, watch=watch)
