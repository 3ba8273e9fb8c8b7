"""How a model is to be loaded (no torch)."""

import re
from dataclasses import dataclass

from gesso.core.errors import UsageError

__all__ = ["LoadOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Settings of loading; checked on construction.

    Attributes:
        device: "auto" (a CUDA GPU if there is one, else the CPU), "cpu", "cuda", "cuda:N" or "mps".
        dtype: "auto" (bfloat16, but float32 for weights under a gigabyte on a CPU), "float32", "float16" or
            "bfloat16".
        base: for an adapter, the folder or name of the model under it; None takes the one it names itself.
        threads: CPU threads of torch, for the whole process; None leaves them alone, but gives the minis one:
            at their size, handing work to more threads costs more than it brings.
        feature_cache: MiB of features of pictures and sounds that are kept for prompts with the same ones; 0
            keeps none.
    """

    device: str = "auto"
    dtype: str = "auto"
    base: str | None = None
    threads: int | None = None
    feature_cache: int = 256

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise UsageError(f"device {self.device!r}; allowed: auto, cpu, cuda, cuda:N, mps")
        if self.dtype not in ("auto", "float32", "float16", "bfloat16"):
            raise UsageError(f"dtype {self.dtype!r}; allowed: auto, float32, float16, bfloat16")
        if self.feature_cache < 0:
            raise UsageError(f"feature_cache is {self.feature_cache}; it must be at least 0 (MiB)")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads is {self.threads}; it must be at least 1")
