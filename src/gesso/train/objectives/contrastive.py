"""CLIP: pictures and captions that belong together (arXiv 2103.00020)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerBase,
)

from gesso.config.schema import Recipe
from gesso.models.clip import as_clip_inputs
from gesso.storybook.tell import caption
from gesso.train.objectives.dense import FEATURE_LAYER, open_store, picture_batch
from gesso.train.objectives.sizes import sizes_of
from gesso.train.texts import clip_tokenizer

__all__ = ["ContrastiveBatch", "ContrastiveObjective"]

MAX_SCALE: Final = 100.0  # CLIP, section 2.5


@dataclass(frozen=True, slots=True)
class ContrastiveBatch:
    """Pictures [B, 3, S, S] and their captions [B, L] with mask [B, L]."""

    pixels: Tensor
    ids: Tensor
    mask: Tensor


class ContrastiveObjective:
    """Symmetric contrastive loss over a batch of storybook pictures and captions."""

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
        self.data, self.tokenizer = recipe.data, clip_tokenizer(tokenizer)
        self.clip = CLIPModel(_config(recipe, self.tokenizer))
        self.clip.set_attn_implementation(recipe.model.attention)
        if recipe.model.vision is not None:
            tower = CLIPVisionModel.from_pretrained(recipe.model.vision)
            # the tower's own weights; projections and the text side begin at random
            self.clip.vision_model.load_state_dict(tower.state_dict())
        self.module: nn.Module = self.clip
        self.pictures = open_store(recipe.data, self.clip.vision_model.config)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What LLaVA reads of the tower, the rest of the tower, and the text side.

        A parameter counts to the first part that has it, so "vision" holds what "features" left over.
        """
        tower = self.clip.vision_model
        # the states behind layer N are number -1, so number -2 takes all layers but the last
        read = tower.encoder.layers[: FEATURE_LAYER + 1]
        features = nn.ModuleList([tower.embeddings, tower.pre_layrnorm, *read])
        return {"features": features, "vision": tower, "text": self.module}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> ContrastiveBatch:
        """Pictures with captions, a share of them in Chinese."""
        rng = Random(f"{self.data.seed}/{number}")
        languages = ["zh" if rng.random() < self.data.chinese else "en" for _ in examples]
        texts = [
            caption(self.pictures.scene(index), language)
            for index, language in zip(examples, languages, strict=True)
        ]
        longest = self.clip.text_model.config.max_position_embeddings
        ids, mask = as_clip_inputs(self.tokenizer, texts, longest)
        return ContrastiveBatch(picture_batch(self.pictures, examples), ids, mask)

    def loss(self, batch: ContrastiveBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean of picture-to-text and text-to-picture cross-entropy (CLIP, figure 3)."""
        images = self.clip.vision_model(batch.pixels).pooler_output  # [B, 3, S, S] -> [B, W]
        texts = self.clip.text_model(batch.ids, attention_mask=batch.mask).pooler_output  # [B, W]
        image = functional.normalize(self.clip.visual_projection(images).float(), dim=-1)  # [B, D]
        text = functional.normalize(self.clip.text_projection(texts).float(), dim=-1)  # [B, D]
        # autocast would multiply in bf16 again, in which logits near 100 are half a unit apart
        with torch.autocast(image.device.type, enabled=False):
            # scenes with the same caption count as mistakes; they are rare, and CLIP's own data has them
            logits = self.clip.logit_scale.exp().clamp(max=MAX_SCALE) * image @ text.T  # [B, B]
        # row i and column i belong together
        own = torch.arange(len(logits), device=logits.device)
        # [B, B] -> [], rows over texts and columns over pictures
        loss = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
        match = (logits.argmax(-1) == own).float().mean()
        return loss, {"tokens": float(batch.mask.sum()), "match": float(match)}

    def show(self, example: int) -> str:
        """The caption of a picture."""
        scene = self.pictures.scene(example)
        return f"picture {example}: [green]{caption(scene, 'en')}[/green]"

    def save(self, folder: Path) -> None:
        """A CLIP folder with its tokenizer."""
        self.clip.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _config(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> CLIPConfig:
    text: dict[str, Any] = {
        **sizes_of(recipe, "text", CLIPTextConfig),
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = sizes_of(recipe, "vision", CLIPVisionConfig)
    return CLIPConfig(text_config=text, vision_config=vision, **sizes_of(recipe, "joint", CLIPConfig))
