"""From a canvas to a picture that knows how it was painted: paint, paint a region anew, paint once more."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from PIL import Image as Pictures

from gesso.canvas.canvas import Box, Canvas
from gesso.canvas.layout import canvas_picture
from gesso.canvas.styles import style_named
from gesso.config.load import build
from gesso.core.errors import UnknownNameError, UsageError
from gesso.diffusion.conditions import RegionPrompt, prompts_of
from gesso.diffusion.denoise import Watch
from gesso.diffusion.guide_subject import Cast
from gesso.diffusion.latents import Inpaint
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import PaintSettings
from gesso.engines.paint_boxes import changed_boxes, white_boxes
from gesso.engines.paint_checks import require_subjects
from gesso.engines.paint_recipe import Painting, pixel_digest, source_of
from gesso.engines.paint_record import PaintModelInfo, PaintRecipe, made_here, model_told

__all__ = ["PaintEngine", "PaintModelInfo", "changed_boxes"]


class PaintEngine:
    """Paints canvases with one model.

    Args:
        painter: the model.
        info: what recipes note about it.
        defaults: settings of pictures that bring none of their own.
    """

    def __init__(self, painter: Painter, info: PaintModelInfo, defaults: PaintSettings) -> None:
        self.painter = painter
        self.info = info
        self.defaults = defaults

    def settings(
        self, options: Mapping[str, Any], *, others: PaintSettings | None = None, style: str | None = None
    ) -> PaintSettings:
        """Settings from options.

        Args:
            options: fields of `PaintSettings` by name; `hires` also as a mapping.
            others: what holds where no option is given; None takes the model's own settings.
            style: a style that is newly chosen: its negative prompt holds where none is given.

        Raises:
            UnknownNameError: there is no such option, style, guidance or sampler.
            UsageError: a value is out of range or of the wrong type.
        """
        values = {each.name: getattr(others or self.defaults, each.name) for each in fields(PaintSettings)}
        for name in options:
            if name not in values:
                raise UnknownNameError("setting of a picture", name, values)
        negative = None if style is None else style_named(style).negative
        if negative is not None:
            values["negative_prompt"] = negative
        return build(PaintSettings, {**values, **options}, where="")

    def paint(
        self,
        canvas: Canvas,
        settings: PaintSettings | None = None,
        *,
        style: str = "sentences",
        picture: Pictures.Image | None = None,
        watch: Watch | None = None,
    ) -> list[Painting]:
        """Paint a canvas.

        Args:
            canvas: what to paint.
            settings: None takes the model's defaults. With a strength below 1, painting begins from the
                canvas's colours, or from `picture` if there is one.
            style: how the canvas is told, a name of `gesso.canvas.styles`.
            picture: what to begin from; it is stretched to the size of the settings.
            watch: who is told about the steps and may stop them.

        Returns:
            One painting for each of the batch.

        Raises:
            UsageError: settings do not fit each other, the model or the machine's memory, or the canvas has
                subjects, which a painter alone does not look at.
            UnknownNameError: there is no such style.
            PaintingCancelledError: `watch` stopped it.
        """
        require_subjects(canvas, [])
        settings = settings or self.settings({}, style=style)
        start = "noise" if settings.strength == 1 else "canvas"
        recipe = self.recipe(canvas, settings, style=style, start=start)
        if picture is not None:
            if settings.strength == 1:
                raise UsageError("a picture to begin from came, but strength is 1, which paints over all of "
                                 "it; choose one below, such as 0.6")  # fmt: skip
            recipe = replace(recipe, start="picture", source=pixel_digest(picture))
        return self.painted(recipe, picture, watch)

    def repaint(
        self,
        painting: Painting,
        boxes: Sequence[Box] | None = None,
        settings: PaintSettings | None = None,
        *,
        canvas: Canvas | None = None,
        style: str | None = None,
        feather: int = 8,
        watch: Watch | None = None,
    ) -> Painting:
        """Paint boxes of a picture anew; every pixel outside them stays as it is.

        Args:
            painting: the picture.
            boxes: in cells of the canvas, such as `Region.box`; None takes those of `changed_boxes`.
            settings: of the new part, at the picture's size; None takes `Painting.part_settings`. With a
                strength below 1, the part begins from what is there.
            canvas: what the picture is to show now; None leaves it.
            style: how the canvas is told; None leaves it.
            feather: width of the soft border inside the boxes, in pixels.
            watch: as in `paint`.

        Raises:
            UsageError: there is no box, the settings do not fit, or another model painted the picture.
            PaintingCancelledError: `watch` stopped it.
        """
        now = canvas or painting.recipe.canvas
        require_subjects(now, [])
        recipe = self.part_recipe(painting, boxes, settings, canvas=now, style=style, feather=feather)
        return self.painted(recipe, painting.image, watch)[0]

    def remake(
        self, recipe: PaintRecipe, *, source: Pictures.Image | None = None, watch: Watch | None = None
    ) -> Painting:
        """Paint a picture once more by its recipe, after every picture it was painted on.

        A picture that was made larger becomes what it was before.

        Whether the pixels are the same, `Painting.recipe.pixels` tells.

        Args:
            recipe: how it was painted.
            source: the picture that the first of them began from, if it did from one.
            watch: as in `paint`.

        Raises:
            UsageError: the recipe is another model's, wants a picture that did not come, or none that did.
        """
        recipe = recipe.painted
        self.require_same(recipe)
        if any(each.subjects for each in recipe.history):
            raise UsageError("the picture shows subjects by references, which a painter alone does not look "
                             "at; paint it with gesso paint, or remake_with_subjects")  # fmt: skip
        below = source_of(recipe, source)
        for each in recipe.history:
            painting = self.painted(each, below, watch)[each.number]
            below = painting.image
        return painting

    def painted(
        self,
        recipe: PaintRecipe,
        below: Pictures.Image | None = None,
        watch: Watch | None = None,
        *,
        prompts: Sequence[RegionPrompt] | None = None,
        cast: Cast | None = None,
    ) -> list[Painting]:
        """The batch of a recipe of this model, painted over what lies below, if anything does.

        Args:
            recipe: how.
            below: the picture that painting begins from, or a part of which is painted anew.
            watch: as in `paint`.
            prompts: what is told; None tells the canvas.
            cast: subjects that are to be in it.
        """
        inpaint = None
        if recipe.before is not None and below is not None:
            inpaint = Inpaint(below, white_boxes(recipe.boxes, below.size), recipe.feather)
        try:
            pictures = self.painter.paint(
                prompts_of(recipe.canvas, style_named(recipe.style)) if prompts is None else prompts,
                recipe.settings,
                initial_latent=self._start(recipe, below),
                inpaint=inpaint,
                cast=cast,
                watch=watch,
            )
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"the GPU's memory does not suffice ({error}); choose a smaller size, batch or vram"
            ) from error
        made_with = made_here(str(self.painter.device), self.info.vram)
        return [
            Painting.of(picture, replace(recipe, number=number, made_with=made_with))
            for number, picture in enumerate(pictures)
        ]

    def _start(self, recipe: PaintRecipe, below: Pictures.Image | None) -> torch.Tensor | None:
        """The latent that painting begins from; None for noise alone."""
        size = recipe.settings.size
        if recipe.start == "canvas":
            colours = Pictures.fromarray(canvas_picture(recipe.canvas))
            return self.painter.canvas_latent(colours, size)
        if recipe.start == "picture" and below is not None:
            return self.painter.picture_latent(below, size)
        return None

    def recipe(self, canvas: Canvas, settings: PaintSettings, **more: Any) -> PaintRecipe:
        """A recipe that is this model's."""
        info = self.info
        return PaintRecipe(
            canvas=canvas,
            settings=settings,
            painter=info.name,
            weights=info.weights,
            loras=info.loras,
            tokenizer=info.tokenizer,
            **more,
        )

    def part_recipe(
        self,
        painting: Painting,
        boxes: Sequence[Box] | None,
        settings: PaintSettings | None,
        *,
        canvas: Canvas,
        style: str | None = None,
        feather: int = 8,
    ) -> PaintRecipe:
        """The recipe of a picture parts of which are painted anew; arguments and errors as in `repaint`."""
        before = painting.recipe
        if before.upscaled:
            raise UsageError("the picture was made larger after it was painted; repaint it as it was before, "
                             "and upscale it then")  # fmt: skip
        self.require_same(before)
        return self.recipe(
            canvas,
            settings or painting.part_settings(canvas),
            style=style or before.style,
            start="picture",
            source=pixel_digest(painting.image),
            before=before,
            boxes=tuple(changed_boxes(before.canvas, canvas) if boxes is None else boxes),
            feather=feather,
            wish=before.wish,
            planner=before.planner,
        )

    def require_same(self, recipe: PaintRecipe) -> None:
        """Refuse recipes of other weights: the picture would be another one.

        Raises:
            UsageError: names both models.
        """
        for each in recipe.history:
            if each.weights != self.info.weights:
                theirs = model_told(each.painter, each.loras, each.weights)
                ours = model_told(self.info.name, self.info.loras, self.info.weights)
                raise UsageError(f"the picture was painted by {theirs}, and this is {ours}; load the same "
                                 "model and LoRAs, or paint the canvas of the picture anew, with settings "
                                 "such as another seed")  # fmt: skip
