"""IP-Adapter's published files (arXiv 2308.06721): a projection, and layers under MoMA's names and numbers.

Source: h94/IP-Adapter, `models/ip-adapter_sd15` and its like: `image_proj.*` and
`ip_adapter.<n>.to_k_ip.weight`, flat in safetensors and nested once in .bin. The "plus" and "full" kinds
project otherwise and are refused.
"""

from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import KeyRule, check_complete, open_tensors, rename_keys
from gesso.models.moma.adapter_file import unpickled
from gesso.models.moma.modules import PictureProjection

__all__ = ["IpAdapterFile", "is_ip_adapter", "read_ip_adapter"]

RULES: Final = (
    KeyRule(r"image_proj[./]((?:proj|norm)\.(?:weight|bias))", r"projection/\1"),
    KeyRule(r"ip_adapter[./](\d+\.to_[kv]_ip\.weight)", r"attention/\1"),
)


class IpAdapterFile(NamedTuple):
    """The projection of a CLIP's embedding to picture tokens, and tensors for a `SubjectAdapter`."""

    projection: PictureProjection
    attention: dict[str, Tensor]


def is_ip_adapter(path: Path) -> bool:
    """Whether a file's name is one of those IP-Adapter is published under."""
    return path.is_file() and path.name.startswith("ip-adapter")


def read_ip_adapter(path: Path, dtype: torch.dtype = torch.float32) -> IpAdapterFile:
    """Read an IP-Adapter.

    Raises:
        CheckpointError: it is damaged, or of a kind whose projection has further layers; keys are named.
    """
    tensors = open_tensors([path]) if path.suffix == ".safetensors" else unpickled(path)
    names = rename_keys(tensors, RULES)
    found = {name: tensors[key] for key, name in names.items()}
    own = {name.removeprefix("projection/"): t for name, t in found.items() if name.startswith("projection/")}
    if set(own) != {"proj.weight", "proj.bias", "norm.weight", "norm.bias"}:
        raise CheckpointError(f"{path} has no image_proj of one layer and a norm; give a plain IP-Adapter")
    width = len(own["norm.weight"])
    count = max(1, len(own["proj.weight"]) // width)
    projection = PictureProjection(own["proj.weight"].shape[1], width, count)
    check_complete({name: tensor.shape for name, tensor in own.items()}, projection)
    projection.load_state_dict(own)
    attention = {
        name.removeprefix("attention/"): tensor
        for name, tensor in found.items()
        if name.startswith("attention/")
    }
    return IpAdapterFile(projection.to(dtype).requires_grad_(False).eval(), attention)
