"""LoRAs added to the weights of a painting model: those of diffusers (old and new names) and of kohya's
trainer.

W + s (alpha / rank) up down (arXiv 2106.09685, section 4.1). The weights are changed once, when the model is
loaded, so painting costs no more than without.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.files import TensorFile, read_tensors, some
from gesso.diffusion.names import stability_names
from gesso.diffusion.parts import PaintModel

__all__ = ["Lora", "merge_loras"]

FOLDER_FILE: Final = "pytorch_lora_weights.safetensors"
"""What diffusers calls the file in a folder."""

ROLES: Final = (
    (re.compile(r"(.+)\.processor\.(to_[qkv]|to_out)_lora\.(down|up)\.weight"), r"\1.\2"),
    (re.compile(r"(.+)\.(?:lora_linear_layer|lora)\.(down|up)\.weight"), r"\1"),
    (re.compile(r"(.+)\.lora_(down|up|A|B)(?:\.default)?\.weight"), r"\1"),
    (re.compile(r"(.+)\.(alpha)"), r"\1"),
)
"""Endings of keys: the last group is the role, the replacement is the layer."""

SAME_ROLE: Final = {"A": "down", "B": "up"}

OTHER_KINDS: Final = ("dora_scale", "hada_", "lokr_", "lora_mid", "oft_", "glora", ".diff")
"""Parts of keys that tell of adapters which are no plain LoRA."""

METADATA: Final = "lora_adapter_metadata"
"""Where diffusers writes peft's settings, among them alpha."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A file to add to the weights.

    Attributes:
        path: a .safetensors file, or a folder in which diffusers saved one.
        weight: how much of it; 1 is all, 0 nothing, below 0 the opposite.
    """

    path: Path
    weight: float = 1.0


@dataclass(slots=True)
class _Layer:
    """What a file says of one layer: down [r, in, ...], up [out, r, ...], alpha (None: the rank)."""

    down: Tensor | None = None
    up: Tensor | None = None
    alpha: float | None = None


def merge_loras(model: PaintModel, loras: Sequence[Lora]) -> None:
    """Add LoRAs to a model's weights, one after the other.

    Raises:
        CheckpointError: a file is damaged, or does not fit the model.
        UnsupportedError: a file holds an adapter of another kind.
    """
    names = _module_names(model) if loras else {}
    for lora in loras:
        path = lora.path / FOLDER_FILE if lora.path.is_dir() else lora.path
        layers = _layers(path, read_tensors(path))
        unknown = sorted(name for name in layers if name not in names)
        if unknown:
            raise CheckpointError(
                f"{path} is for another model: this one has no layer {some(unknown)}; "
                "a LoRA fits the kind of model it was trained on, SD 1.5 or SDXL"
            )
        for name, layer in layers.items():
            _add(path, name, names[name], layer, lora.weight)


def _layers(path: Path, file: TensorFile) -> dict[str, _Layer]:
    """Name of each layer in the file -> what is said of it."""
    found: dict[str, _Layer] = {}
    alphas = _metadata_alphas(path, file.metadata)
    for key, tensor in file.tensors.items():
        layer, role = _role(path, key)
        entry = found.setdefault(layer, _Layer(alpha=alphas.get(layer.split(".")[0])))
        setattr(entry, role, float(tensor) if role == "alpha" else tensor)
    if not found:
        raise CheckpointError(f"{path} holds no tensors; a LoRA has two for each layer")
    return found


def _role(path: Path, key: str) -> tuple[str, str]:
    """The layer and the role of a key."""
    if any(kind in key for kind in OTHER_KINDS):
        raise UnsupportedError(f"{path} holds {key}, so it is no plain LoRA; only plain LoRAs are added")
    for pattern, layer in ROLES:
        found = pattern.fullmatch(key)
        if found is not None:
            role = found[found.lastindex or 1]
            return found.expand(layer), SAME_ROLE.get(role, role)
    raise CheckpointError(f"{path} holds {key}, which is no part of a LoRA of diffusers or kohya")


def _metadata_alphas(path: Path, metadata: Mapping[str, str]) -> dict[str, float]:
    """Part of the model, such as "unet" -> its alpha, from the file's header."""
    settings = json.loads(metadata.get(METADATA, "{}"))
    odd = [
        name
        for name, value in settings.items()
        if value and name.endswith((".use_dora", ".use_rslora", ".alpha_pattern"))
    ]
    if odd:
        raise UnsupportedError(f"{path} sets {some(odd)}; only plain LoRAs of one alpha are added")
    ending = ".lora_alpha"
    return {
        name.removesuffix(ending): float(value) for name, value in settings.items() if name.endswith(ending)
    }


def _module_names(model: PaintModel) -> dict[str, nn.Linear | nn.Conv2d]:
    """Every name that files give to a layer -> the layer."""
    names = dict(_unet_names(model))
    several = len(model.text.encoders) > 1
    for number, encoder in enumerate(model.text.encoders, start=1):
        ours = "text_encoder" if number == 1 else f"text_encoder_{number}"
        kohya = f"lora_te{number}" if several else "lora_te"
        for name, module in _layers_of(encoder):
            # transformers keeps this prefix on disk; in memory only models with a projection have it
            full = name if name.startswith("text_") else f"text_model.{name}"
            names |= {f"{ours}.{full}": module, f"{kohya}_{full.replace('.', '_')}": module}
    return names


def _unet_names(model: PaintModel) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    modules = dict(_layers_of(model.unet))
    older = stability_names(model.unet.config, list(modules))
    for name, module in modules.items():
        yield name, module
        yield f"unet.{name}", module
        yield f"unet.{name.removesuffix('.0')}", module  # the oldest files write to_out for to_out.0
        yield f"lora_unet_{name.replace('.', '_')}", module
        if name in older:
            yield f"lora_unet_{older[name].replace('.', '_')}", module


def _layers_of(model: nn.Module) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            yield name, module


@torch.no_grad()
def _add(path: Path, name: str, module: nn.Linear | nn.Conv2d, layer: _Layer, weight: float) -> None:
    if layer.down is None or layer.up is None:
        raise CheckpointError(f"{path} lacks one of the two matrices of {name}; fetch it again")
    rank = layer.down.shape[0]
    shape = module.weight.shape
    outward, inward = layer.up.flatten(1).float(), layer.down.flatten(1).float()  # [out, r], [r, in * window]
    fits = outward.shape == (shape[0], rank) and inward.shape[1] == shape[1:].numel()
    if not fits:
        raise CheckpointError(
            f"{path} has {name} of {list(layer.up.shape)} and {list(layer.down.shape)}, which does not fit "
            f"this model's {list(shape)}; it was trained on another model"
        )
    scale = weight * (rank if layer.alpha is None else layer.alpha) / rank
    change = scale * (outward @ inward).view(shape)
    module.weight.copy_(module.weight.float() + change)
