"""A step open to every painter: pictures four times as large, which still know how they were painted."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from PIL import Image as Pictures

from gesso.core.digests import weights_digest
from gesso.diffusion.upscale import Step, Upscaler
from gesso.diffusion.upscale_settings import UpscaleSettings
from gesso.engines.builders import device_of
from gesso.engines.folders import folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.paint_recipe import Painting, pixel_digest
from gesso.engines.paint_record import PaintRecipe, UpscaleNote, made_here

__all__ = ["DEFAULT_UPSCALER", "UpscaleEngine", "load_upscaler", "settings_of"]

DEFAULT_UPSCALER: Final = "stabilityai/stable-diffusion-x4-upscaler"


class UpscaleEngine:
    """Makes pictures larger with one model.

    Args:
        upscaler: the model.
        name: what it was loaded as.
        weights: digest of its weights.
        vram: gigabytes of GPU memory it keeps within, if any.
    """

    def __init__(self, upscaler: Upscaler, name: str, weights: str, vram: int | None = None) -> None:
        self.upscaler = upscaler
        self.name = name
        self.weights = weights
        self._vram = vram

    def picture(
        self, picture: Pictures.Image, settings: UpscaleSettings | None = None, *, step: Step | None = None
    ) -> tuple[Pictures.Image, UpscaleNote]:
        """Any picture, larger, and what is to be noted about that.

        Args:
            picture: RGB, of any size.
            settings: None takes the defaults, without a prompt.
            step: called after each step with steps done and steps in all, for each tile; True stops.

        Raises:
            UsageError: the GPU's memory does not suffice.
            PaintingCancelledError: `step` stopped it.
        """
        settings = settings or UpscaleSettings()
        made = self.upscaler.upscale(picture, settings, step)
        note = UpscaleNote(
            **asdict(settings),
            model=self.name,
            weights=self.weights,
            source=pixel_digest(picture),
            made_with=made_here(str(self.upscaler.device), self._vram),
        )
        return made, note

    def painting(
        self, painting: Painting, settings: UpscaleSettings | None = None, *, step: Step | None = None
    ) -> Painting:
        """A painting, larger, with its recipe; without settings, it is told what the painting shows.

        Errors as in `picture`.
        """
        recipe = painting.recipe
        settings = settings or settings_of(recipe)
        made, note = self.picture(painting.image, settings, step=step)
        return Painting.of(made, replace(recipe, upscaled=(*recipe.upscaled, note)))


def settings_of(recipe: PaintRecipe) -> UpscaleSettings:
    """How a painting is made larger if nothing else is said: told what it shows, with its own seed."""
    told = recipe.wish or recipe.canvas.background.description
    return UpscaleSettings(prompt=told, seed=recipe.alone.seed)


def load_upscaler(
    name: str = DEFAULT_UPSCALER, options: LoadOptions | None = None, *, vram: int | None = None
) -> UpscaleEngine:
    """Load an upscaler.

    Args:
        name: a diffusers folder, or a repository of the Hub.
        options: device; the rest of them means nothing here.
        vram: gigabytes of GPU memory to stay within, as for painters.

    Raises:
        UnknownNameError: nothing has this name.
        CheckpointError: files are missing or damaged.
        UnsupportedError: it is a model of another kind.
        UsageError: the machine does not have what is asked for.
    """
    folder: Path = folder_of(name)
    upscaler = Upscaler.load(folder, device=device_of(options or LoadOptions()), vram=vram)
    return UpscaleEngine(upscaler, name, weights_digest(folder), vram)
