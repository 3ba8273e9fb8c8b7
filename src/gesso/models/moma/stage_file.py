"""What MoMA's first stage of training leaves: the mapping, in a file of its own."""

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import check_complete, open_tensors
from gesso.models.moma.modules import SubjectMapping

__all__ = ["MAPPING_FILE", "read_mapping", "write_mapping"]

MAPPING_FILE: Final = "mapping.safetensors"


def write_mapping(folder: Path, mapping: SubjectMapping) -> None:
    """Write the mapping into a folder."""
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in mapping.state_dict().items()}
    save_file(tensors, folder / MAPPING_FILE)


def read_mapping(folder: Path) -> SubjectMapping:
    """The mapping in a folder, in float32.

    Raises:
        CheckpointError: there is none, or it is of another shape.
    """
    file = folder / MAPPING_FILE
    if not file.is_file():
        raise CheckpointError(f"{folder} has no {MAPPING_FILE}; train the first stage before the second")
    tensors = open_tensors([file])
    gate = tensors.get("gate_proj.weight", torch.empty(1, 1))
    mapping = SubjectMapping(gate.shape[1], gate.shape[0])
    check_complete({name: tensor.shape for name, tensor in tensors.items()}, mapping)
    mapping.load_state_dict(tensors)
    return mapping.float()
