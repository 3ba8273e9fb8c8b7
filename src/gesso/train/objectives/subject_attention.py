"""MoMA's second stage: the layers by which a frozen UNet looks at a subject learn to paint it.

The UNet paints the picture of a pair while it reads the reference's features, the picture tokens of the first
stage's embedding, and the prompt (MoMA, arXiv 2404.05674, section 3.4). Where the painter follows its own
attention, training follows the picture's true mask, or nothing.

Letters: B examples, C channels of the latent, h x w its size, L text tokens, T picture tokens, D width.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import DDPMScheduler
from rich.markup import escape
from torch import Tensor, nn
from torch.nn import functional

from gesso.config.schema import DiffusionSettings, Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.guide_subject import EARLY
from gesso.diffusion.latents import draw_noise, generators_for, pixels_of
from gesso.diffusion.load import read_folder
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.schedule import TRAINED
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_latent import noised_reference, reference_latent
from gesso.diffusion.subjects import UNREAD
from gesso.models.base import Encoded
from gesso.models.moma.adapter_file import ADAPTER_FILES, AdapterFile, write_adapter
from gesso.models.moma.model import SubjectReader, SubjectWish
from gesso.models.moma.modules import PictureProjection
from gesso.models.moma.stage_file import read_mapping
from gesso.train.objectives.diffusion import min_snr_weights, timestep_sample
from gesso.train.objectives.subject_feature import load_language
from gesso.train.subject_reading import RawMemory, RowMemory, RowReading
from gesso.train.subjects import SubjectExample, subject_source

__all__ = ["AttentionBatch", "SubjectAttentionObjective"]

UNMASKED: Final = 0.2
"""Share of examples in which the subject counts everywhere, as in the painter's first step."""


@dataclass(frozen=True, slots=True)
class AttentionBatch:
    """What one step learns from.

    Attributes:
        wishes: reference on white, noun and prompt of each.
        pictures: [B, 3, H, W], -1..1.
        references: [B, 3, H, W], -1..1.
        noise: [B, C, h, w], for the pictures.
        draws: two of [B, C, h, w], for the references: of their latents, and of timestep 0.
        timesteps: [B].
        texts: [B, L] ids of the prompts.
        nouns: [B, L] ids of the bare nouns.
        masks: [B, rows, columns] of the references' subjects.
        places: [B, h, w], where the subject counts.
        shown: [B, 1, h, w], weight of each cell, 1 on average.
        dropped: [B], true where the example is without text and subject, which guidance needs.
    """

    wishes: tuple[Encoded, ...]
    pictures: Tensor
    references: Tensor
    noise: Tensor
    draws: tuple[Tensor, Tensor]
    timesteps: Tensor
    texts: Tensor
    nouns: Tensor
    masks: Tensor
    places: Tensor
    shown: Tensor
    dropped: Tensor


class SubjectAttentionObjective:
    """An adapter and a projection learn beside a frozen UNet (arXiv 2006.11239, eq. 14)."""

    def __init__(self, recipe: Recipe) -> None:
        self.settings, self.data = recipe.diffusion or DiffusionSettings(), recipe.data
        self.source = subject_source(recipe.data)
        if recipe.model.init is None or not Path(recipe.model.init).is_dir():
            raise ConfigError(f"model.init {recipe.model.init} is no folder; give that of a painter")
        self.painter = read_folder(Path(recipe.model.init))
        install_processor(self.painter.unet, eager=recipe.model.attention == "eager")
        self._names = {"language": str(recipe.model.language), "painter": recipe.model.init}
        if recipe.model.features is None:
            raise ConfigError("model.features is missing; give the folder of the first stage")
        self.reader = SubjectReader(
            load_language(recipe.model.language), read_mapping(Path(recipe.model.features))
        )
        self.adapter = SubjectAdapter(self.painter.unet)
        embedding = self.reader.mapping.down_proj.out_features
        self.projection = PictureProjection(embedding, self.painter.unet.config["cross_attention_dim"])
        frozen = nn.ModuleList(
            [self.painter.unet, self.painter.vae, *self.painter.text.encoders, self.reader.chat.module]
        )
        frozen.append(self.reader.mapping)
        frozen.requires_grad_(False).eval()
        self.module: nn.Module = nn.ModuleDict(
            {"attention": self.adapter, "projection": self.projection, "frozen": frozen}
        )
        config = {**TRAINED, "prediction_type": self.painter.scheduler.get("prediction_type", "epsilon")}
        self.scheduler = DDPMScheduler(**config)
        self._noise = NoiseModel(self.painter.unet, (self.data.size, self.data.size), torch.float32)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What learns."""
        return {"attention": self.adapter, "projection": self.projection}

    @property
    def examples(self) -> int:
        """Different examples."""
        return self.source.count

    def batch(self, examples: list[int], number: int) -> AttentionBatch:
        """Pictures, references, and what tells them; encoded where the model is, with the loss."""
        found = [self.source.example(index) for index in examples]
        random = np.random.default_rng([self.data.seed, number])
        pictures = torch.cat([pixels_of(each.target) for each in found])
        shape = self._latent_shape(pictures)
        draws = [draw_noise(generators_for(int(random.integers(2**31)), len(found)), shape) for _ in range(2)]
        masks = torch.from_numpy(np.stack([each.target_mask for each in found]))[:, None].float()
        places = functional.adaptive_max_pool2d(masks, shape[1:])  # [B, 1, h, w]
        shown = 1 + self.settings.things * places
        everywhere = torch.from_numpy(random.random(len(found)) < UNMASKED)
        dropped = torch.from_numpy(random.random(len(found)) < self.settings.dropout)
        texts = [self._text(each) for each in found]
        told = ["" if gone else text for text, gone in zip(texts, dropped.tolist(), strict=True)]
        return AttentionBatch(
            wishes=tuple(self._wish(each) for each in found),
            pictures=pictures,
            references=torch.cat([pixels_of(each.reference.image) for each in found]),
            noise=torch.from_numpy(random.standard_normal((len(found), *shape), np.float32)),
            draws=(draws[0], draws[1]),
            timesteps=torch.from_numpy(timestep_sample(random, len(found))),
            texts=self._ids(told),
            nouns=self._ids([each.noun for each in found]),
            masks=torch.from_numpy(np.stack([each.reference.mask for each in found])),
            places=torch.where(everywhere[:, None, None], 1.0, places[:, 0]),
            shown=shown / shown.mean(),
            dropped=dropped,
        )

    def loss(self, batch: AttentionBatch) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction, weighed by noise level and cell."""
        latents = reference_latent(self.painter.vae, batch.pictures, torch.zeros_like(batch.noise))
        noised = self.scheduler.add_noise(latents, batch.noise, batch.timesteps)
        target = batch.noise
        if self.scheduler.config["prediction_type"] == "v_prediction":
            target = self.scheduler.get_velocity(latents, batch.noise, batch.timesteps)
        predicted = self._predict(noised, batch)
        error = ((predicted - target).square() * batch.shown).mean(dim=(1, 2, 3))  # [B]
        loss = (min_snr_weights(self.scheduler, batch.timesteps, self.settings) * error).mean()
        scale = torch.stack(
            [p.detach() for name, p in self.adapter.named_parameters() if name.endswith("scale_learnable")]
        )
        figures = {"error": float(error.detach().mean()), "scale": float(scale.mean())}
        return loss, {"tokens": len(batch.wishes), **figures}

    def show(self, example: int) -> str:
        """The words of an example."""
        found = self.source.example(example)
        return f"[dim]{escape(self._text(found))}[/dim]\n[green]its picture[/green]"

    def save(self, folder: Path) -> None:
        """A folder that `gesso personalize --adapter` reads; it names the language model and the painter."""
        folder.mkdir(parents=True, exist_ok=True)
        write_adapter(
            folder / ADAPTER_FILES[0],
            AdapterFile(self.reader.mapping, self.projection, self.adapter.tensors()),
        )
        places: dict[str, Any] = {n: Path(place).resolve().as_posix() for n, place in self._names.items()}
        places["opening"] = self.settings.opening
        (folder / "moma.json").write_text(json.dumps(places, indent=2) + "\n", encoding="utf-8")

    def _predict(self, noised: Tensor, batch: AttentionBatch) -> Tensor:
        with torch.no_grad():
            raw = RawMemory()
            sampled = reference_latent(self.painter.vae, batch.references, batch.draws[0])
            known = noised_reference(sampled, batch.draws[1])
            texts, nouns = self._states(batch.texts), self._states(batch.nouns)[:, :-UNREAD]
            first = torch.zeros(len(noised), dtype=torch.long, device=noised.device)
            reading = RowReading(nouns, nouns, torch.zeros_like(batch.places), self.adapter)
            self._noise(known, first, [reading], memory=raw)
            embedded = self.reader.embed(batch.wishes)  # [B, E]
        kept = (~batch.dropped)[:, None].to(embedded)
        tokens = self.projection((embedded * kept).to(self.projection.proj.weight))  # [B, T, D]
        early = (batch.timesteps >= EARLY)[:, None, None]
        weights = torch.where(early, 0.0, batch.places)
        memory = RowMemory(raw.layers, batch.masks, weights, self.adapter)
        reading = RowReading(texts, tokens, batch.places, self.adapter)
        return self._noise(noised, batch.timesteps, [reading], memory=memory)

    def _text(self, example: SubjectExample) -> str:
        opening = f"photo of a {example.noun}. " if self.settings.opening else ""
        return opening + example.prompt

    def _wish(self, example: SubjectExample) -> Encoded:
        white = example.reference.on_white()
        return self.reader.encode(SubjectWish(white, example.noun, example.prompt))

    def _ids(self, texts: list[str]) -> Tensor:
        return torch.tensor([self.painter.text.window(text)[0] for text in texts])

    def _states(self, ids: Tensor) -> Tensor:
        """[B, L] ids -> [B, L, D], of the one encoder that a painter of SD 1.5's shape has."""
        states: Tensor = self.painter.text.encoders[0](ids).last_hidden_state
        return states

    def _latent_shape(self, pixels: Tensor) -> tuple[int, int, int]:
        config = self.painter.vae.config
        factor = 2 ** (len(config["block_out_channels"]) - 1)
        return int(config["latent_channels"]), pixels.shape[2] // factor, pixels.shape[3] // factor
