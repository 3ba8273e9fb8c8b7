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
from rich.markup import escape
from torch import Tensor, nn

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.guide_subject import EARLY
from gesso.diffusion.latents import draw_noise, generators_for, pixels_of
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_latent import noised_reference, reference_latent
from gesso.diffusion.subjects import UNREAD
from gesso.models.base import Encoded
from gesso.models.moma.adapter_file import (
    ADAPTER_FILES,
    AdapterFile,
    find_adapter,
    has_adapter,
    read_adapter,
    write_adapter,
)
from gesso.models.moma.model import SubjectReader, SubjectWish
from gesso.models.moma.modules import PictureProjection, SubjectMapping
from gesso.models.moma.stage_file import read_mapping
from gesso.train.objectives.subject_feature import load_language
from gesso.train.subject_painting import FrozenPainter, SubjectPictures
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
        pictures: to paint.
        references: [B, 3, H, W], -1..1.
        draws: two of [B, C, h, w], for the references: of their latents, and of timestep 0.
        nouns: [B, 1, L] ids of the bare nouns.
        masks: [B, rows, columns] of the references' subjects.
        places: [B, h, w], where the subject counts.
    """

    wishes: tuple[Encoded, ...]
    pictures: SubjectPictures
    references: Tensor
    draws: tuple[Tensor, Tensor]
    nouns: Tensor
    masks: Tensor
    places: Tensor


class SubjectAttentionObjective:
    """An adapter and a projection learn beside a frozen UNet (arXiv 2006.11239, eq. 14)."""

    def __init__(self, recipe: Recipe) -> None:
        self.data = recipe.data
        self.source = subject_source(recipe.data)
        self.painter = FrozenPainter(recipe)
        if self.painter.sdxl:
            raise ConfigError(f"model.init {self.painter.name} is an SDXL; MoMA learns beside a Stable "
                              "Diffusion 1.5, give one")  # fmt: skip
        self._names = {"language": str(recipe.model.language), "painter": self.painter.name}
        mapping, self.projection, self.adapter = _begun(recipe.model.features, self.painter)
        self.reader = SubjectReader(load_language(recipe.model.language), mapping)
        frozen = nn.ModuleList([*self.painter.module, self.reader.chat.module, self.reader.mapping])
        frozen.requires_grad_(False).eval()
        self.module: nn.Module = nn.ModuleDict(
            {"attention": self.adapter, "projection": self.projection, "frozen": frozen}
        )

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What learns."""
        return {"attention": self.adapter.stack, "projection": self.projection}

    @property
    def examples(self) -> int:
        """Different examples."""
        return self.source.count

    def batch(self, examples: list[int], number: int) -> AttentionBatch:
        """Pictures, references, and what tells them; encoded where the model is, with the loss."""
        found = [self.source.example(index) for index in examples]
        random = np.random.default_rng([self.data.seed, number])
        references = torch.cat([pixels_of(each.reference.image) for each in found])
        shape = self.painter.latent_shape(references)
        draws = [draw_noise(generators_for(int(random.integers(2**31)), len(found)), shape) for _ in range(2)]
        unmasked = UNMASKED if self.painter.settings.follows else 1.0
        everywhere = torch.from_numpy(random.random(len(found)) < unmasked)
        texts = [self._text(each) for each in found]
        pictures = self.painter.draw(found, texts, random)
        return AttentionBatch(
            wishes=tuple(self._wish(each) for each in found),
            pictures=pictures,
            references=references,
            draws=(draws[0], draws[1]),
            nouns=self.painter.ids([each.noun for each in found]),
            masks=torch.from_numpy(np.stack([each.reference.mask for each in found])),
            places=torch.where(everywhere[:, None, None], 1.0, pictures.places),
        )

    def loss(self, batch: AttentionBatch) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction, weighed by noise level and cell."""
        noised, target = self.painter.noised(batch.pictures)
        loss, error = self.painter.loss(self._predict(noised, batch), target, batch.pictures)
        scale = torch.stack(
            [p.detach() for name, p in self.adapter.named_parameters() if name.endswith("scale_learnable")]
        )
        figures = {"error": error, "scale": float(scale.mean())}
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
        places |= {name: getattr(self.painter.settings, name) for name in ("opening", "follows")}
        (folder / "moma.json").write_text(json.dumps(places, indent=2) + "\n", encoding="utf-8")

    def _predict(self, noised: Tensor, batch: AttentionBatch) -> Tensor:
        pictures, painter = batch.pictures, self.painter
        with torch.no_grad():
            raw = RawMemory()
            sampled = reference_latent(painter.model.vae, batch.references, batch.draws[0])
            known = noised_reference(sampled, batch.draws[1])
            texts, nouns = painter.read(pictures.texts)[0], painter.read(batch.nouns)[0][:, :-UNREAD]
            first = torch.zeros(len(noised), dtype=torch.long, device=noised.device)
            reading = RowReading(nouns, nouns, torch.zeros_like(batch.places), self.adapter)
            painter.noise(known, first, [reading], memory=raw)
            embedded = self.reader.embed(batch.wishes)  # [B, E]
        kept = (~pictures.dropped)[:, None].to(embedded)
        tokens = self.projection((embedded * kept).to(self.projection.proj.weight))  # [B, T, D]
        early = (pictures.timesteps >= EARLY)[:, None, None]
        hidden = early if painter.settings.follows else early | pictures.dropped[:, None, None]
        weights = torch.where(hidden, 0.0, batch.places)
        memory = RowMemory(raw.layers, batch.masks, weights, self.adapter)
        reading = RowReading(texts, tokens, batch.places, self.adapter)
        return painter.noise(noised, pictures.timesteps, [reading], memory=memory)

    def _text(self, example: SubjectExample) -> str:
        opening = f"photo of a {example.noun}. " if self.painter.settings.opening else ""
        return opening + example.prompt

    def _wish(self, example: SubjectExample) -> Encoded:
        white = example.reference.on_white()
        return self.reader.encode(SubjectWish(white, example.noun, example.prompt))


def _begun(
    features: str | None, painter: FrozenPainter
) -> tuple[SubjectMapping, PictureProjection, SubjectAdapter]:
    """What the first stage left, with a new adapter; or all of an adapter that is to learn on."""
    if features is None:
        raise ConfigError("model.features is missing; give the folder of the first stage, or of an adapter")
    folder, unet = Path(features), painter.model.unet
    if has_adapter(folder):
        file = read_adapter(find_adapter(folder))
        attention = {name: tensor.float() for name, tensor in file.attention.items()}
        adapter = SubjectAdapter.of_tensors(unet, attention)
        # as they are loaded, they are for painting only
        return file.mapping, file.projection.requires_grad_(True), adapter.requires_grad_(True)
    mapping = read_mapping(folder)
    projection = PictureProjection(mapping.down_proj.out_features, painter.width)
    return mapping, projection, SubjectAdapter(unet)
