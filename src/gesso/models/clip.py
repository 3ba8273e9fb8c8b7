"""A CLIP model as what it is: two encoders into one space (arXiv 2103.00020)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerBase,
)

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import read_json

__all__ = ["ClipEncoder", "PictureEncoder", "as_clip_inputs"]


class ClipEncoder:
    """Embeds pictures and texts as unit vectors, close where they belong together.

    Letters: N inputs, D width of the common space, L tokens of the longest text, S side of a picture.

    Args:
        model: the two towers, in evaluation mode.
        tokenizer: of the text tower; where it does not write the end token, that is added.
        name: what the model is called in reports.
        images: prepares pictures; by default resizes the shortest edge to S (bicubic), cuts out the middle
            and normalises with CLIP's mean and deviation.
    """

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str = "clip",
        images: CLIPImageProcessorPil | None = None,
    ) -> None:
        config: Any = model.config
        self.name = name
        self.model = model
        self._tokenizer = tokenizer
        self._images = images or _image_processor(config.vision_config.image_size)
        self._longest: int = config.text_config.max_position_embeddings

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        name: str | None = None,
    ) -> Self:
        """Load a folder that transformers' CLIP classes or `gesso train` have written.

        Args:
            folder: holds config.json, weights and tokenizer, and may hold preprocessor_config.json.
            device: where to compute.
            dtype: number format to compute in; embeddings are float32 in any case.
            name: by default the name of the folder.

        Raises:
            CheckpointError: it holds no CLIP, or lacks weights or a tokenizer.
        """
        folder = Path(folder)
        kind = read_json(folder / "config.json").get("model_type")
        if kind != "clip":
            raise CheckpointError(f"{folder} holds a {kind} model; a CLIP with both towers is needed")
        model = _loaded(CLIPModel, folder, dtype)
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load the CLIP in {folder}: {error}") from error
        images = None
        if (folder / "preprocessor_config.json").is_file():
            images = CLIPImageProcessorPil.from_pretrained(folder)
        return cls(model.to(device).eval(), tokenizer, name=name or folder.name, images=images)

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit vectors of pictures, [N, D], float32 on the CPU."""
        pixels: Tensor = self._images(list(images), return_tensors="pt")["pixel_values"]  # [N, 3, S, S]
        pixels = pixels.to(self.model.device, self.model.dtype)
        pooled = self.model.vision_model(pixels).pooler_output
        return _unit(self.model.visual_projection(pooled))  # [N, W] -> [N, D]

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of texts, [N, D], float32 on the CPU; long texts are cut, their end token stays."""
        tokens = as_clip_inputs(self._tokenizer, texts, self._longest)  # [N, L] twice
        ids, mask = (tensor.to(self.model.device) for tensor in tokens)
        output = self.model.text_model(ids, attention_mask=mask)
        return _unit(self.model.text_projection(output.pooler_output))  # [N, W] -> [N, D]


class PictureEncoder:
    """The picture side of a CLIP alone, whose embeddings keep their length, as IP-Adapter reads them.

    Letters: N pictures, S side of a picture, E width of an embedding.

    Args:
        model: the tower with its projection.
        images: prepares pictures; by default as for `ClipEncoder`.
    """

    def __init__(
        self, model: CLIPVisionModelWithProjection, images: CLIPImageProcessorPil | None = None
    ) -> None:
        config: Any = model.config
        self.model = model.requires_grad_(False).eval()
        self.width: int = config.projection_dim
        self._images = images or _image_processor(config.image_size)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Load a folder of CLIP's picture side with its projection, or of a whole CLIP.

        Raises:
            CheckpointError: it holds something else, or lacks weights.
        """
        kind = str(read_json(folder / "config.json").get("model_type"))
        if kind == "clip":
            whole = ClipEncoder.from_folder(folder).model
            config: Any = whole.config.vision_config
            # a whole CLIP tells the width of its projections above its towers' own settings
            config.projection_dim = whole.config.projection_dim
            model = CLIPVisionModelWithProjection(config)
            model.vision_model, model.visual_projection = whole.vision_model, whole.visual_projection
            return cls(model)
        if kind != "clip_vision_model":
            raise CheckpointError(f"{folder} holds a {kind} model; a CLIP is needed")
        return cls(_loaded(CLIPVisionModelWithProjection, folder, torch.float32))

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB pictures as the tower takes them, [N, 3, S, S]."""
        pixels: Tensor = self._images(list(images), return_tensors="pt")["pixel_values"]
        return pixels

    def embed(self, pixels: Tensor) -> Tensor:
        """Pictures [N, 3, S, S] -> [N, E], where the model is."""
        place = next(self.model.parameters())
        embedded: Tensor = self.model(pixels.to(place)).image_embeds
        return embedded


def _loaded(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    try:
        # a missing weight is only a warning to transformers, which then invents it
        model, info = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"cannot load the CLIP in {folder}: {error}") from error
    if missing := sorted(map(str, info["missing_keys"])):
        raise CheckpointError(f"{folder} lacks {len(missing)} weights, {missing[0]} first; fetch it again")
    return model


def as_clip_inputs(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], longest: int
) -> tuple[Tensor, Tensor]:
    """Texts as a CLIP text tower takes them: each with its end token, padded; ids and mask, both [N, L].

    Texts that do not fit `longest` tokens are cut, with the end token kept, as CLIP does.
    """
    end = tokenizer.eos_token_id
    # cut below: `truncation=True` would stay switched on in the tokenizer, and be saved with it
    rows: Any = tokenizer(list(texts))["input_ids"]
    # OpenAI's tokenizer writes both ends itself, that of the minis the beginning only
    bodies = (row[:-1] if row[-1:] == [end] else row for row in rows)
    ended = [[*body[: longest - 1], end] for body in bodies]
    # padding goes to the right, where the causal mask of the text tower hides it from all that counts
    batch = tokenizer.pad({"input_ids": ended}, return_tensors="pt", padding_side="right")
    return batch["input_ids"], batch["attention_mask"]


def _image_processor(size: int) -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, do_convert_rgb=True
    )


def _unit(features: Tensor) -> Tensor:
    # float32 before the norm: the squares of half-precision features may overflow
    return functional.normalize(features.float(), dim=-1).cpu()
