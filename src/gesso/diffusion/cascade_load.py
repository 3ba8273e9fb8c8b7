"""DeepFloyd IF from disk: the parts of its stages, each of which comes to the GPU when it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import PreTrainedTokenizerBase, T5EncoderModel

from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.files import read_object, read_tokenizer
from gesso.diffusion.load import read_encoder, read_part, read_scheduler
from gesso.diffusion.memory import GIGABYTE, RESERVE, VRAM_SIZES, MemoryPlan, Offload, Residence, precision

__all__ = ["Placed", "SecondStage", "TextStage", "load_first", "load_second"]

FIRST, SECOND = "IFPipeline", "IFSuperResolutionPipeline"

Part = TypeVar("Part", bound=nn.Module)

KNOWN: Final = {FIRST: "the first stage, such as DeepFloyd/IF-I-XL-v1.0",
                SECOND: "the second stage, such as DeepFloyd/IF-II-L-v1.0"}  # fmt: skip


class Placed(Generic[Part]):
    """A part that waits on the CPU, or comes layer by layer, if it and others would not fit the GPU together.

    Args:
        part: the module.
        device: where it computes.
        vram: gigabytes to stay within; None keeps it on the device.

    Raises:
        UsageError: vram is another number than can be planned for, or came for the CPU.
    """

    def __init__(self, part: Part, device: torch.device, vram: int | None) -> None:
        if vram is not None and vram not in VRAM_SIZES:
            raise UsageError(f"vram is {vram}; it must be one of {', '.join(map(str, VRAM_SIZES))}")
        if vram is not None and device.type == "cpu":
            raise UsageError(f"vram {vram} came for the CPU, which has none; leave it out, or choose a GPU")
        self.part = part.requires_grad_(False).eval()
        self._residence = Residence(MemoryPlan(_offload(part, vram)), device)
        self._residence.settle(part, {})

    @contextmanager
    def there(self) -> Iterator[Part]:
        """The part, on its device for a while; one picture at a time, unless it always stays there."""
        with self._residence.turn(), self._residence.using(self.part, layered=True):
            yield self.part


@dataclass(frozen=True, slots=True, eq=False)
class TextStage:
    """The first stage: T5 with its tokenizer, and the UNet of small pictures."""

    tokenizer: PreTrainedTokenizerBase
    encoder: Placed[T5EncoderModel]
    unet: Placed[UNet2DConditionModel]
    scheduler: Any


@dataclass(frozen=True, slots=True, eq=False)
class SecondStage:
    """The second stage: a UNet that paints over an enlarged, noised picture."""

    unet: Placed[UNet2DConditionModel]
    scheduler: Any
    noising: Any


def load_first(folder: Path, device: torch.device, vram: int | None) -> TextStage:
    """The first stage of a folder; neither safety checker nor watermark are loaded.

    Raises:
        CheckpointError: files are missing or damaged.
        UnsupportedError: it is another pipeline.
        UsageError: the memory cannot be planned for.
    """
    _require(folder, FIRST)
    dtype = precision(device).model
    return TextStage(
        read_tokenizer(folder / "tokenizer"),
        Placed(read_encoder(T5EncoderModel, folder / "text_encoder", dtype), device, vram),
        Placed(read_part(UNet2DConditionModel, folder / "unet", dtype), device, vram),
        read_scheduler(folder / "scheduler"),
    )


def load_second(folder: Path, device: torch.device, vram: int | None) -> SecondStage:
    """The second stage of a folder; a text encoder that lies there is the first stage's, and not loaded.

    Errors as in `load_first`.
    """
    _require(folder, SECOND)
    unet = read_part(UNet2DConditionModel, folder / "unet", precision(device).model)
    return SecondStage(
        Placed(unet, device, vram),
        read_scheduler(folder / "scheduler"),
        read_scheduler(folder / "image_noising_scheduler"),
    )


def _require(folder: Path, wanted: str) -> None:
    found = read_object(folder / "model_index.json").get("_class_name")
    if found != wanted:
        raise UnsupportedError(f"{folder} is a {found}; here is wanted {KNOWN[wanted]}, which is a {wanted}")


def _offload(part: nn.Module, vram: int | None) -> Offload:
    """Every part in turn where memory is short: T5 alone is larger than all that paints."""
    if vram is None:
        return "none"
    size = sum(p.numel() for p in part.parameters()) * torch.float16.itemsize / GIGABYTE
    return "model" if size + RESERVE <= vram else "leaf"
