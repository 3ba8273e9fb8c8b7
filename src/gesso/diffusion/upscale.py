"""Pictures four times as large: Stable Diffusion's x4 upscaler, told by a text (arXiv 2112.10752).

The model is diffusers' own `StableDiffusionUpscalePipeline`; here stand its loading, which fetches nothing,
its memory, and pictures of any size, by tiles.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionUpscalePipeline, UNet2DConditionModel
from PIL import Image as Pictures
from transformers import CLIPTextModel

from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.denoise import PaintingCancelledError
from gesso.diffusion.files import read_object, read_tokenizer
from gesso.diffusion.load import read_encoder, read_part, read_scheduler
from gesso.diffusion.memory import MemoryPlan, plan_memory
from gesso.diffusion.tiles import by_tiles
from gesso.diffusion.upscale_settings import UpscaleSettings

__all__ = ["Step", "Upscaler", "place_pipeline"]

PIPELINE: Final = "StableDiffusionUpscalePipeline"

GRAIN: Final = 8
"""Sides are filled up to multiples of this many pixels while a tile is worked on; the UNet halves thrice."""

OVERLAP: Final = 32

SCALING: Final = 0.08333
"""Of the upscaler's latents; early folders do not tell it."""

Step = Callable[[int, int], bool]
"""Called after each step with steps done and steps in all; True stops."""


class Upscaler:
    """Makes pictures larger.

    Args:
        pipeline: of diffusers, without safety checker and watermark.
        device: where it computes.
        plan: where its parts wait.
    """

    def __init__(
        self, pipeline: StableDiffusionUpscalePipeline, device: torch.device, plan: MemoryPlan
    ) -> None:
        self.scale: int = pipeline.vae_scale_factor
        self.device = device
        self._pipeline = pipeline
        place_pipeline(pipeline, device, plan)

    @classmethod
    def load(cls, folder: Path, *, device: torch.device | str = "cpu", vram: int | None = None) -> Self:
        """From a diffusers folder. A safety checker or watermark that lies there is neither loaded nor run.

        Raises:
            CheckpointError: files are missing or damaged.
            UnsupportedError: it is a pipeline of another kind.
            UsageError: the memory cannot be planned for.
        """
        index = read_object(folder / "model_index.json")
        if index.get("_class_name") != PIPELINE:
            raise UnsupportedError(f"{folder} is a {index.get('_class_name')}, and upscaling wants a "
                                   f"{PIPELINE}, such as stable-diffusion-x4-upscaler")  # fmt: skip
        place = torch.device(device)
        numbers = plan_memory(place, {}).precision
        vae = read_part(AutoencoderKL, folder / "vae", numbers.vae)
        vae.register_to_config(scaling_factor=SCALING)
        parts: dict[str, Any] = {
            "vae": vae,
            "unet": read_part(UNet2DConditionModel, folder / "unet", numbers.model),
            "text_encoder": read_encoder(CLIPTextModel, folder / "text_encoder", numbers.model),
        }
        counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
        pipeline = StableDiffusionUpscalePipeline(
            **parts,
            tokenizer=read_tokenizer(folder / "tokenizer"),
            low_res_scheduler=read_scheduler(folder / "low_res_scheduler"),
            scheduler=read_scheduler(folder / "scheduler"),
        )
        return cls(pipeline, place, plan_memory(place, counts, vram))

    def upscale(
        self, picture: Pictures.Image, settings: UpscaleSettings, step: Step | None = None
    ) -> Pictures.Image:
        """A larger picture, by `scale` times.

        Args:
            picture: RGB, of any size.
            settings: how.
            step: told about the steps of all tiles.

        Raises:
            PaintingCancelledError: `step` stopped it.
            UsageError: the GPU's memory does not suffice.
        """

        def work(tile: Pictures.Image, number: int) -> Pictures.Image:
            return self._tile(tile, settings, number, step)

        try:
            return by_tiles(
                picture.convert("RGB"), work, tile=settings.tile, overlap=OVERLAP, scale=self.scale
            )
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"the GPU's memory does not suffice ({error}); choose a smaller tile or vram"
            ) from error

    def _tile(
        self, tile: Pictures.Image, settings: UpscaleSettings, number: int, step: Step | None
    ) -> Pictures.Image:
        def told(done: int, _: Any, __: Any) -> None:
            if step is not None and step(done + 1, settings.steps):
                raise PaintingCancelledError("upscaling was stopped; there is no picture")

        made = self._pipeline(
            prompt=settings.prompt,
            image=_filled(tile),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            noise_level=settings.noise_level,
            negative_prompt=settings.negative_prompt,
            generator=torch.Generator().manual_seed((settings.seed + number) % 2**63),
            callback=told,
        ).images[0]
        width, height = tile.size
        cut: Pictures.Image = made.crop((0, 0, width * self.scale, height * self.scale))
        return cut


def place_pipeline(pipeline: Any, device: torch.device, plan: MemoryPlan) -> None:
    """Lay out a pipeline of diffusers as a plan says, and keep it from printing."""
    pipeline.set_progress_bar_config(disable=True)
    if plan.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif plan.offload == "leaf":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    if plan.vae_tiling:
        pipeline.vae.enable_tiling()


def _filled(tile: Pictures.Image) -> Pictures.Image:
    """A tile with its last rows and columns repeated up to multiples of `GRAIN`."""
    pixels = np.asarray(tile)
    missing = [(0, -length % GRAIN) for length in pixels.shape[:2]]
    return Pictures.fromarray(np.pad(pixels, [*missing, (0, 0)], mode="edge"))
