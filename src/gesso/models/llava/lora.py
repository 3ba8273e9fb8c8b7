"""LoRA checkpoints of the original trainer, merged into their base: W + (alpha / r) B A.

Facts from haotian-liu/LLaVA at c121f04, `llava/model/builder.py` and `llava/train/train.py`, and from
"LoRA" (arXiv 2106.09685), equation 3.
"""

import re
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.checkpoints import open_tensors, read_json

__all__ = ["is_lora", "merge_lora", "read_trained"]

# peft strips ".default", the adapter's name, from what it saves; a raw state dict still has it
ADAPTER: Final = re.compile(r"base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight")
UNSUPPORTED: Final = ("fan_in_fan_out", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save")


def is_lora(folder: Path) -> bool:
    """Whether a folder holds a LoRA adapter."""
    return (folder / "adapter_config.json").is_file()


def merge_lora(tensors: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Weights with what a LoRA run trained: in full, replacing the base's, or as adapters, added to them.

    Args:
        tensors: the base, under original key names.
        folder: adapter_config.json, adapter_model and non_lora_trainables (each .safetensors or .bin).

    Raises:
        CheckpointError: a file is missing, or an adapter belongs to a weight the base does not have.
        UnsupportedError: a kind of adapter the original trainer never writes.
    """
    merged = {**tensors, **read_trained(folder)}
    scale = _scale(read_json(folder / "adapter_config.json"))
    for name, (down, up) in _adapters(_one_of(folder, "adapter_model")).items():
        weight = merged.get(name)
        if weight is None:
            raise CheckpointError(f"the adapter changes {name}, which the base lacks; give its own base")
        if weight.shape != (up.shape[0], down.shape[1]):
            raise CheckpointError(
                f"the adapter of {name} is for {[up.shape[0], down.shape[1]]}, the base's weight is "
                f"{list(weight.shape)}; give the adapter's own base"
            )
        # [out, r] @ [r, in], in single precision whatever the files hold
        merged[name] = (weight.float() + scale * (up.float() @ down.float())).to(weight.dtype)
    return merged


def read_trained(folder: Path) -> dict[str, Tensor]:
    """The weights a LoRA run trained in full (the projector), under original key names."""
    tensors = _one_of(folder, "non_lora_trainables")
    names = {key: key.removeprefix("base_model.") for key in tensors}
    # saved with one wrapper more around the model; the original's loader strips it, too
    if any(name.startswith("model.model.") for name in names.values()):
        names = {key: name.removeprefix("model.") for key, name in names.items()}
    return {names[key]: tensor for key, tensor in tensors.items()}


def _one_of(folder: Path, stem: str) -> dict[str, Tensor]:
    for ending in ("safetensors", "bin"):
        if (folder / f"{stem}.{ending}").is_file():
            return open_tensors([folder / f"{stem}.{ending}"])
    raise CheckpointError(f"{folder} has no {stem}.safetensors or .bin; folders from the middle of a LoRA "
                          "run lack some files, use the one the run ended with")  # fmt: skip


def _adapters(tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Weight name -> (A [r, in], B [out, r])."""
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        found = ADAPTER.fullmatch(key)
        if found is None:
            raise CheckpointError(f"the adapter holds {key}, which is no lora_A or lora_B of a linear layer")
        pairs.setdefault(f"{found[1]}.weight", {})[found[2]] = tensor
    halves = [name for name, pair in pairs.items() if len(pair) != 2]
    if halves:
        raise CheckpointError(f"the adapter of {halves[0]} has only one of lora_A and lora_B")
    return {name: (pair["A"], pair["B"]) for name, pair in pairs.items()}


def _scale(config: Mapping[str, Any]) -> float:
    used = [name for name in UNSUPPORTED if config.get(name)]
    if config.get("bias", "none") != "none":
        used.append("bias")
    if used:
        raise UnsupportedError(f"adapter_config.json uses {', '.join(used)}; only plain LoRA can be merged")
    missing = [name for name in ("r", "lora_alpha") if not isinstance(config.get(name), int | float)]
    if missing or config["r"] <= 0:
        raise CheckpointError(f"adapter_config.json has r {config.get('r')!r} and lora_alpha "
                              f"{config.get('lora_alpha')!r}; both must be numbers, r above 0")  # fmt: skip
    rank = float(config["r"])
    # rank-stabilised LoRA divides by the root of the rank (arXiv 2312.03732)
    return float(config["lora_alpha"]) / (sqrt(rank) if config.get("use_rslora") else rank)
