"""Painting this subject: a reference is looked at once, then put into any number of new pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from PIL import Image as Pictures
from torch import Tensor

from gesso.canvas.canvas import Canvas, GlobalDescription
from gesso.canvas.styles import style_named
from gesso.core.errors import UsageError
from gesso.diffusion.conditions import RegionPrompt, prompts_of
from gesso.diffusion.denoise import Watch
from gesso.diffusion.guide_subject import Cast
from gesso.diffusion.settings import PaintSettings
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subjects import Subject, SubjectFeatures
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_checks import require_subjects
from gesso.engines.paint_recipe import Painting, pixel_digest
from gesso.engines.paint_record import PaintRecipe, SubjectNote
from gesso.engines.references import ReferenceFile
from gesso.engines.subject_words import MODES, region_words, require_named
from gesso.media.subjects import Fit, Reference, prepare_reference

__all__ = ["Eyes", "Personalizer", "Placed", "SeenSubject"]

WHOLE: Final = ((1.0,),)
"""The mask of a text that holds everywhere."""


class Eyes(Protocol):
    """What looks at a reference and tells the painter about it in picture tokens."""

    def tokens(self, reference: Reference, noun: str, prompt: str) -> Tensor:
        """Tokens [2, T, D] for the negative and the positive branch."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SeenSubject:
    """A reference that was looked at; serves any number of pictures of the same personalizer.

    Attributes:
        noun: what it is.
        reference: picture and mask.
        features: of its picture in the painter; None where the adapter reads none.
        seed: of the noise under which they were read.
        origin: the files they are from; None for pictures in memory.
    """

    noun: str
    reference: Reference
    features: SubjectFeatures | None
    seed: int = 0
    origin: ReferenceFile | None = None


Placed = tuple[int, SeenSubject]
"""Number of a region, counted from 1 in the order of the program, and who stands there."""


class Personalizer:
    """Paints given subjects with one painter and one adapter.

    Args:
        engine: the painter.
        adapter: to its UNet.
        eyes: gives picture tokens.
        name: of the adapter, for recipes.
        weights: digest of what adapter and eyes are made of, for recipes.
        side: references are looked at as if they were squares of this side, in pixels.
        opening: whether texts begin "photo of a <noun>.", as MoMA's do.
        follows: see `Cast`.
    """

    def __init__(
        self,
        engine: PaintEngine,
        adapter: SubjectAdapter,
        eyes: Eyes,
        *,
        name: str,
        weights: str,
        side: int,
        opening: bool = True,
        follows: bool = True,
    ) -> None:
        self.engine = engine
        self.adapter = adapter
        self.eyes = eyes
        self.name = name
        self.weights = weights
        self.side = side
        self._opening, self._follows = opening, follows
        self.kind: Literal["moma", "ip-adapter"] = "moma" if adapter.references else "ip-adapter"

    def look(
        self,
        image: Pictures.Image,
        mask: Pictures.Image,
        noun: str,
        *,
        seed: int = 0,
        fit: Fit = "keep",
        threshold: int = 0,
    ) -> SeenSubject:
        """Look at a reference, once for all its pictures.

        Args:
            image: RGB, of any size and shape.
            mask: light where the subject is.
            noun: what it is, such as "cat".
            seed: of the noise in the reference pass.
            fit: see `gesso.media.subjects.Fit`.
            threshold: see `prepare_reference`.

        Raises:
            UsageError: the mask is empty, or there is no noun.
        """
        if not noun.strip():
            raise UsageError("the subject has no name; give the word that prompts call it by, such as cat")
        grain = 8 * self.engine.painter.factor if self.side >= 256 else self.engine.painter.factor
        reference = prepare_reference(image, mask, self.side, grain=grain, fit=fit, threshold=threshold)
        features = None
        if self.adapter.references:
            features = self.engine.painter.features(reference, noun, self.adapter, seed)
        return SeenSubject(noun, reference, features, seed)

    def look_at(self, origin: ReferenceFile, noun: str, *, seed: int = 0) -> SeenSubject:
        """Look at a reference on the disk, which recipes then name; errors of `look`, `read_reference`."""
        image, mask = origin.read()
        seen = self.look(image, mask, noun, seed=seed, fit=origin.fit, threshold=origin.threshold)
        return replace(seen, origin=origin)

    def paint(
        self,
        seen: SeenSubject,
        prompt: str,
        settings: PaintSettings | None = None,
        *,
        strength: float = MODES["context"][0],
        watch: Watch | None = None,
    ) -> list[Painting]:
        """Paint a subject as a prompt says; a batch shows it under several seeds.

        Args:
            seen: the subject.
            prompt: the new picture, in words, among them the subject's.
            settings: None takes the painter's defaults.
            strength: how much the reference's features count, or an IP-Adapter's tokens; see `MODES`.
            watch: who is told about the steps and may stop them.

        Raises:
            UsageError: the prompt does not name the subject, or settings do not fit.
        """
        require_named(seen.noun, prompt)
        settings = settings or self.engine.defaults
        canvas = Canvas(GlobalDescription(prompt, (), "", "white"))
        notes = (self._note(seen, prompt, 0, strength),)
        recipe = self.engine.recipe(canvas, settings, style="sentences", subjects=notes)
        return self.painted(recipe, [seen], watch=watch)

    def paint_canvas(
        self,
        canvas: Canvas,
        seen: Sequence[Placed],
        settings: PaintSettings | None = None,
        *,
        strength: float = MODES["context"][0],
        style: str = "sentences",
        watch: Watch | None = None,
    ) -> list[Painting]:
        """Paint a canvas with subjects in its regions.

        Args:
            canvas: what to paint.
            seen: number of a region, counted from 1 in the canvas's order, and who stands in it.
            settings: None takes the painter's defaults; with a strength below 1, painting begins from the
                canvas's colours.
            strength: how much the references' features count.
            style: how the canvas is told.
            watch: who is told about the steps and may stop them.

        Raises:
            UsageError: a region is not there or does not name its subject, one that the canvas names did not
                come, or settings do not fit.
            UnsupportedError: the guidance knows no subjects.
        """
        settings = settings or self.engine.defaults
        start = "noise" if settings.strength == 1 else "canvas"
        notes = self.notes(canvas, seen, strength)
        recipe = self.engine.recipe(canvas, settings, style=style, start=start, subjects=notes)
        return self.painted(recipe, [each for _, each in seen], watch=watch)

    def notes(self, canvas: Canvas, seen: Sequence[Placed], strength: float) -> tuple[SubjectNote, ...]:
        """What a recipe notes about the subjects in the regions of a canvas; errors as in `paint_canvas`."""
        require_subjects(canvas, [number for number, _ in seen])
        return tuple(
            self._note(each, region_words(canvas, number, each.noun), number, strength)
            for number, each in seen
        )

    def painted(
        self,
        recipe: PaintRecipe,
        seen: Sequence[SeenSubject],
        below: Pictures.Image | None = None,
        watch: Watch | None = None,
    ) -> list[Painting]:
        """The batch of a recipe.

        Args:
            recipe: notes every subject.
            seen: what each note is of, in their order.
            below: the picture that painting begins from, or a part of which is painted anew.
            watch: who is told about the steps and may stop them.

        Raises:
            UnsupportedError: the guidance knows no subjects.
            UsageError: settings do not fit.
        """
        if not recipe.subjects:
            return self.engine.painted(recipe, below, watch)
        canvas = recipe.canvas
        places = [condition.region for condition in canvas.conditions]
        subjects = [
            self._subject(each, note, places.index(canvas.regions[note.region - 1]) if note.region else 0)
            for note, each in zip(recipe.subjects, seen, strict=True)
        ]
        prompts: Sequence[RegionPrompt] = prompts_of(canvas, style_named(recipe.style))
        whole = recipe.subjects[0]
        if not whole.region:
            text = f"photo of a {whole.noun}. {whole.prompt}" if self._opening else whole.prompt
            prompts = [RegionPrompt(WHOLE, (text,))]
        cast = Cast(self.adapter, tuple(subjects), follows=self._follows)
        return self.engine.painted(recipe, below, watch, prompts=prompts, cast=cast)

    def _subject(self, seen: SeenSubject, note: SubjectNote, place: int) -> Subject:
        painter = self.engine.painter
        tokens = self.eyes.tokens(seen.reference, seen.noun, note.prompt)
        tokens = tokens.to(painter.device, painter.plan.precision.model)
        # without features of the reference, its tokens are all that can count more or less
        scale = 1.0 if self.adapter.references else note.strength
        return Subject(
            seen.noun, tokens, seen.features, strength=note.strength, token_scale=scale, region=place
        )

    def _note(self, seen: SeenSubject, prompt: str, region: int, strength: float) -> SubjectNote:
        note = SubjectNote(
            noun=seen.noun,
            prompt=prompt,
            region=region,
            strength=strength,
            reference=pixel_digest(seen.reference.image),
            mask=pixel_digest(Pictures.fromarray(seen.reference.mask)),
            seed=seen.seed,
            adapter=self.name,
            weights=self.weights,
        )
        origin = seen.origin
        if origin is None:
            return note
        # names without folders: a recipe tells nobody how a disk is laid out, and may open nothing elsewhere
        mask_file = "" if origin.mask is None else origin.mask.name
        how = {name: getattr(origin, name) for name in ("cutout", "fit", "threshold")}
        return replace(note, file=origin.file.name, mask_file=mask_file, **how)
