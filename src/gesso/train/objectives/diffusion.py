"""Latents from noise and texts: a UNet of SDXL's or SD 1.5's shape that paints the storybook.

Half of what it must learn is where things are: most pictures are told by the regions of their canvas program,
read through the same attention as the painter's, and the rest by one text for the whole picture.

Letters: B pictures, C channels of the latent, h x w its size, W windows of text, T ids of a window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from rich.markup import escape
from torch import Tensor, nn

from gesso.canvas.canvas import Condition
from gesso.config.schema import DiffusionSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.latents import latent_factor
from gesso.diffusion.load import read_part
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.parts import PaintModel
from gesso.diffusion.save import save_folder
from gesso.diffusion.schedule import TRAINED
from gesso.train.ema import average_of
from gesso.train.latents import LatentStore
from gesso.train.objectives.sizes import arguments_of
from gesso.train.painter_start import attention_layers, begin_unet
from gesso.train.painter_texts import PainterTexts
from gesso.train.pictures import BACKGROUND, PictureStore
from gesso.train.prompts import Form, Windows, drawn_conditions
from gesso.train.regions import BatchReading

__all__ = ["DiffusionBatch", "DiffusionObjective", "min_snr_weights", "timestep_sample"]

STEPS: Final = int(TRAINED["num_train_timesteps"])
PROJECTED: Final[Mapping[str, bool]] = {
    "regions": False,
    "kinds": False,
    "description": True,
    "caption": True,
    "placed": True,
}
"""Form of the text -> whether the pooled state is the projected one; as `Painter` chooses."""


@dataclass(frozen=True, slots=True)
class DiffusionBatch:
    """What one step learns from.

    Attributes:
        latents: [B, C, h, w] without noise.
        noise: [B, C, h, w].
        timesteps: [B].
        weights: [B, 1, h, w] of the cells, 1 on average.
        ids: [W, T] of all windows, those of a picture next to each other.
        boxes: [W, 4] their places in cells of the canvas.
        counts: [B] windows of each picture.
        projected: [B] whether the pooled state is the projected one.
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    weights: Tensor
    ids: Tensor
    boxes: Tensor
    counts: Tensor
    projected: Tensor


class DiffusionObjective:
    """A UNet that tells noise from latents, given texts (arXiv 2006.11239, eq. 14)."""

    def __init__(self, recipe: Recipe) -> None:
        self.settings, self.data = recipe.diffusion or DiffusionSettings(), recipe.data
        self.vae = _autoencoder(recipe)
        pictures = PictureStore.of(recipe.data, latent_factor(self.vae))
        self.latents = LatentStore(Path(recipe.data.cache), pictures, self.vae)
        self.texts = PainterTexts.load(recipe)
        self.windows = Windows(self.texts.tokenizer, self.settings.window)
        self.windows.check(self.texts.positions)
        self.unet = begin_unet(recipe, self.texts, self.windows) or _unet(
            recipe, self.latents.shape, self.texts
        )
        # a painter paints pictures of the size that it learned last
        self.unet.register_to_config(sample_size=self.latents.shape[1])
        install_processor(self.unet, eager=recipe.model.attention == "eager")
        self.average = average_of(self.unet, self.settings.average)
        # the encoders learn nothing, but must be where the UNet is
        self.module: nn.Module = nn.ModuleDict(
            {"unet": self.unet, "average": self.average, "texts": self.texts.requires_grad_(False)}
        )
        self.scheduler = DDPMScheduler(**{**TRAINED, "prediction_type": self.settings.prediction})
        self._noise = NoiseModel(self.unet, (self.data.size, self.data.size), torch.float32)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The attention layers, and the rest of the UNet; the encoders are frozen."""
        return {"attention": attention_layers(self.unet), "unet": self.unet}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.latents.pictures.count

    def batch(self, examples: list[int], number: int) -> DiffusionBatch:
        """Latents under noise, and what tells them."""
        forms, windows, boxes, counts = [], [], [], []
        for index in examples:
            form, told = self._told(index, number)
            made = [(window, one.box) for one in told for window in self.windows.of(one)]
            windows += [window for window, _ in made]
            boxes += [box for _, box in made]
            forms.append(form)
            counts.append(len(made))
        latents = self.latents.batch(examples)
        # of the number alone, so that processes side by side and resumed runs draw what they should
        random = np.random.default_rng([self.data.seed, number])
        noise = random.standard_normal(latents.shape, np.float32)
        return DiffusionBatch(
            latents=latents,
            noise=torch.from_numpy(noise),
            timesteps=torch.from_numpy(timestep_sample(random, len(examples))),
            weights=self._cell_weights(examples),
            ids=torch.tensor(windows),
            boxes=torch.tensor(boxes),
            counts=torch.tensor(counts),
            projected=torch.tensor([PROJECTED.get(form, bool(random.integers(2))) for form in forms]),
        )

    def loss(self, batch: DiffusionBatch) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction, weighed by noise level and cell."""
        noised = self.scheduler.add_noise(batch.latents, batch.noise, batch.timesteps)
        target = batch.noise
        if self.settings.prediction == "v_prediction":
            target = self.scheduler.get_velocity(batch.latents, batch.noise, batch.timesteps)
        error = ((self._predict(noised, batch) - target).square() * batch.weights).mean(dim=(1, 2, 3))  # [B]
        weights = min_snr_weights(self.scheduler, batch.timesteps, self.settings)
        loss = (weights * error).mean()
        figures = {"error": float(error.detach().mean()), "windows": len(batch.ids) / len(batch.counts)}
        return loss, {"tokens": len(batch.counts), **figures}

    def after_step(self) -> None:
        """Move the average."""
        self.average.update_parameters(self.unet)

    def show(self, example: int) -> str:
        """The texts of a picture with their places, and what is learned."""
        form, told = self._told(example, 0)
        lines = [f"picture {example}, told by {form}"]
        for condition in told:
            texts = " | ".join(escape(self._read(window)) for window in self.windows.of(condition))
            lines.append(f"rows {condition.box[0]}-{condition.box[1]}, "
                         f"columns {condition.box[2]}-{condition.box[3]}: [dim]{texts}[/dim]")  # fmt: skip
        channels, height, width = self.latents.shape
        lines.append(
            f"[green]the {self.settings.prediction} of its {channels} x {height} x {width} latent[/green]"
        )
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """A diffusers folder of the whole painter; its UNet is the average."""
        averaged = self.settings.average and int(self.average.n_averaged)
        unet = self.average.module if averaged else self.unet
        save_folder(
            PaintModel(unet, self.vae, self.texts.encoder(self.settings.window), dict(self.scheduler.config)),
            folder,
        )

    def _predict(self, noised: Tensor, batch: DiffusionBatch) -> Tensor:
        states, pooled = self.texts(batch.ids, batch.counts, batch.projected)
        reading = BatchReading(states, batch.boxes, batch.counts)
        return self._noise(noised, batch.timesteps, [reading], pooled)

    def _told(self, index: int, number: int) -> tuple[Form, tuple[Condition, ...]]:
        """How a picture is told this time."""
        scene, rng = self.latents.pictures.scene(index), Random(f"{self.data.seed}/{number}/{index}")
        return drawn_conditions(scene, self.settings, self.data.chinese, rng)

    def _cell_weights(self, examples: list[int]) -> Tensor:
        """[B, 1, h, w] of each cell, more where it shows a thing, 1 on average."""
        grids = torch.from_numpy(np.stack([self.latents.pictures.grid(index) for index in examples]))
        weights = 1 + self.settings.things * (grids != BACKGROUND).float()[:, None]
        return weights / weights.mean()

    def _read(self, window: list[int]) -> str:
        end = window.index(self.texts.tokenizer.eos_token_id)
        return str(self.texts.tokenizer.decode(window[1:end]))


def min_snr_weights(scheduler: DDPMScheduler, timesteps: Tensor, settings: DiffusionSettings) -> Tensor:
    """Weights [B] that make the error of the clean latent count min(SNR, gamma).

    The error of the noise is SNR times that of the clean latent, the error of the velocity SNR + 1 times.
    Without a gamma, errors of what is predicted count alike at all levels. Source: min-SNR, arXiv 2303.09556,
    section 3.4.
    """
    if not settings.snr_gamma:
        return torch.ones(len(timesteps), device=timesteps.device)
    snr = compute_snr(scheduler, timesteps)
    share = snr if settings.prediction == "epsilon" else snr + 1
    weights: Tensor = snr.clamp(max=settings.snr_gamma) / share
    return weights


def timestep_sample(random: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """One timestep from each of `count` equal stretches, so that no batch misses a noise level by chance.

    arXiv 2107.00630, appendix I.1; there the whole grid is moved at once.
    """
    shares = (np.arange(count) + random.random(count)) / count
    return random.permutation((shares * STEPS).astype(np.int64))


def _autoencoder(recipe: Recipe) -> AutoencoderKL:
    folder = recipe.model.autoencoder
    if folder is None or not Path(folder).is_dir():
        raise ConfigError(f"model.autoencoder {folder} is no folder; train its recipe first")
    vae = read_part(AutoencoderKL, Path(folder), torch.float32)
    # pictures are encoded while batches are made; workers have no GPU of their own
    return vae.to("cuda" if torch.cuda.is_available() and not recipe.run.workers else "cpu")


def _unet(recipe: Recipe, latent: tuple[int, int, int], texts: PainterTexts) -> UNet2DConditionModel:
    """A new UNet; what follows from latents and texts need not be in the recipe."""
    sizes = arguments_of(recipe, "unet", UNet2DConditionModel)
    common: dict[str, Any] = {
        "sample_size": latent[1],
        "in_channels": latent[0],
        "out_channels": latent[0],
        "cross_attention_dim": texts.width,
        "use_linear_projection": True,
    }
    if texts.pooled_width:
        ids = sizes.get("addition_time_embed_dim", 32)
        common |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": ids,
            "projection_class_embeddings_input_dim": texts.pooled_width + 6 * ids,
        }
    return UNet2DConditionModel(**{**common, **sizes})
