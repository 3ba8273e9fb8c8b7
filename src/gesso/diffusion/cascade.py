"""DeepFloyd IF: pictures in pixels, told by T5, small at first and enlarged twice.

The stages are diffusers' own pipelines (`pipelines/deepfloyd_if`), as the model was published; the third is
Stable Diffusion's x4 upscaler. Texts are encoded once, and T5 is away before a UNet comes.
Letters: B pictures, H x W pixels.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from diffusers import (
    IFImg2ImgPipeline,
    IFImg2ImgSuperResolutionPipeline,
    IFInpaintingPipeline,
    IFInpaintingSuperResolutionPipeline,
    IFPipeline,
    IFSuperResolutionPipeline,
)
from PIL import Image as Pictures
from torch import Tensor

from gesso.core.errors import UsageError
from gesso.diffusion.cascade_load import SecondStage, TextStage
from gesso.diffusion.cascade_settings import CascadeSettings
from gesso.diffusion.denoise import PaintingCancelledError
from gesso.diffusion.upscale import Step, Upscaler
from gesso.diffusion.upscale_settings import UpscaleSettings

__all__ = ["Cascade", "Given"]

SECOND_NOISE: Final = 250
"""Noise on the enlarged picture of the second stage, as in IF's own examples; inpainting has none."""

THIRD_NOISE: Final = 100
"""The same for the third stage."""

GRAIN: Final = 8
UNSAFE: Final[dict[str, Any]] = {
    "safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False
}  # fmt: skip
ENLARGED: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A picture to begin from: to be told anew, or within a mask of its size (white is painted)."""

    picture: Pictures.Image
    mask: Pictures.Image | None = None

    def __post_init__(self) -> None:
        """Refuse masks of another size, or of nothing."""
        if self.mask is None:
            return
        if self.mask.size != self.picture.size:
            raise UsageError(f"the mask is {self.mask.size} and the picture {self.picture.size}; they must "
                             "have one size")  # fmt: skip
        if np.asarray(self.mask.convert("L")).max() < 128:
            raise UsageError("the mask is empty; make white what is to be painted")


class Cascade:
    """Paints in up to three stages.

    Args:
        first: texts and small pictures.
        second: makes them four times as large; None leaves them small.
        third: the same once more.
        device: where all compute.

    Raises:
        UsageError: there is a third stage, but no second.
    """

    def __init__(
        self,
        first: TextStage,
        second: SecondStage | None,
        third: Upscaler | None,
        device: torch.device,
    ) -> None:
        if third is not None and second is None:
            raise UsageError("a third stage came without a second; give the second, or upscale the picture")
        self.device = device
        self._first, self._second, self._third = first, second, third

    @torch.no_grad()
    def paint(
        self, settings: CascadeSettings, given: Given | None = None, step: Step | None = None
    ) -> Pictures.Image:
        """A picture from a text, or from a given picture and a text.

        Args:
            settings: the text, and how.
            given: a picture to be told anew, as a whole or within a mask.
            step: called after each step with steps done and steps of the stage; True stops.

        Raises:
            PaintingCancelledError: `step` stopped it.
            UsageError: the GPU's memory does not suffice.
        """
        try:
            told = self._told(settings)
            small = self._small(settings, told, given, step)
            if self._second is None:
                return _picture(small)
            larger = self._larger(self._second, settings, told, small, given, step)
            return self._last(larger, settings, step)
        except torch.OutOfMemoryError as error:
            raise UsageError(f"the GPU's memory does not suffice ({error}); give a smaller vram") from error

    @torch.no_grad()
    def enlarge(
        self, settings: CascadeSettings, picture: Pictures.Image, step: Step | None = None
    ) -> Pictures.Image:
        """The second stage (and the third) alone, on a small picture; larger ones are made small first.

        Raises:
            UsageError: there is no second stage; others as in `paint`.
        """
        if self._second is None:
            raise UsageError("super-resolution wants the second stage; give one")
        side = int(self._second.unet.part.config["sample_size"]) // ENLARGED
        share = side / max(picture.size)
        size = [max(GRAIN, round(length * share / GRAIN) * GRAIN) for length in picture.size]
        fitted = picture.convert("RGB").resize((size[0], size[1]), Pictures.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.asarray(fitted, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        larger = self._larger(self._second, settings, self._told(settings), pixels, None, step)
        return self._last(larger, settings, step)

    def _told(self, settings: CascadeSettings) -> dict[str, Tensor | None]:
        """States of T5 for both branches of the guidance."""
        with self._first.encoder.there() as encoder:
            pipeline = IFPipeline(self._first.tokenizer, encoder, None, None, **UNSAFE)
            positive, negative = pipeline.encode_prompt(
                settings.prompt,
                # the stages have scales of their own, of which any may be guided
                do_classifier_free_guidance=True,
                negative_prompt=settings.negative_prompt,
                device=self.device,
            )
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}

    def _small(
        self, settings: CascadeSettings, told: dict[str, Tensor | None], given: Given | None,
        step: Step | None,
    ) -> Tensor:  # fmt: skip
        more: dict[str, Any] = {}
        kind: Any = IFPipeline
        if given is not None:
            kind, more = IFImg2ImgPipeline, {"image": given.picture, "strength": settings.strength}
        if given is not None and given.mask is not None:
            kind, more = IFInpaintingPipeline, {**more, "mask_image": given.mask}
        with self._first.unet.there() as unet:
            pipeline = kind(None, None, unet, self._first.scheduler, **UNSAFE)
            pipeline.set_progress_bar_config(disable=True)
            pixels: Tensor = pipeline(
                num_inference_steps=settings.steps,
                guidance_scale=settings.guidance_scale,
                generator=torch.Generator().manual_seed(settings.seed),
                output_type="pt",
                callback=_telling(step, settings.steps),
                **told,
                **more,
            ).images
        return pixels

    def _larger(
        self, stage: SecondStage, settings: CascadeSettings, told: dict[str, Tensor | None], pixels: Tensor,
        given: Given | None, step: Step | None,
    ) -> Pictures.Image:  # fmt: skip
        height, width = (ENLARGED * length for length in pixels.shape[2:])
        kind: Any = IFSuperResolutionPipeline
        more: dict[str, Any] = {"height": height, "width": width, "noise_level": SECOND_NOISE}
        if given is not None:
            kind = IFImg2ImgSuperResolutionPipeline
            more = {"original_image": given.picture, "strength": settings.strength,
                    "noise_level": SECOND_NOISE}  # fmt: skip
        if given is not None and given.mask is not None:
            kind = IFInpaintingSuperResolutionPipeline
            more = {**more, "mask_image": given.mask, "noise_level": 0}
        with stage.unet.there() as unet:
            pipeline = kind(None, None, unet, stage.scheduler, stage.noising, **UNSAFE)
            pipeline.set_progress_bar_config(disable=True)
            made: Tensor = pipeline(
                image=pixels,
                num_inference_steps=settings.second_steps,
                guidance_scale=settings.second_guidance_scale,
                generator=torch.Generator().manual_seed(settings.seed),
                output_type="pt",
                callback=_telling(step, settings.second_steps),
                **told,
                **more,
            ).images
        return _picture(made)

    def _last(self, picture: Pictures.Image, settings: CascadeSettings, step: Step | None) -> Pictures.Image:
        if self._third is None:
            return picture
        how = UpscaleSettings(
            prompt=settings.prompt, negative_prompt=settings.negative_prompt, steps=settings.third_steps,
            guidance_scale=settings.third_guidance_scale, noise_level=THIRD_NOISE, seed=settings.seed,
        )  # fmt: skip
        return self._third.upscale(picture, how, step)


def _telling(step: Step | None, steps: int) -> Any:
    def told(done: int, _: Any, __: Any) -> None:
        if step is not None and step(done + 1, steps):
            raise PaintingCancelledError("painting was stopped; there is no picture")

    return told


def _picture(pixels: Tensor) -> Pictures.Image:
    """Pixels [1, 3, H, W], -1..1, as a picture."""
    values = ((pixels[0].float().cpu() / 2 + 0.5).clamp(0, 1) * 255).round()
    return Pictures.fromarray(values.permute(1, 2, 0).numpy().astype(np.uint8))
