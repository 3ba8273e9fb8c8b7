"""MoMA's language model, loaded where it fits and in as many bits."""

from pathlib import Path
from typing import Literal

import torch
from torch import nn

from gesso.core.errors import MissingExtraError, UsageError
from gesso.diffusion.memory import MemoryPlan, Residence
from gesso.engines.builders import is_small
from gesso.engines.personalize_memory import plan_reader
from gesso.engines.subject_eyes import MomaEyes
from gesso.models.llava.convert import load_llava
from gesso.models.moma.adapter_file import find_adapter, read_adapter
from gesso.models.moma.model import SubjectReader
from gesso.models.packing import PACKED_BITS, can_pack, pack_linears, packed_gigabytes

__all__ = ["load_moma_eyes"]


def load_moma_eyes(
    folder: Path, place: Path, device: torch.device, vram: int | None, bits: int | None
) -> tuple[MomaEyes, dict[str, torch.Tensor]]:
    """What looks at references for MoMA, and the layers for the painter.

    Args:
        folder: has the adapter file.
        place: folder of the LLaVA.
        device: where the painter is.
        vram: gigabytes of GPU memory to stay within with the painter; None plans for as much as is needed.
        bits: see `plan_reader`.

    Raises:
        CheckpointError: files are missing, damaged, or do not fit each other.
        MissingExtraError: bits are to be packed, and bitsandbytes is not installed.
        UsageError: bits do not fit the memory or mean nothing there.
    """
    on_gpu, file = device.type != "cpu", find_adapter(folder)
    packs = can_pack() and device.type != "mps"
    if bits in PACKED_BITS and device.type == "mps":
        raise UsageError(
            f"bits {bits} came for an Apple GPU, for which bitsandbytes has no kernels; leave it out"
        )
    if bits in PACKED_BITS and on_gpu and not packs:
        raise MissingExtraError("bitsandbytes", "pack")
    dtype = torch.float32 if is_small(place) and not on_gpu else torch.bfloat16
    chat = load_llava(place, dtype=dtype)
    module: nn.Module = chat.module
    language = module.get_submodule("model.language_model")
    rest = packed_gigabytes(module, 16) - packed_gigabytes(language, 16)
    sizes = {each: packed_gigabytes(language, each) + rest for each in (16, *PACKED_BITS)}
    plan = plan_reader(sizes, vram, bits, on_gpu=on_gpu, packs=packs)
    if plan.bits in PACKED_BITS:
        module.to(torch.float16)  # as published; LLM.int8 computes in nothing else
        pack_linears(language, plan.bits)
    module.requires_grad_(False).eval()
    found = read_adapter(file, dtype if plan.bits == 16 else torch.float16)
    offload: Literal["model", "none"] = "model" if plan.stay == "turn" else "none"
    residence = Residence(MemoryPlan(offload), "cpu" if plan.stay == "cpu" else device)
    residence.settle(module, {"mapping": found.mapping, "projection": found.projection})
    return MomaEyes(SubjectReader(chat, found.mapping), found.projection, residence), found.attention
