"""Pictures with subjects once more: the same pixels by their recipe, or parts of them anew."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image as Pictures

from gesso.canvas.checks import shown
from gesso.core.errors import UsageError
from gesso.diffusion.denoise import Watch
from gesso.engines.canvas_subjects import find_reference
from gesso.engines.paint_recipe import Painting, pixel_digest, source_of
from gesso.engines.paint_record import PaintRecipe, SubjectNote
from gesso.engines.personalize import Personalizer, Placed, SeenSubject
from gesso.engines.references import ReferenceFile
from gesso.engines.subject_words import MODES

__all__ = ["look_again", "remake_with_subjects", "repaint_with_subjects"]


def look_again(personalizer: Personalizer, note: SubjectNote, folder: Path | None) -> SeenSubject:
    """Look once more at the reference that a recipe notes.

    A recipe may come from anybody: its names are looked for in one folder, and count only if the pictures are
    the ones that were painted from.

    Args:
        personalizer: has the same adapter.
        note: of the recipe.
        folder: where the reference may lie.

    Raises:
        UsageError: the recipe names no file, it is not there, or is another picture than it was.
    """
    noun = shown(note.noun)
    what = f"the reference of {noun}"
    if not note.file:
        raise UsageError(f"{what} was a picture in memory, so the recipe names no file for it; paint the "
                         "canvas of the picture anew, with --subject N=FILE")  # fmt: skip
    file = find_reference(note.file, folder, what)
    mask = find_reference(note.mask_file, folder, f"the mask of {noun}") if note.mask_file else None
    origin = ReferenceFile(file=file, mask=mask, cutout=note.cutout, fit=note.fit, threshold=note.threshold)
    seen = personalizer.look_at(origin, note.noun, seed=note.seed)
    found = Pictures.fromarray(seen.reference.mask)
    if pixel_digest(seen.reference.image) != note.reference:
        raise UsageError(f"{file} is not the picture that {noun} was painted from; put that one there, or "
                         "choose this one, as --subject N=FILE")  # fmt: skip
    if pixel_digest(found) != note.mask:
        raise UsageError(f"the mask of {file} is not the one that {noun} was painted by; put that one there, "
                         "or choose this one, as --subject N=FILE")  # fmt: skip
    return seen


def remake_with_subjects(
    personalizer: Personalizer,
    recipe: PaintRecipe,
    folder: Path | None,
    *,
    source: Pictures.Image | None = None,
    watch: Watch | None = None,
) -> Painting:
    """Paint a picture with subjects once more by its recipe, after every picture it was painted on.

    Args:
        personalizer: the same painter and adapter.
        recipe: how it was painted.
        folder: where the references may lie.
        source: the picture that the first of them began from, if it did from one.
        watch: who is told about the steps and may stop them.

    Raises:
        UsageError: the recipe is of another model or adapter, or a reference or picture is missing.
    """
    recipe = recipe.painted
    personalizer.engine.require_same(recipe)
    seen: dict[SubjectNote, SeenSubject] = {}
    for note in (note for each in recipe.history for note in each.subjects):
        if note.weights != personalizer.weights:
            raise UsageError(f"{shown(note.noun)} was painted by the adapter {shown(note.adapter)} (weights "
                             f"{shown(note.weights)}), and this is {personalizer.name} (weights "
                             f"{personalizer.weights}); choose the same with --adapter")  # fmt: skip
        if note not in seen:
            seen[note] = look_again(personalizer, note, folder)
    below = source_of(recipe, source)
    for each in recipe.history:
        whom = [seen[note] for note in each.subjects]
        painting = personalizer.painted(each, whom, below, watch)[each.number]
        below = painting.image
    return painting


def repaint_with_subjects(
    personalizer: Personalizer,
    painting: Painting,
    part: PaintRecipe,
    seen: Sequence[Placed],
    *,
    strength: float = MODES["context"][0],
    watch: Watch | None = None,
) -> Painting:
    """Paint parts of a picture anew, with subjects in its regions; every pixel outside stays as it is.

    Args:
        personalizer: the painter of the picture, and an adapter.
        painting: the picture.
        part: what is painted anew, as `PaintEngine.part_recipe` of the same painter gives it.
        seen: who is to stand in which region of the part's canvas.
        strength: how much the references' features count.
        watch: who is told about the steps and may stop them.

    Raises:
        UsageError: a region is not there or does not name its subject, or one that the canvas names lacks.
        UnsupportedError: the guidance knows no subjects.
    """
    recipe = replace(part, subjects=personalizer.notes(part.canvas, seen, strength))
    return personalizer.painted(recipe, [each for _, each in seen], painting.image, watch)[0]
