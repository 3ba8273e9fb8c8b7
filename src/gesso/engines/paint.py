"""From a canvas to a picture that knows how it was painted: paint, paint a region anew, paint once more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import torch
from PIL import Image as Pictures
from PIL import ImageChops

from gesso.canvas.canvas import WHOLE, Box, Canvas
from gesso.canvas.layout import box_mask, canvas_picture
from gesso.canvas.styles import style_named
from gesso.core.errors import UsageError
from gesso.diffusion.conditions import prompts_of
from gesso.diffusion.denoise import Watch
from gesso.diffusion.latents import Inpaint
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import PaintSettings
from gesso.engines.paint_recipe import Painting, PaintRecipe, pixel_digest

__all__ = ["PaintEngine", "PaintModelInfo", "changed_boxes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintModelInfo:
    """What a recipe notes about a model.

    Attributes:
        name: what it was loaded as.
        weights: digest of its weights.
        loras: paths of LoRAs with their strengths.
    """

    name: str
    weights: str
    loras: tuple[tuple[str, float], ...] = ()


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
            UsageError: settings do not fit each other or the model.
            UnknownNameError: there is no such style.
            PaintingCancelledError: `watch` stopped it.
        """
        settings = settings or self.defaults
        recipe = self._recipe(canvas, settings, style)
        if picture is not None:
            if settings.strength == 1:
                raise UsageError("a picture to begin from came, but strength is 1, which paints over all of "
                                 "it; choose one below, such as 0.6")  # fmt: skip
            recipe = replace(recipe, start="picture", source=pixel_digest(picture))
        return self._painted(recipe, picture, watch)

    def repaint(
        self,
        painting: Painting,
        boxes: Sequence[Box],
        settings: PaintSettings,
        *,
        canvas: Canvas | None = None,
        feather: int = 8,
        watch: Watch | None = None,
    ) -> Painting:
        """Paint boxes of a picture anew; every pixel outside them stays as it is.

        Args:
            painting: the picture.
            boxes: in cells of the canvas, such as `Region.box`, or those of `changed_boxes`.
            settings: of the new part; size and batch must be the picture's, and 1.
            canvas: what the picture is to show now; None leaves it.
            feather: width of the soft border inside the boxes, in pixels.
            watch: as in `paint`.

        Raises:
            UsageError: there is no box, or the settings do not fit.
            PaintingCancelledError: `watch` stopped it.
        """
        canvas = canvas or painting.recipe.canvas
        if settings.batch != 1:
            raise UsageError(f"batch is {settings.batch}; parts are painted anew one at a time, set it to 1")
        recipe = replace(
            self._recipe(canvas, settings, painting.recipe.style),
            start="noise",
            before=painting.recipe,
            boxes=tuple(boxes),
            feather=feather,
            wish=painting.recipe.wish,
            planner=painting.recipe.planner,
        )
        return self._painted(recipe, painting.image, watch)[0]

    def remake(
        self, recipe: PaintRecipe, *, source: Pictures.Image | None = None, watch: Watch | None = None
    ) -> Painting:
        """Paint a picture once more by its recipe, with everything it was painted on.

        Whether the pixels are the same, `Painting.recipe.pixels` tells.

        Args:
            recipe: how it was painted.
            source: the picture it began from, where `recipe.start` or that of a picture before is "picture".
            watch: as in `paint`.

        Raises:
            UsageError: the recipe is another model's, or wants a picture that did not come.
        """
        self._require_same(recipe)
        below = source
        if recipe.before is not None:
            below = self.remake(recipe.before, source=source, watch=watch).image
        elif recipe.start == "picture" and (source is None or pixel_digest(source) != recipe.source):
            raise UsageError("the picture began from another one, which its recipe does not hold; give the "
                             "same picture to begin from")  # fmt: skip
        return self._painted(recipe, below, watch)[recipe.number]

    def _painted(
        self, recipe: PaintRecipe, below: Pictures.Image | None, watch: Watch | None
    ) -> list[Painting]:
        """The batch of a recipe, painted over what lies below, if anything does."""
        prompts = prompts_of(recipe.canvas, style_named(recipe.style))
        inpaint = None
        if recipe.before is not None and below is not None:
            inpaint = Inpaint(below, _white_boxes(recipe.boxes, below.size), recipe.feather)
        pictures = self.painter.paint(
            prompts,
            recipe.settings,
            initial_latent=self._start(recipe, below),
            inpaint=inpaint,
            watch=watch,
        )
        return [
            Painting.of(picture, replace(recipe, number=number, made_with=self._made_with()))
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

    def _recipe(self, canvas: Canvas, settings: PaintSettings, style: str) -> PaintRecipe:
        return PaintRecipe(
            canvas=canvas,
            settings=settings,
            painter=self.info.name,
            weights=self.info.weights,
            loras=self.info.loras,
            style=style,
            start="noise" if settings.strength == 1 else "canvas",
        )

    def _require_same(self, recipe: PaintRecipe) -> None:
        """Refuse a recipe of other weights: the picture would be another one."""
        if (recipe.weights, recipe.loras) == (self.info.weights, self.info.loras):
            return
        raise UsageError(f"the picture was painted by {recipe.painter} with weights {recipe.weights}, and "
                         f"this is {self.info.name} with weights {self.info.weights}; load the same model, "
                         "or paint the picture's canvas instead of the picture")  # fmt: skip

    def _made_with(self) -> dict[str, Any]:
        versions = {name: version(name) for name in ("gesso", "torch", "diffusers", "transformers")}
        return {**versions, "device": str(self.painter.device), "threads": torch.get_num_threads()}


def changed_boxes(old: Canvas, new: Canvas) -> tuple[Box, ...]:
    """Where pictures of two canvases differ: boxes of regions that only one of them has, old and new.

    All of the canvas if the background changed, for it tells something about every region.
    """
    if old.background != new.background:
        return (WHOLE,)
    changed = [region for region in old.regions if region not in new.regions]
    changed += [region for region in new.regions if region not in old.regions]
    return tuple(dict.fromkeys(region.box for region in changed))


def _white_boxes(boxes: Sequence[Box], size: tuple[int, int]) -> Pictures.Image:
    """A picture that is white in some boxes and black elsewhere."""
    white = Pictures.new("L", size)
    for box in boxes:
        mask = Pictures.fromarray((box_mask(box) * 255).astype("uint8"))
        white = ImageChops.lighter(white, mask.resize(size, Pictures.Resampling.NEAREST))
    return white
