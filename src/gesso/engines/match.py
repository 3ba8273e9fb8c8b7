"""How well texts fit pictures, by a CLIP model."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPModel, PreTrainedTokenizerBase

from gesso.media.images import load_image
from gesso.models.llava.preprocess import TileMaker

__all__ = ["Matcher"]


class Matcher:
    """A CLIP model that compares pictures with texts (arXiv 2103.00020).

    Args:
        model: the CLIP model.
        tokenizer: of its text tower.
        tiles: prepares pictures for its vision tower.
    """

    def __init__(self, model: CLIPModel, tokenizer: PreTrainedTokenizerBase, tiles: TileMaker) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._tiles = tiles

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Any]) -> Tensor:
        """One unit vector for each picture, [I, D]; pictures as `media.images.load_image` takes them.

        Raises:
            MediaError: a picture cannot be read.
        """
        tiles = [self._tiles(load_image(image)).pixels for image in images]  # [1, 3, S, S] each
        output: Any = self.model.vision_model(torch.cat(tiles).to(self.model.device, self.model.dtype))
        features: Tensor = self.model.visual_projection(output.pooler_output)
        return normalize(features.float(), dim=-1)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """One unit vector for each text, [T, D]; texts that do not fit are cut, their end token stays."""
        config: Any = self.model.config.text_config
        longest, end = config.max_position_embeddings, self.tokenizer.eos_token_id
        rows: Any = self.tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
        # some tokenizers add the end token by themselves, gesso's do not
        rows = [[*[token for token in row if token != end][: longest - 1], end] for row in rows]
        batch: Any = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.model.device)
        output: Any = self.model.text_model(batch["input_ids"], attention_mask=batch["attention_mask"])
        features: Tensor = self.model.text_projection(output.pooler_output)
        return normalize(features.float(), dim=-1)

    def scores(self, images: Sequence[Any], texts: Sequence[str]) -> Tensor:
        """Cosine similarity of every picture with every text, [I, T], in [-1, 1]; errors as above."""
        return self.embed_images(images) @ self.embed_texts(texts).T
