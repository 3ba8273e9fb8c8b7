"""The file of MoMA's adapters: three state dicts, published as one pickled file, which gesso saves safely.

`projectors` (picture tokens), `self_cross_attentions` (layers of the UNet by number) and `llm_mapping`.
Precisions are mixed in the published file. The original loads two of the three without counting keys; here
every key is used, or the file is refused.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import DAMAGE, KeyRule, check_complete, open_tensors, rename_keys
from gesso.models.moma.modules import PictureProjection, SubjectMapping

__all__ = [
    "ADAPTER_FILES",
    "AdapterFile",
    "find_adapter",
    "has_adapter",
    "read_adapter",
    "unpickled",
    "write_adapter",
]

M = TypeVar("M", bound=nn.Module)

ADAPTER_FILES: Final = ("attn_adapters_projectors.safetensors", "attn_adapters_projectors.th")
"""Names of the file in a folder: as gesso writes it, and as it is published."""

SECTIONS: Final = ("projectors", "self_cross_attentions", "llm_mapping")

RULES: Final = (
    KeyRule(r"projectors/((?:proj|norm)\.(?:weight|bias))", r"projectors/\1"),
    KeyRule(r"self_cross_attentions/(\d+\.(?:to_k_ip\.weight|to_v_ip\.weight|scale_learnable))",
            r"self_cross_attentions/\1"),
    KeyRule(r"llm_mapping/mapping\.((?:gate|up|down)_proj\.weight)", r"llm_mapping/\1"),
)  # fmt: skip


class AdapterFile(NamedTuple):
    """What such a file holds.

    Attributes:
        mapping: the language model's state to an embedding.
        projection: the embedding to picture tokens.
        attention: "<number of a layer>.<weight>" -> tensor, for `gesso.diffusion.subject_adapter`.
    """

    mapping: SubjectMapping
    projection: PictureProjection
    attention: dict[str, Tensor]


def has_adapter(folder: Path) -> bool:
    """Whether a folder has an adapter file."""
    return any((folder / name).is_file() for name in ADAPTER_FILES)


def find_adapter(folder: Path) -> Path:
    """The adapter file of a folder.

    Raises:
        CheckpointError: there is none.
    """
    for name in ADAPTER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        f"{folder} has no MoMA adapter ({' or '.join(ADAPTER_FILES)}); the published one lies in the "
        "repository KunpengSong/MoMA_llava_7b"
    )


def read_adapter(path: Path, dtype: torch.dtype = torch.float32) -> AdapterFile:
    """Read an adapter file; pickles are read with weights only, so nothing in them is run.

    Args:
        path: a .th, .pt or .bin file in the published layout, or safetensors with keys joined by "/".
        dtype: of mapping and projection; the layers keep the file's.

    Raises:
        CheckpointError: it is damaged, holds keys no rule knows, lacks some, or widths do not agree.
    """
    tensors = open_tensors([path]) if path.suffix == ".safetensors" else unpickled(path)
    names = rename_keys(tensors, RULES)
    sections: dict[str, dict[str, Tensor]] = {name: {} for name in SECTIONS}
    for key, name in names.items():
        section, _, inner = name.partition("/")
        sections[section][inner] = tensors[key]
    absent = [name for name, found in sections.items() if not found]
    if absent:
        raise CheckpointError(f"{path} lacks {', '.join(absent)}; it is no whole MoMA adapter file")
    mapping = _mapping(path, sections["llm_mapping"], dtype)
    projection = _projection(path, sections["projectors"], mapping.down_proj.out_features, dtype)
    return AdapterFile(mapping, projection, sections["self_cross_attentions"])


def write_adapter(path: Path, file: AdapterFile) -> None:
    """Write a safetensors file that `read_adapter` reads, under the published names."""
    tensors = {f"projectors/{key}": tensor for key, tensor in file.projection.state_dict().items()}
    tensors |= {f"llm_mapping/mapping.{key}": tensor for key, tensor in file.mapping.state_dict().items()}
    tensors |= {f"self_cross_attentions/{key}": tensor for key, tensor in file.attention.items()}
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, path)


def unpickled(path: Path) -> dict[str, Tensor]:
    """A pickled dictionary of state dicts, as such adapters are published, with names joined by "/".

    Raises:
        CheckpointError: it is damaged or laid out otherwise.
    """
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (*DAMAGE, pickle.UnpicklingError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    nested = isinstance(loaded, Mapping) and all(isinstance(part, Mapping) for part in loaded.values())
    if not nested or not all(isinstance(t, Tensor) for part in loaded.values() for t in part.values()):
        raise CheckpointError(
            f"{path} is no adapter file, which holds state dicts by name, MoMA's {', '.join(SECTIONS)}"
        )
    return {f"{section}/{key}": tensor for section, part in loaded.items() for key, tensor in part.items()}


def _mapping(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> SubjectMapping:
    gate = tensors.get("gate_proj.weight")
    shape = (1, 1) if gate is None else tuple(reversed(gate.shape))
    return _filled(SubjectMapping(*shape), path, tensors, dtype)


def _projection(
    path: Path, tensors: Mapping[str, Tensor], embedding: int, dtype: torch.dtype
) -> PictureProjection:
    norm, weight = tensors.get("norm.weight"), tensors.get("proj.weight")
    width = 1 if norm is None else len(norm)
    count = 1 if weight is None else max(1, len(weight) // width)
    # of the mapping's width: a projector of another one is refused by shape
    return _filled(PictureProjection(embedding, width, count), path, tensors, dtype)


def _filled(module: M, path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> M:
    try:
        check_complete({name: tensor.shape for name, tensor in tensors.items()}, module)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    module.load_state_dict(dict(tensors))
    return module.to(dtype).requires_grad_(False).eval()
