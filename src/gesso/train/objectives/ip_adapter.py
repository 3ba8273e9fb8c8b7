"""An IP-Adapter (arXiv 2308.06721): picture tokens of a CLIP, read beside the text of a frozen UNet.

Trained on the same pairs as MoMA's second stage, so that the two compare: the reference on white tells the
subject, the pair's picture is painted. The tokens are read everywhere, and no feature of the reference is.

Letters: B examples, E width of the embedding, S side of the CLIP's pictures, T picture tokens, D their width.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.markup import escape
from torch import Tensor, nn

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.models.clip import PictureEncoder
from gesso.models.moma.ip_adapter_file import (
    IP_ADAPTER_FILE,
    IP_SETTINGS_FILE,
    IpAdapterFile,
    find_ip_adapter,
    read_ip_adapter,
    write_ip_adapter,
)
from gesso.models.moma.modules import PictureProjection
from gesso.train.subject_painting import FrozenPainter, SubjectPictures
from gesso.train.subject_reading import RowReading
from gesso.train.subjects import subject_source

__all__ = ["IpAdapterBatch", "IpAdapterObjective"]


@dataclass(frozen=True, slots=True)
class IpAdapterBatch:
    """What one step learns from: pictures to paint, and references [B, 3, S, S] as the CLIP takes them."""

    pictures: SubjectPictures
    references: Tensor


class IpAdapterObjective:
    """Keys, values and a projection learn beside a frozen UNet (arXiv 2308.06721, eq. 5 and 6)."""

    def __init__(self, recipe: Recipe) -> None:
        self.data = recipe.data
        self.source = subject_source(recipe.data)
        self.painter = FrozenPainter(recipe)
        if recipe.model.vision is None or not Path(recipe.model.vision).is_dir():
            raise ConfigError(f"model.vision {recipe.model.vision} is no folder; give that of a CLIP")
        self.eyes = PictureEncoder.from_folder(Path(recipe.model.vision))
        self._names = {"encoder": recipe.model.vision, "painter": self.painter.name}
        self.projection, self.adapter = self._begun(recipe.model.features)
        frozen = nn.ModuleList([*self.painter.module, self.eyes.model])
        self.module: nn.Module = nn.ModuleDict(
            {"attention": self.adapter, "projection": self.projection, "frozen": frozen}
        )

    def _begun(self, features: str | None) -> tuple[PictureProjection, SubjectAdapter]:
        """New parts, or those of an adapter that learns on."""
        unet = self.painter.model.unet
        if features is None:
            projection = PictureProjection(self.eyes.width, self.painter.width)
            return projection, SubjectAdapter(unet, references=False)
        file = read_ip_adapter(find_ip_adapter(Path(features)))
        known = file.projection.proj.in_features
        if known != self.eyes.width:
            raise ConfigError(
                f"model.features {features} reads embeddings of {known} numbers, and model.vision gives "
                f"{self.eyes.width}; give the CLIP it was trained with"
            )
        attention = {name: tensor.float() for name, tensor in file.attention.items()}
        # as they are loaded, they are for painting only
        adapter = SubjectAdapter.of_tensors(unet, attention).requires_grad_(True)
        return file.projection.requires_grad_(True), adapter

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What learns."""
        return {"attention": self.adapter.stack, "projection": self.projection}

    @property
    def examples(self) -> int:
        """Different examples."""
        return self.source.count

    def batch(self, examples: list[int], number: int) -> IpAdapterBatch:
        """Pictures and references; encoded where the model is, with the loss."""
        found = [self.source.example(index) for index in examples]
        random = np.random.default_rng([self.data.seed, number])
        pictures = self.painter.draw(found, [each.prompt for each in found], random)
        return IpAdapterBatch(pictures, self.eyes.pixels([each.reference.on_white() for each in found]))

    def loss(self, batch: IpAdapterBatch) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction, weighed by noise level and cell."""
        pictures, painter = batch.pictures, self.painter
        noised, target = painter.noised(pictures)
        with torch.no_grad():
            embedded = self.eyes.embed(batch.references)  # [B, E]
            texts, pooled = painter.read(pictures.texts)
        # guidance's other branch has the tokens of an embedding of zeros, as in the original
        kept = (~pictures.dropped)[:, None].to(embedded)
        tokens = self.projection((embedded * kept).to(self.projection.proj.weight))  # [B, T, D]
        reading = RowReading(texts, tokens, torch.ones_like(pictures.places), self.adapter)
        predicted = painter.noise(noised, pictures.timesteps, [reading], pooled)
        loss, error = painter.loss(predicted, target, pictures)
        return loss, {"tokens": len(noised), "error": error}

    def show(self, example: int) -> str:
        """The words of an example."""
        found = self.source.example(example)
        return f"[dim]{escape(found.prompt)}[/dim], with a picture of a {escape(found.noun)}\n" \
               "[green]its picture[/green]"  # fmt: skip

    def save(self, folder: Path) -> None:
        """A file in the published layout, and beside it which encoder and painter it goes with."""
        folder.mkdir(parents=True, exist_ok=True)
        write_ip_adapter(folder / IP_ADAPTER_FILE, IpAdapterFile(self.projection, self.adapter.tensors()))
        places = {name: Path(place).resolve().as_posix() for name, place in self._names.items()}
        (folder / IP_SETTINGS_FILE).write_text(json.dumps(places, indent=2) + "\n", encoding="utf-8")
