"""Painting models from disk: a diffusers folder, or a single safetensors file as they are passed around.

Nothing is ever fetched: whoever wants a repository of the Hub downloads it first and gives its folder.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import diffusers
import torch
from diffusers import AutoencoderKL, ModelMixin, UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, PreTrainedModel

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.encode import Pooled, PromptEncoder, TextModel
from gesso.diffusion.files import read_object, read_tokenizer, reading, require_complete, require_filled
from gesso.diffusion.lora import Lora, merge_loras
from gesso.diffusion.memory import FULL, Precision, plan_memory, precision
from gesso.diffusion.parts import PaintModel
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.single_file import read_single_file
from gesso.models.shared import read_shared

__all__ = ["load_painter", "read_encoder", "read_folder", "read_part", "read_scheduler"]

CLASSES: Final = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
}
"""Parts of a folder -> the class that model_index.json must name for them."""

OTHERS: Final = {"IF": "dream", "StableDiffusionUpscale": "upscale"}
"""Beginnings of the names of pipelines -> the command that runs them."""

ENCODERS: Final[tuple[type[TextModel], ...]] = (CLIPTextModel, CLIPTextModelWithProjection)

Part = TypeVar("Part", bound=ModelMixin)
Encoder = TypeVar("Encoder", bound=PreTrainedModel)

VARIANT: Final = "fp16"
"""The only kind of weights some folders hold."""


def load_painter(
    path: str | Path,
    *,
    device: torch.device | str = "cpu",
    vram: int | None = None,
    loras: Sequence[Lora] = (),
    tokenizer: str | Path | None = None,
    vae: Path | None = None,
    pooled: Pooled | None = None,
) -> Painter:
    """A painter from disk.

    Args:
        path: a diffusers folder (SD 1.5 or SDXL), or a .safetensors file with UNet, VAE and text encoders.
        device: where to paint; the precision follows from it (see `plan_memory`).
        vram: gigabytes of GPU memory to stay within: 4, 6, 8 or 12.
        loras: added to the weights, each with its own strength.
        tokenizer: for single files, a folder with the vocabulary of CLIP, which those files lack.
        vae: folder of another autoencoder for the same latents, such as sd-vae-ft-mse.
        pooled: see `Painter`.

    Raises:
        CheckpointError: files are missing, damaged, or hold something else.
        UnsupportedError: the model is of a kind that is not served.
        UsageError: the memory cannot be planned for.
    """
    place = Path(path).expanduser()
    numbers = precision(device)
    if place.is_dir():
        if tokenizer is not None:
            raise UnsupportedError(f"{place} has tokenizers of its own; leave tokenizer={tokenizer} out")
        model = read_folder(place, numbers)
    elif place.is_file():
        vocabulary = None if tokenizer is None else Path(tokenizer)
        model = read_single_file(place, tokenizer=vocabulary, numbers=numbers)
    else:
        raise CheckpointError(
            f"{place} is neither a folder nor a file; give a diffusers folder or a .safetensors file on disk"
        )
    if vae is not None:
        model = replace(model, vae=read_part(AutoencoderKL, vae, numbers.vae))
    merge_loras(model, loras)
    plan = plan_memory(device, model.parameters(), vram)
    return Painter(model, device=device, plan=plan, pooled=pooled)


def read_folder(folder: Path, numbers: Precision = FULL) -> PaintModel:
    """The model in a diffusers folder. A safety checker that lies there is neither loaded nor run.

    Raises:
        CheckpointError: files are missing or damaged, or weights do not fill the model.
        UnsupportedError: it is a pipeline of another kind.
    """
    index = read_object(folder / "model_index.json")
    _require_known(folder, index)
    count = 2 if "text_encoder_2" in index else 1
    suffixes = ("", "_2")[:count]
    scheduler = folder / "scheduler" / "scheduler_config.json"
    return PaintModel(
        read_part(UNet2DConditionModel, folder / "unet", numbers.model),
        read_part(AutoencoderKL, folder / "vae", numbers.vae),
        PromptEncoder(
            tuple(read_tokenizer(folder / f"tokenizer{suffix}") for suffix in suffixes),
            tuple(
                read_encoder(kind, folder / f"text_encoder{suffix}", numbers.model)
                for kind, suffix in zip(ENCODERS, suffixes, strict=False)
            ),
        ),
        read_object(scheduler) if scheduler.is_file() else {},
    )


def _require_known(folder: Path, index: dict[str, Any]) -> None:
    """Refuse pipelines whose parts are of other kinds than SD 1.5's and SDXL's."""
    kind = str(index.get("_class_name"))
    for beginning, verb in OTHERS.items():
        if kind.startswith(beginning):
            raise UnsupportedError(f"{folder} is a {kind}, which knows neither canvases nor subjects; it is "
                                   f"for gesso {verb}")  # fmt: skip
    for part, wanted in CLASSES.items():
        if part not in index and part == "text_encoder_2":
            continue
        found = (index.get(part) or [None, None])[1]
        if found != wanted:
            raise UnsupportedError(
                f"{folder} is a {index.get('_class_name')} whose {part} is {found or 'missing'}; "
                f"the painter runs SD 1.5 and SDXL, whose {part} is {wanted}"
            )


def read_part(kind: type[Part], folder: Path, dtype: torch.dtype) -> Part:
    """A part that diffusers knows.

    Raises:
        CheckpointError: files are missing or damaged, or weights do not fill it.
    """
    borrowed = read_shared(folder)
    with reading(folder):
        if borrowed is not None:
            config, _ = kind.load_config(str(folder), return_unused_kwargs=True)
            part: Any = kind.from_config(config)
            part.load_state_dict(borrowed)
            # not the part's own `to`, which warns of modules to be kept in float32 where there are none
            filled: Part = nn.Module.to(part, dtype=dtype).eval()
            return filled
        loaded: tuple[Part, dict[str, Any]] = kind.from_pretrained(
            str(folder),
            torch_dtype=dtype,
            variant=_variant(folder),
            local_files_only=True,
            output_loading_info=True,
        )
    model, info = loaded
    require_complete(folder, info)
    require_filled(model, folder)
    return model


def read_encoder(kind: type[Encoder], folder: Path, dtype: torch.dtype) -> Encoder:
    """A part that transformers knows; errors as in `read_part`."""
    borrowed = read_shared(folder)
    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "output_loading_info": True}
    with reading(folder):
        if borrowed is None:
            loaded: Any = kind.from_pretrained(str(folder), variant=_variant(folder), **options)
        else:
            settings: Any = kind.config_class
            config = settings.from_pretrained(str(folder), local_files_only=True)
            loaded = kind.from_pretrained(None, config=config, state_dict=borrowed, **options)
    model: Encoder = loaded[0]
    require_complete(folder, loaded[1])
    return model


def read_scheduler(folder: Path) -> Any:
    """The scheduler in a folder, of one of the classes that diffusers calls interchangeable.

    Raises:
        CheckpointError: it cannot be read.
        UnsupportedError: it is of another class.
    """
    config = read_object(folder / "scheduler_config.json")
    name = str(config.get("_class_name"))
    if name not in KarrasDiffusionSchedulers.__members__:
        raise UnsupportedError(f"{folder} is a {name}, which is no scheduler that gesso samples with")
    with reading(folder):
        return getattr(diffusers, name).from_config(config)


def _variant(folder: Path) -> str | None:
    """The kind of weights to read: the plain ones if there are any, else those in half precision."""
    names = [path.name for path in folder.glob("*.safetensors")]
    plain = [name for name in names if f".{VARIANT}." not in name]
    return VARIANT if names and not plain else None
