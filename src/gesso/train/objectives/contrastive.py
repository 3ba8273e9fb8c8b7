"""CLIP: pictures and captions that belong together (arXiv 2103.00020), with dense targets for the tower."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerBase

from gesso.config.schema import Recipe
from gesso.core.errors import TrainingError
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, SIZES, Scene, Thing
from gesso.storybook.tell import caption
from gesso.train.pictures import PictureStore
from gesso.train.texts import as_clip_inputs

__all__ = ["ContrastiveBatch", "ContrastiveObjective", "DenseHead", "dense_targets"]

ATTRIBUTES: Final = (
    ("kind", len(KINDS) + 1),  # 0 is background
    ("colour", len(COLOURS)),
    ("pattern", len(PATTERNS)),
    ("second_colour", len(COLOURS) + 1),  # 0 is none
    ("size", len(SIZES)),
)
NO_THING: Final = -100  # attributes of background patches are not learned
FEATURE_LAYER: Final = -2  # the layer LLaVA reads
MAX_SCALE: Final = 100.0  # CLIP, section 2.5


@dataclass(frozen=True, slots=True)
class ContrastiveBatch:
    """Pictures [B, 3, S, S], captions [B, L] with their mask, and dense targets [B, P, 5]."""

    pixels: Tensor
    ids: Tensor
    mask: Tensor
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
        logits: Tensor = self.classify(self.norm(features))
        return logits.split([size for _, size in ATTRIBUTES], dim=-1)


class ContrastiveObjective:
    """Symmetric contrastive loss over a batch, plus what each patch shows.

    The contrastive loss alone teaches the class token; a LLaVA reads the patches. The dense term makes
    every patch say kind, colours, pattern and size of its thing, which the scene knows for free.
    """

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
        self.data, self.tokenizer = recipe.data, tokenizer
        self.clip = CLIPModel(_config(recipe, tokenizer))
        self.clip.set_attn_implementation(recipe.model.attention)
        vision = self.clip.config.vision_config
        if vision.image_size != recipe.data.size:
            raise TrainingError(f"data.size is {recipe.data.size} but the tower takes {vision.image_size} px")
        self.head = DenseHead(vision.hidden_size)
        self.module = nn.ModuleDict({"clip": self.clip, "head": self.head})
        self.pictures = PictureStore(
            Path(recipe.data.cache),
            seed=recipe.data.seed,
            count=recipe.data.count,
            size=recipe.data.size,
            patch=vision.patch_size,
        )

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The whole model trains at one rate."""
        return {"clip": self.module}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> ContrastiveBatch:
        """Pictures with captions, a share of them in Chinese."""
        rng = Random(f"{self.data.seed}/{number}")
        scenes = [self.pictures.scene(index) for index in examples]
        texts = [caption(scene, self._language(rng)) for scene in scenes]
        ids, mask = as_clip_inputs(self.tokenizer, texts, self.clip.config.text_config.max_position_embeddings)
        pixels = np.stack([self.pictures.pixels(index) for index in examples])
        grids = [self.pictures.grid(index) for index in examples]
        targets = [dense_targets(scene, grid) for scene, grid in zip(scenes, grids, strict=True)]
        return ContrastiveBatch(normalise(pixels), ids, mask, torch.from_numpy(np.stack(targets)))

    def loss(self, batch: ContrastiveBatch) -> tuple[Tensor, dict[str, float]]:
        """Contrastive plus dense cross-entropy, equally weighted."""
        images = self.clip.vision_model(batch.pixels, output_hidden_states=True)
        texts = self.clip.text_model(batch.ids, attention_mask=batch.mask)
        image = functional.normalize(self.clip.visual_projection(images.pooler_output).float(), dim=-1)
        text = functional.normalize(self.clip.text_projection(texts.pooler_output).float(), dim=-1)
        scale = self.clip.logit_scale.exp().clamp(max=MAX_SCALE)
        logits = scale * image @ text.T  # [B, B]
        own = torch.arange(len(logits), device=logits.device)
        contrast = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
        dense = self._dense_loss(images.hidden_states[FEATURE_LAYER][:, 1:], batch.targets)
        figures = {name: float(value.detach()) for name, value in dense.items()}
        right = (logits.argmax(-1) == own).float().mean()
        total = contrast + torch.stack(list(dense.values())).sum()
        return total, {"contrast": float(contrast.detach()), "match": float(right), "tokens": len(own), **figures}

    def show(self, example: int) -> str:
        """The caption of a picture."""
        scene = self.pictures.scene(example)
        return f"picture {example}: [green]{caption(scene, 'en')}[/green]"

    def save(self, folder: Path) -> None:
        """A CLIP folder with its tokenizer; the dense head stays behind."""
        self.clip.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _language(self, rng: Random) -> str:
        return "zh" if rng.random() < self.data.chinese else "en"

    def _dense_loss(self, features: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {
            name: functional.cross_entropy(
                logits.float().flatten(0, 1),  # [B, P, C] -> [B * P, C]
                targets[..., number].flatten(),
                ignore_index=NO_THING,
            )
            for number, ((name, _), logits) in enumerate(zip(ATTRIBUTES, self.head(features), strict=True))
        }


def dense_targets(scene: Scene, grid: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Class of each attribute at each patch.

    Args:
        scene: the scene.
        grid: [g, g] thing grid (see `train.pictures.thing_grid`).

    Returns:
        [g * g, 5] in the order of `ATTRIBUTES`.
    """
    background = [0] + [NO_THING] * (len(ATTRIBUTES) - 1)
    table = np.asarray([background] + [_thing_targets(thing) for thing in scene.things], np.int64)
    return table[grid.reshape(-1)]  # [g, g] -> [g * g, 5]


def _thing_targets(thing: Thing) -> list[int]:
    return [
        KINDS.index(thing.kind) + 1,
        COLOURS.index(thing.colour),
        PATTERNS.index(thing.pattern),
        0 if thing.second_colour is None else COLOURS.index(thing.second_colour) + 1,
        list(SIZES).index(thing.size),
    ]


MEAN: Final = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, in every tower's preprocessing
STD: Final = (0.26862954, 0.26130258, 0.27577711)


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Pictures [B, S, S, 3] of bytes as the tower's input [B, 3, S, S]."""
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255  # [B, S, S, 3] -> [B, 3, S, S]
    return (scaled - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def _config(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> CLIPConfig:
    text: dict[str, Any] = {
        **recipe.model.shape["text"],
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    joint = recipe.model.shape["joint"]
    return CLIPConfig(text_config=text, vision_config=recipe.model.shape["vision"], **joint)
