"""IP-Adapter's published files (arXiv 2308.06721): a projection, and layers under MoMA's names and numbers.

Source: h94/IP-Adapter, `models/ip-adapter_sd15` and its like: `image_proj.*` and
`ip_adapter.<n>.to_k_ip.weight`, flat in safetensors and nested once in .bin. The "plus" and "full" kinds
project otherwise and are refused.
"""

from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import KeyRule, check_complete, open_tensors, rename_keys
from gesso.models.moma.adapter_file import unpickled
from gesso.models.moma.modules import PictureProjection

__all__ = [
    "IP_ADAPTER_FILE",
    "IP_SETTINGS_FILE",
    "IpAdapterFile",
    "find_ip_adapter",
    "has_ip_adapter",
    "is_ip_adapter",
    "read_ip_adapter",
    "write_ip_adapter",
]

IP_ADAPTER_FILE: Final = "ip-adapter.safetensors"
"""The file in folders that gesso trained."""

IP_SETTINGS_FILE: Final = "ip-adapter.json"
"""In such folders: which picture encoder and painter the adapter goes with."""

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
    return path.is_file() and path.name.startswith("ip-adapter") and path.suffix != ".json"


def has_ip_adapter(folder: Path) -> bool:
    """Whether a folder has such a file."""
    return any(map(is_ip_adapter, folder.glob("ip-adapter*")))


def find_ip_adapter(place: Path) -> Path:
    """The IP-Adapter that a path means: a file, or a folder with one such file.

    Raises:
        CheckpointError: it is neither, or the folder has several.
    """
    if is_ip_adapter(place):
        return place
    found = sorted(filter(is_ip_adapter, place.glob("ip-adapter*")))
    names = ", ".join(path.name for path in found)
    if len(found) != 1:
        raise CheckpointError(
            f"{place} holds several IP-Adapters: {names}; give the path of one file" if found else
            f"{place} holds no IP-Adapter, whose file begins with ip-adapter; give that file or its folder"
        )  # fmt: skip
    return found[0]


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


def write_ip_adapter(path: Path, file: IpAdapterFile) -> None:
    """Write a safetensors file in the published layout, which diffusers' `load_ip_adapter` reads, too."""
    tensors = {f"image_proj.{key}": tensor for key, tensor in file.projection.state_dict().items()}
    tensors |= {f"ip_adapter.{key}": tensor for key, tensor in file.attention.items()}
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, path)
