"""Painting this subject: a reference is looked at once, then put into any number of new pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

import torch
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
from gesso.engines.paint_recipe import Painting, pixel_digest
from gesso.engines.paint_record import PaintRecipe, SubjectNote, made_here
from gesso.media.subjects import Fit, Reference, prepare_reference

__all__ = ["MODES", "Eyes", "Mode", "Personalizer", "SeenSubject", "strength_warning"]

Mode = Literal["context", "texture"]

MODES: Final[dict[Mode, tuple[float, float]]] = {"context": (1.0, 1.2), "texture": (0.4, 0.6)}
"""What changes about a subject: its usual strength, and the highest that works (bytedance/MoMA, README)."""

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
    """

    noun: str
    reference: Reference
    features: SubjectFeatures | None
    seed: int = 0


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
    ) -> None:
        self.engine = engine
        self.adapter = adapter
        self.eyes = eyes
        self.name = name
        self.weights = weights
        self.side = side
        self._opening = opening
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
        _require_named(seen.noun, prompt)
        settings = settings or self.engine.defaults
        canvas = Canvas(GlobalDescription(prompt, (), "", "white"))
        text = f"photo of a {seen.noun}. {prompt}" if self._opening else prompt
        cast = self._cast([self._subject(seen, prompt, 0, strength)])
        prompts = (RegionPrompt(WHOLE, (text,)),)
        notes = (self._note(seen, prompt, 0, strength),)
        recipe = self.engine.recipe(canvas, settings, style="sentences", subjects=notes)
        return self._painted(prompts, cast, recipe, watch)

    def paint_canvas(
        self,
        canvas: Canvas,
        seen: Sequence[tuple[int, SeenSubject]],
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
            settings: None takes the painter's defaults.
            strength: how much the references' features count.
            style: how the canvas is told.
            watch: who is told about the steps and may stop them.

        Raises:
            UsageError: a region is not there or does not name its subject, or settings do not fit.
            UnsupportedError: the guidance knows no subjects.
        """
        settings = settings or self.engine.defaults
        subjects, notes = [], []
        for number, each in seen:
            told = _told(canvas, number, each.noun)
            place = [region.region for region in canvas.conditions].index(canvas.regions[number - 1])
            subjects.append(self._subject(each, told, place, strength))
            notes.append(self._note(each, told, number, strength))
        prompts = prompts_of(canvas, style_named(style))
        recipe = self.engine.recipe(canvas, settings, style=style, subjects=tuple(notes))
        return self._painted(prompts, self._cast(subjects), recipe, watch)

    def _subject(self, seen: SeenSubject, prompt: str, region: int, strength: float) -> Subject:
        painter = self.engine.painter
        tokens = self.eyes.tokens(seen.reference, seen.noun, prompt)
        tokens = tokens.to(painter.device, painter.plan.precision.model)
        # without features of the reference, its tokens are all that can count more or less
        scale = 1.0 if self.adapter.references else strength
        return Subject(seen.noun, tokens, seen.features, strength=strength, token_scale=scale, region=region)

    def _cast(self, subjects: Sequence[Subject]) -> Cast:
        return Cast(self.adapter, tuple(subjects), follows=self.adapter.references)

    def _note(self, seen: SeenSubject, prompt: str, region: int, strength: float) -> SubjectNote:
        mask = Pictures.fromarray(seen.reference.mask)
        return SubjectNote(
            noun=seen.noun,
            prompt=prompt,
            region=region,
            strength=strength,
            reference=pixel_digest(seen.reference.image),
            mask=pixel_digest(mask),
            seed=seen.seed,
            adapter=self.name,
            weights=self.weights,
        )

    def _painted(
        self, prompts: Sequence[RegionPrompt], cast: Cast, recipe: PaintRecipe, watch: Watch | None
    ) -> list[Painting]:
        painter = self.engine.painter
        try:
            pictures = painter.paint(prompts, recipe.settings, cast=cast, watch=watch)
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"the GPU's memory does not suffice ({error}); choose a smaller size, batch or vram"
            ) from error
        made_with = made_here(str(painter.device), self.engine.info.vram)
        return [
            Painting.of(picture, replace(recipe, number=number, made_with=made_with))
            for number, picture in enumerate(pictures)
        ]


def strength_warning(mode: Mode, strength: float) -> str | None:
    """What to say of a strength that is too high for what is to change; None if it is not."""
    usual, highest = MODES[mode]
    if strength <= highest:
        return None
    return (
        f"strength {strength:g} is above {highest:g}: the reference's pixels may show through; for a new "
        f"{mode} {usual:g} is usual"
    )


def _require_named(noun: str, prompt: str) -> None:
    words = prompt.lower()
    if not all(word.lower() in words for word in noun.split()):
        raise UsageError(
            f"the prompt {prompt!r} does not contain the subject {noun!r}; name it there, as in "
            f'"a {noun} on the beach"'
        )


def _told(canvas: Canvas, number: int, noun: str) -> str:
    """What a canvas says of a region, with its background, as one prompt."""
    if not 1 <= number <= len(canvas.regions):
        raise UsageError(
            f"subject {noun!r} is for region {number}, and the canvas has {len(canvas.regions)}; count "
            "regions from 1, in the order of the program"
        )
    told = canvas.regions[number - 1].description
    _require_named(noun, told)
    return f"{told.rstrip('.')}, {canvas.background.description}"
