"""What each patch of a picture shows: the dense targets that teach a tower before any text does.

A contrastive loss alone teaches the class token, and answers about pictures reach the tower only through a
language model. The scene knows for free which thing every patch belongs to, so the tower is told directly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from gesso.canvas.vocabulary import LOCATIONS
from gesso.config.schema import DataSettings, Recipe
from gesso.core.errors import TrainingError
from gesso.models.pixels import PixelSettings
from gesso.nn.local_init import start_local
from gesso.nn.whitened_init import start_whitened
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, PLACES, SIZES, Scene, Thing
from gesso.train.objectives.sizes import sizes_of
from gesso.train.pictures import PictureStore

__all__ = [
    "ATTRIBUTES",
    "FEATURE_LAYER",
    "DenseBatch",
    "DenseHead",
    "DenseObjective",
    "dense_targets",
    "normalise",
    "open_store",
    "picture_batch",
]

ATTRIBUTES: Final = (
    ("thing", 2),  # background or not
    ("kind", len(KINDS)),
    ("colour", len(COLOURS)),
    ("pattern", len(PATTERNS)),
    ("second_colour", len(COLOURS) + 1),  # 0 is none
    ("size", len(SIZES)),
    ("location", len(LOCATIONS)),
    ("place", len(PLACES)),
)
NO_THING: Final = -100  # attributes of background patches are not learned
FEATURE_LAYER: Final = -2  # the layer LLaVA reads
WHITENING: Final = 1000  # pictures that the patch embedding's start is computed from
PIXELS: Final = PixelSettings()  # CLIP's mean and deviation, which a LLaVA's preprocessing uses as well


@dataclass(frozen=True, slots=True)
class DenseBatch:
    """Pictures [B, 3, S, S] and the class of each attribute at each patch [B, P, 8]."""

    pixels: Tensor
    targets: Tensor


class DenseHead(nn.Module):
    """Reads from each patch's features which thing it shows; used in training only, never shipped.

    Letters: P patches, D width of the tower.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, sum(size for _, size in ATTRIBUTES))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits of each attribute, [B, P, classes], from features [B, P, D]."""
        logits: Tensor = self.classify(self.norm(features))  # [B, P, D] -> [B, P, all classes]
        return torch.split(logits, [size for _, size in ATTRIBUTES], dim=-1)

    def loss(self, features: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Sum over the attributes of their mean cross-entropy, and each of them.

        Args:
            features: [B, 1 + P, D] hidden states of the tower, class token first.
            targets: [B, P, 8]
        """
        # [B, 1 + P, D] without the class token -> [B, P, D]; it looks at everything and is told nothing here
        losses = [
            _mean_loss(logits, targets[..., number]) for number, logits in enumerate(self(features[:, 1:]))
        ]
        names = (name for name, _ in ATTRIBUTES)
        figures = {name: float(loss.detach()) for name, loss in zip(names, losses, strict=True)}
        return torch.stack(losses).sum(), figures


def _mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of [B, P, C] over the patches that have a target; 0 where none has."""
    total = functional.cross_entropy(
        logits.float().flatten(0, 1),  # [B, P, C] -> [B*P, C]
        targets.flatten(),
        ignore_index=NO_THING,
        reduction="sum",
    )
    # a sum over a count of our own: cross_entropy's mean over no target at all is not a number
    return total / (targets != NO_THING).sum().clamp(min=1)


class DenseObjective:
    """A CLIP vision tower that says of each patch what it shows."""

    def __init__(self, recipe: Recipe) -> None:
        self.tower, self.pictures = _tower(recipe)
        self.tower.set_attn_implementation(recipe.model.attention)
        self.head = DenseHead(self.tower.config.hidden_size)
        self.module = nn.ModuleDict({"tower": self.tower, "head": self.head})

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """One part."""
        return {"vision": self.module}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> DenseBatch:
        """Pictures and what their patches show."""
        store = self.pictures
        targets = [dense_targets(store.scene(index), store.grid(index)) for index in examples]
        return DenseBatch(picture_batch(store, examples), torch.from_numpy(np.stack(targets)))

    def loss(self, batch: DenseBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of all attributes at all patches."""
        states = self.tower(batch.pixels, output_hidden_states=True).hidden_states
        # the layer that LLaVA reads, so that what is learned here is what a language model sees
        loss, figures = self.head.loss(states[FEATURE_LAYER], batch.targets)
        return loss, {"tokens": batch.targets[..., 0].numel(), **figures}

    def show(self, example: int) -> str:
        """The kind of thing at each patch of a picture."""
        names = ("-", *(thing.kind for thing in self.pictures.scene(example).things))
        rows = (" ".join(f"{names[number]:9}" for number in row) for row in self.pictures.grid(example))
        return "\n".join(f"[green]{row}[/green]" for row in rows)

    def save(self, folder: Path) -> None:
        """A CLIP vision folder; the head stays behind."""
        self.tower.save_pretrained(folder)


def _tower(recipe: Recipe) -> tuple[CLIPVisionModel, PictureStore]:
    """The tower to train and its pictures; a new tower starts out from some of them."""
    if recipe.model.init is not None:
        tower = CLIPVisionModel.from_pretrained(recipe.model.init)
        return tower, open_store(recipe.data, tower.config)
    tower = CLIPVisionModel(CLIPVisionConfig(**sizes_of(recipe, "vision", CLIPVisionConfig)))
    pictures = open_store(recipe.data, tower.config)
    sample = picture_batch(pictures, list(range(min(WHITENING, pictures.count))))
    # in this order: positions take the first dimensions, whitened patches the ones behind them
    embeddings: Any = tower.embeddings
    start_whitened(embeddings.patch_embedding, sample, first=start_local(tower))
    return tower, pictures


def open_store(data: DataSettings, vision: Any) -> PictureStore:
    """The recipe's pictures at the size the tower takes."""
    if vision.image_size != data.size:
        raise TrainingError(
            f"data.size is {data.size} but the tower takes {vision.image_size} px; make them equal"
        )
    return PictureStore.of(data, vision.patch_size)


def picture_batch(pictures: PictureStore, examples: list[int]) -> Tensor:
    """Pictures of these numbers as the tower takes them, [B, 3, S, S]."""
    return normalise(np.stack([pictures.pixels(index) for index in examples]))  # [B, S, S, 3]


def dense_targets(scene: Scene, grid: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Class of each attribute at each patch.

    Args:
        scene: the scene.
        grid: [g, g] thing grid (see `train.pictures.thing_grid`).

    Returns:
        [g*g, 8] in the order of `ATTRIBUTES`.
    """
    place = PLACES.index(scene.place)
    # the place shows everywhere, so background patches learn it, too
    background = [0, *[NO_THING] * (len(ATTRIBUTES) - 2), place]
    # [1 + things, 8], background first, as the grid counts
    table = np.asarray([background] + [[*_thing_targets(thing), place] for thing in scene.things], np.int64)
    return table[grid.reshape(-1)]  # [g, g] -> [g*g, 8]


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Pictures [B, S, S, 3] of bytes as the tower's input [B, 3, S, S]."""
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255  # [B, S, S, 3] -> [B, 3, S, S]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PIXELS.mean, PIXELS.std))  # [3, 1, 1]
    return (scaled - mean) / std


def _thing_targets(thing: Thing) -> list[int]:
    return [
        1,
        KINDS.index(thing.kind),
        COLOURS.index(thing.colour),
        PATTERNS.index(thing.pattern),
        0 if thing.second_colour is None else COLOURS.index(thing.second_colour) + 1,
        list(SIZES).index(thing.size),
        list(LOCATIONS).index(thing.location),
    ]
