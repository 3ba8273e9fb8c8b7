"""What this machine has, and which models it can run with that."""

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final, Literal

import torch
from huggingface_hub import try_to_load_from_cache

from gesso.core.errors import CheckpointError
from gesso.engines.catalog import ModelRow, mini_folder

__all__ = ["Gpu", "Machine", "Verdict", "inspect", "judge", "missing_packages"]

# room for keys, values and activations of a few thousand positions
HEADROOM: Final = 1.2
"""Memory a run takes, as a multiple of its weights."""

BITS: Final = 16
"""Numbers of a published checkpoint are loaded at this size."""

CONFIGS: Final = ("config.json", "model_index.json")
"""Files of which a model has one: painting models, whose parts have folders of their own, the second."""

_NAME: Final = re.compile(r"[\w.-]+")
_EXTRA: Final = re.compile(r"""extra == ['"](.+?)['"]""")


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device; memory in gigabytes (10^9 bytes)."""

    name: str
    memory: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to run on; memory in gigabytes (10^9 bytes)."""

    python: str
    torch: str
    transformers: str
    cores: int
    memory: float
    gpus: tuple[Gpu, ...]

    @property
    def largest(self) -> float:
        """Memory of the device that models are loaded onto: the first GPU, or else the machine's own."""
        return self.gpus[0].memory if self.gpus else self.memory


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model can run here.

    Attributes:
        state: "ready", "fetch" (it would run, but its files are not here) or "no".
        reason: why not, and what to do about it; "" if it is ready.
    """

    state: Literal["ready", "fetch", "no"]
    reason: str = ""


def inspect() -> Machine:
    """Look at this machine."""
    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return Machine(
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=version("transformers"),
        # what this process may use, which in a container is less than what the machine has
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        # all of it, not what is free: other programs come and go
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        gpus=tuple(Gpu(device.name, device.total_memory / 1e9) for device in devices),
    )


def judge(row: ModelRow, machine: Machine) -> Verdict:
    """Whether a model can run on a machine."""
    if not row.runnable:
        return Verdict("no", f"comes with gesso {row.since}")
    if row.mini:
        try:
            mini_folder(row)
        except CheckpointError as error:
            return Verdict("no", str(error))
        return Verdict("ready")
    # published models at the size they are loaded in, though 8 and 4 bits would take less
    needed = HEADROOM * row.memory(BITS)
    if needed > machine.largest:
        place = "GPU" if machine.gpus else "memory"
        return Verdict("no", f"takes about {needed:.0f} GB, the {place} has {machine.largest:.0f} GB")
    # a checkpoint's tower or base is another repository, without which it does not run either
    absent = [name for name in (row.repository, *row.needs) if not _cached(name)]
    if absent:
        return Verdict("fetch", "fetched on first use: " + ", ".join(absent))
    return Verdict("ready")


def missing_packages() -> dict[str, list[str]]:
    """For each extra of gesso, which of its packages are not installed."""
    missing: dict[str, list[str]] = {}
    for requirement in requires("gesso") or []:
        package, extra = _NAME.match(requirement), _EXTRA.search(requirement)
        if package is not None and extra is not None:
            # also where nothing is missing, so that an extra that is there is listed
            packages = missing.setdefault(extra[1], [])
            # "dev" names "gesso[train]", which is this package itself
            if package[0] != "gesso" and not _installed(package[0]):
                packages.append(package[0])
    return missing


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _cached(repository: str) -> bool:
    # a path; None is "not here", and a marker of its own is "known not to exist"
    found = (try_to_load_from_cache(repository, name) for name in CONFIGS)
    return any(isinstance(path, str) for path in found)
