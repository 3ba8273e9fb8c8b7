"""From a folder or a file to an engine that paints: SDXL, SD 1.5, and the mini."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

import torch

from gesso.core.errors import CheckpointError, UsageError
from gesso.diffusion.load import load_painter
from gesso.diffusion.lora import Lora
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import PaintSettings
from gesso.engines.builders import device_of
from gesso.engines.catalog import known
from gesso.engines.folders import folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.paint import PaintEngine, PaintModelInfo

__all__ = ["PaintLoading", "build_painter", "load_paint_engine"]

OMOST_SIDE: Final = 1024
"""Pixels of SDXL's own square pictures; for these Omost's upright default size is kept."""

SMALL: Final = 10**8
"""Bytes of weights below which one CPU thread is faster than several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintLoading:
    """How a painting model is loaded.

    Attributes:
        device: as in `LoadOptions`.
        vram: gigabytes of GPU memory to stay within: 4, 6, 8 or 12; None takes what is there.
        lora: LoRA files, each as PATH or PATH:STRENGTH.
        tokenizer: for single files, a folder with CLIP's vocabulary, which they lack.
        threads: CPU threads of torch, for the whole process; None takes one for the mini.
    """

    device: str = "auto"
    vram: int | None = None
    lora: tuple[str, ...] = ()
    tokenizer: str | None = None
    threads: int | None = None

    @property
    def loras(self) -> tuple[Lora, ...]:
        """The LoRAs with their strengths.

        Raises:
            UsageError: a strength is no number.
        """
        return tuple(map(_lora, self.lora))


def load_paint_engine(name: str, loading: PaintLoading | None = None) -> PaintEngine:
    """Load a painting model.

    Args:
        name: a name of the catalogue, a diffusers folder, a .safetensors file, or a Hugging Face repository.
        loading: how.

    Raises:
        UnknownNameError: nothing has this name.
        CheckpointError: files are missing, damaged, or hold something else.
        UnsupportedError: the model is of a kind that gesso does not paint with.
        UsageError: the loading does not fit the model or the machine.
    """
    loading = loading or PaintLoading()
    place = Path(name).expanduser()
    return _built(place if place.is_file() else folder_of(name), name, loading)


def build_painter(folder: Path, options: LoadOptions) -> PaintEngine:
    """As other models are loaded: without LoRAs, in the precision that follows from the device."""
    for option, usual in (("dtype", "auto"), ("base", None)):
        if getattr(options, option) != usual:
            raise UsageError(f"{option} {getattr(options, option)!r} is given, but painting models have none "
                             "to choose; leave it out")  # fmt: skip
    row = known(folder.name)
    name = row.name if row is not None and row.mini else str(folder)
    return _built(folder, name, PaintLoading(device=options.device, threads=options.threads))


def _built(place: Path, name: str, loading: PaintLoading) -> PaintEngine:
    files = _weight_files(place)
    threads = loading.threads
    device = device_of(LoadOptions(device=loading.device))
    if threads is None and device.type == "cpu" and sum(file.stat().st_size for file in files) < SMALL:
        threads = 1
    if threads is not None:
        torch.set_num_threads(threads)
    loras = loading.loras
    painter = load_painter(place, device=device, vram=loading.vram, loras=loras, tokenizer=loading.tokenizer)
    noted = tuple((str(lora.path), lora.weight) for lora in loras)
    digest = _digest([*files, *(file for lora in loras for file in _weight_files(lora.path))])
    return PaintEngine(painter, PaintModelInfo(name=name, weights=digest, loras=noted), _defaults(painter))


def _defaults(painter: Painter) -> PaintSettings:
    """Omost's settings, at the size the UNet was trained for."""
    side = int(painter.model.unet.config["sample_size"]) * painter.factor
    return PaintSettings() if side == OMOST_SIDE else PaintSettings(size=(side, side))


def _lora(text: str) -> Lora:
    path, colon, strength = text.rpartition(":")
    # a path may hold a colon ("C:\\styles\\ink.safetensors"), a strength is a number
    if not colon or not strength.replace(".", "", 1).lstrip("-").isdigit():
        return Lora(Path(text).expanduser())
    return Lora(Path(path).expanduser(), float(strength))


def _weight_files(place: Path) -> list[Path]:
    """The weight files of a diffusers folder in order, or the one file.

    Raises:
        CheckpointError: there are none.
    """
    if place.is_file():
        return [place]
    # each part has a folder of its own; what lies beside them is the same once more, in one file
    files = sorted(place.glob("*/*.safetensors")) or sorted(place.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{place} holds no .safetensors files; give a diffusers folder or a file")
    return files


def _digest(files: Sequence[Path]) -> str:
    """16 hexadecimal digits that change with any weight."""
    found = sha256()
    for path in files:
        with path.open("rb") as file:
            found.update(path.name.encode() + file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
