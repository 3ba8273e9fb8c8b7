"""Where the parts of a painting model wait and in which precision, for a given amount of GPU memory."""

import gc
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Final, Literal, NamedTuple, TypeVar

import torch
from diffusers.hooks import apply_group_offloading
from torch import nn

from gesso.core.errors import UsageError

__all__ = [
    "FULL",
    "GIGABYTE",
    "RESERVE",
    "VRAM_SIZES",
    "MemoryPlan",
    "Offload",
    "PeakMemory",
    "Precision",
    "Residence",
    "cast",
    "measure_peak",
    "plan_memory",
    "precision",
]

Module = TypeVar("Module", bound=nn.Module)

Offload = Literal["none", "model", "leaf"]
"""Where parts wait: on the device; on the CPU, part by part; on the CPU, layer by layer."""

VRAM_SIZES: Final = (4, 6, 8, 12)
"""GPU memories that can be planned for, in gigabytes (10^9 bytes)."""

RESERVE: Final = 2.0
"""Gigabytes that a picture of 1024 x 1024 takes beside the weights in use, in 16 bits."""

GIGABYTE: Final = 1e9

TILED: Final = 8
"""Gigabytes up to which pictures are decoded in tiles."""


class Precision(NamedTuple):
    """What numbers are kept in: UNet and text encoders, and the VAE, which overflows in float16."""

    model: torch.dtype = torch.float32
    vae: torch.dtype = torch.float32


FULL: Final = Precision()
"""32 bits for everything."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a model is laid out on its device.

    Attributes:
        offload: where parts wait.
        precision: of the parts.
        vae_tiling: whether pictures are decoded in overlapping tiles.
    """

    offload: Offload = "none"
    precision: Precision = FULL
    vae_tiling: bool = False


def precision(device: torch.device | str) -> Precision:
    """float32 on the CPU; on a GPU float16, and bfloat16 for the VAE, as in Omost."""
    return FULL if torch.device(device).type == "cpu" else Precision(torch.float16, torch.bfloat16)


def cast(module: Module, dtype: torch.dtype) -> Module:
    """The module with its numbers in this precision."""
    if next(module.parameters()).dtype != dtype:
        nn.Module.to(module, dtype)  # that of diffusers' models warns at every cast
    return module


def plan_memory(
    device: torch.device | str, parameters: Mapping[str, int], vram: int | None = None
) -> MemoryPlan:
    """A plan by which a model fits.

    On the CPU everything stays where it is. On a GPU, parts leave the device when they are not used if all do
    not fit together, and the UNet comes layer by layer if it does not fit alone.

    Args:
        device: what the model runs on.
        parameters: name of each part -> how many numbers it has.
        vram: gigabytes to stay within, one of `VRAM_SIZES`; None plans for as much as is needed.

    Raises:
        UsageError: vram is another number, or came for the CPU.
    """
    on_cpu = torch.device(device).type == "cpu"
    if vram is None:
        return MemoryPlan(precision=precision(device))
    if vram not in VRAM_SIZES:
        sizes = ", ".join(map(str, VRAM_SIZES))
        raise UsageError(f"vram is {vram}; it must be one of {sizes} (gigabytes)")
    if on_cpu:
        raise UsageError(f"vram {vram} came for the CPU, which has none; leave it out, or choose a GPU")
    sizes_gb = [count * torch.float16.itemsize / GIGABYTE for count in parameters.values()]
    offload: Offload = "leaf"
    if sum(sizes_gb) + RESERVE <= vram:
        offload = "none"
    elif max(sizes_gb) + RESERVE <= vram:
        offload = "model"
    return MemoryPlan(offload, precision(device), vae_tiling=vram <= TILED)


class Residence:
    """Brings the parts of a model to their device while they are used.

    Where parts come and go, only one picture can be painted at a time, so `turn` lets one thread in after the
    other; where they stay, threads paint at once.

    Args:
        plan: how the model is laid out.
        device: where it computes.
    """

    def __init__(self, plan: MemoryPlan, device: torch.device | str) -> None:
        self.plan = plan
        self.device = torch.device(device)
        self._lock = RLock()

    def settle(self, unet: nn.Module, others: Mapping[str, nn.Module]) -> None:
        """Move or prepare the parts, once."""
        if self.plan.offload == "none":
            for part in (unet, *others.values()):
                part.to(self.device)
        if self.plan.offload == "leaf":
            stream = self.device.type == "cuda"  # copies the next layer while this one computes
            apply_group_offloading(
                unet, onload_device=self.device, offload_type="leaf_level", use_stream=stream
            )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One picture's turn."""
        if self.plan.offload == "none":
            yield
            return
        with self._lock:
            yield

    @contextmanager
    def using(self, *parts: nn.Module, layered: bool = False) -> Iterator[None]:
        """Parts on the device for a while.

        Args:
            parts: the parts.
            layered: they come layer by layer where the plan says so, and are not to be moved whole.
        """
        if self.plan.offload == "none" or (layered and self.plan.offload == "leaf"):
            yield
            return
        for part in parts:
            part.to(self.device)
        try:
            yield
        finally:
            for part in parts:
                part.to("cpu")
            _give_back(self.device)


@dataclass(slots=True)
class PeakMemory:
    """What `measure_peak` found: gigabytes (10^9 bytes), set when its block ends."""

    gigabytes: float = 0.0


@contextmanager
def measure_peak(device: torch.device | str) -> Iterator[PeakMemory]:
    """The most memory that was in use at once during a block.

    On a GPU, by torch's tensors on it since the block began. On the CPU, by the whole process since its
    start.
    """
    place = torch.device(device)
    peak = PeakMemory()
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    try:
        yield peak
    finally:
        if place.type == "cuda":
            peak.gigabytes = torch.cuda.max_memory_allocated(place) / GIGABYTE
        else:
            unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
            peak.gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIGABYTE


def _give_back(device: torch.device) -> None:
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
