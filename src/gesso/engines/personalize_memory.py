"""Where MoMA's language model waits and in how many bits, for a given amount of GPU memory.

The published needs are 22 GB in 16 bits, 18 in 8 and 14 in 4 (bytedance/MoMA, README); they follow from the
weights and `BESIDE`. With less, the language model comes to the GPU for its one pass of each prompt only, or
stays on the CPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gesso.core.errors import UsageError
from gesso.diffusion.memory import VRAM_SIZES

__all__ = ["SUBJECT_VRAM_SIZES", "ReaderPlan", "painter_vram", "plan_reader"]

SUBJECT_VRAM_SIZES: Final = (*VRAM_SIZES, 14, 18, 22)
"""GPU memories that can be planned for, in gigabytes (10^9 bytes)."""

PAINTER: Final = 2.2
"""Gigabytes of Stable Diffusion 1.5 with the adapter, in 16 bits."""

BESIDE: Final = 5.5
"""Gigabytes that the published needs leave beside all weights."""

VISIT: Final = 1.0
"""Gigabytes that a pass of the language model takes beside its weights."""

Stay = Literal["gpu", "turn", "cpu"]
"""Where the language model is: on the GPU; there for its passes only; on the CPU."""


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """How MoMA's language model is laid out."""

    bits: int = 16
    stay: Stay = "gpu"


def plan_reader(
    sizes: Mapping[int, float], vram: int | None, bits: int | None, *, on_gpu: bool, packs: bool
) -> ReaderPlan:
    """A plan by which the language model fits beside the painter.

    Args:
        sizes: 16, 8 and 4 bits -> gigabytes of the weights.
        vram: gigabytes to stay within; None plans for as much as is needed.
        bits: of the language model; None takes the most that fit, and packs only if something else would not.
        on_gpu: whether the painter is on a GPU.
        packs: whether bitsandbytes is there.

    Raises:
        UsageError: bits do not fit the memory, mean nothing on a CPU, or are another number.
    """
    if bits not in (None, *sizes):
        raise UsageError(f"bits is {bits}; it must be one of {', '.join(map(str, sizes))}")
    if not on_gpu:
        if bits not in (None, 16):
            raise UsageError(f"bits {bits} came for the CPU, where the language model is not packed; leave "
                             "it out, or choose a GPU")  # fmt: skip
        return ReaderPlan(stay="cpu")
    if vram is None:
        return ReaderPlan(bits or 16)
    choices = (bits,) if bits is not None else (16, 8, 4) if packs else (16,)
    for each in choices:
        if sizes[each] + PAINTER + BESIDE <= vram:
            return ReaderPlan(each)
    for each in choices:
        # 8 bit does not come and go: bitsandbytes keeps a second copy of it on the GPU
        if each != 8 and sizes[each] + PAINTER + VISIT <= vram:
            return ReaderPlan(each, "turn")
    if bits not in (None, 16):
        raise UsageError(
            f"the language model in {bits} bits does not fit {vram} GB; choose fewer bits or more memory, or "
            "leave bits out, and it stays on the CPU"
        )
    return ReaderPlan(stay="cpu")


def painter_vram(vram: int | None) -> int | None:
    """The memory to plan a painter's parts for.

    Raises:
        UsageError: vram is none of `SUBJECT_VRAM_SIZES`.
    """
    if vram not in (None, *SUBJECT_VRAM_SIZES):
        raise UsageError(f"vram is {vram}; with subjects it must be one of "
                         f"{', '.join(map(str, SUBJECT_VRAM_SIZES))} (gigabytes)")  # fmt: skip
    return vram if vram is None else min(vram, max(VRAM_SIZES))
