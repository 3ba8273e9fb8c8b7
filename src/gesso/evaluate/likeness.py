"""How alike pictures are: CLIP-I, CLIP-T and DINO (DreamBooth, arXiv 2208.12242, section 4.1).

All are cosines: CLIP-I and DINO between a painted picture and its reference, background included, CLIP-T
between the picture and its prompt. Their size depends on the model, so only figures of one model compare.
"""

from pathlib import Path
from typing import Any, Final, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, CLIPImageProcessorPil

from gesso.core.errors import CheckpointError
from gesso.engines.folders import folder_of
from gesso.models.checkpoints import read_json
from gesso.models.clip import ClipEncoder

__all__ = ["DinoEncoder", "Likeness"]

KINDS: Final = ("vit", "dinov2")
"""Types of config.json: DINO (facebook/dino-vits16, the one of the paper) and DINOv2."""

SIDE: Final = 224
RESIZED: Final = 256 / 224
"""Pictures are resized to this share of the side, of which the middle is cut out."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DinoEncoder:
    """A DINO, whose class token tells pictures of one thing from pictures of another.

    Args:
        model: a ViT or DINOv2 of transformers.
    """

    def __init__(self, model: Any) -> None:
        self._model = model.requires_grad_(False).eval()
        side = min(SIDE, int(model.config.image_size))
        self._images = CLIPImageProcessorPil(
            size={"shortest_edge": round(side * RESIZED)}, crop_size={"height": side, "width": side},
            image_mean=MEAN, image_std=DEVIATION,
        )  # fmt: skip

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Load a folder of transformers' ViT or DINOv2.

        Raises:
            CheckpointError: it holds something else, or lacks weights.
        """
        kind = read_json(folder / "config.json").get("model_type")
        if kind not in KINDS:
            raise CheckpointError(f"{folder} holds a {kind} model; DINO is a {' or '.join(KINDS)}, such as "
                                  "facebook/dino-vits16")  # fmt: skip
        try:
            loaded: Any = AutoModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"cannot load the DINO in {folder}: {error}") from error
        model, info = loaded
        # the pooler is not read, and DINO was published without one
        if missing := sorted(name for name in map(str, info["missing_keys"]) if "pooler" not in name):
            raise CheckpointError(f"{folder} lacks {len(missing)} weights, {missing[0]} first")
        return cls(model)

    @torch.inference_mode()
    def embed(self, image: Image.Image) -> Tensor:
        """Unit vector of an RGB picture, [D]."""
        pixels = self._images([image], return_tensors="pt")["pixel_values"]  # [1, 3, S, S]
        states: Tensor = self._model(pixels).last_hidden_state  # [1, 1 + patches, D]
        return functional.normalize(states[0, 0], dim=0)


class Likeness:
    """The measures for which there are weights.

    Args:
        clip: gives CLIP-I and CLIP-T; None leaves them out.
        dino: gives DINO; None leaves it out.
    """

    def __init__(self, clip: ClipEncoder | None, dino: DinoEncoder | None) -> None:
        self._clip = clip
        self._dino = dino

    @classmethod
    def load(cls, clip: str | None, dino: str | None) -> Self:
        """From names of the catalogue, folders or repositories."""
        return cls(
            None if clip is None else ClipEncoder.from_folder(folder_of(clip)),
            None if dino is None else DinoEncoder.from_folder(folder_of(dino)),
        )

    def figures(self, picture: Image.Image, reference: Image.Image, prompt: str) -> dict[str, float]:
        """The measures of one picture by name, each -1..1."""
        found: dict[str, float] = {}
        if self._clip is not None:
            seen, known = self._clip.embed_images([picture, reference])
            (told,) = self._clip.embed_texts([prompt])
            found |= {"clip-i": float(seen @ known), "clip-t": float(seen @ told)}
        if self._dino is not None:
            found["dino"] = float(self._dino.embed(picture) @ self._dino.embed(reference))
        return found
