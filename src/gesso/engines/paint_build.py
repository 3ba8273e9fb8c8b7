"""From a folder or a file to an engine that paints: SDXL, SD 1.5, and the mini."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Final

import torch

from gesso.core.digests import content_digest
from gesso.core.errors import CheckpointError, UsageError
from gesso.diffusion.load import load_painter
from gesso.diffusion.lora import Lora
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import PaintSettings
from gesso.engines.builders import device_of
from gesso.engines.catalog import MINIS
from gesso.engines.folders import folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_record import PaintModelInfo

__all__ = ["PaintLoading", "build_painter", "load_paint_engine"]

OMOST_SIDE: Final = 1024
"""Pixels of SDXL's own square pictures; for these Omost's upright default size is kept."""

SMALL: Final = 10**8
"""Bytes of weights below which one CPU thread is faster than several."""

PARTS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")
HALF: Final = ".fp16."
"""In names of weights of which there may be plain ones, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintLoading:
    """How a painting model is loaded.

    Attributes:
        device: as in `LoadOptions`.
        vram: gigabytes of GPU memory to stay within: 4, 6, 8 or 12; None takes what is there.
        lora: LoRA files, each as PATH or PATH:STRENGTH.
        tokenizer: for single files, a folder with CLIP's vocabulary, which they lack.
        vae: folder or repository of another autoencoder to use in place of the model's own.
        threads: CPU threads of torch, for the whole process; None takes one for the mini.
    """

    device: str = "auto"
    vram: int | None = None
    lora: tuple[str, ...] = ()
    tokenizer: str | None = None
    vae: str | None = None
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
    place = Path(name)
    if place.suffix == ".safetensors" and not place.is_file():
        raise CheckpointError(f"there is no file {name!r}; check the path")
    return _built(place if place.is_file() else folder_of(name), name, loading or PaintLoading())


def build_painter(folder: Path, options: LoadOptions) -> PaintEngine:
    """As other models are loaded: without LoRAs, in the precision that follows from the device."""
    for option, usual in (("dtype", "auto"), ("base", None)):
        if getattr(options, option) != usual:
            raise UsageError(f"{option} {getattr(options, option)!r} is given, but painting models have none "
                             "to choose; leave it out")  # fmt: skip
    return _built(folder, _name_of(folder), PaintLoading(device=options.device, threads=options.threads))


def _built(place: Path, name: str, loading: PaintLoading) -> PaintEngine:
    files = _weight_files(place)
    threads = loading.threads
    device = device_of(LoadOptions(device=loading.device))
    if threads is None and device.type == "cpu" and sum(file.stat().st_size for file in files) < SMALL:
        threads = 1
    if threads is not None:
        torch.set_num_threads(threads)
    loras = loading.loras
    vae = None if loading.vae is None else folder_of(loading.vae)
    painter = load_painter(
        place, device=device, vram=loading.vram, loras=loras, tokenizer=loading.tokenizer, vae=vae
    )
    if vae is not None:
        files = [*files, *sorted(vae.glob("*.safetensors"))]
    info = PaintModelInfo(
        name=name,
        weights=_digest(files, loras),
        loras=tuple((str(lora.path), lora.weight) for lora in loras),
        tokenizer=loading.tokenizer or "",
        vram=loading.vram,
    )
    return PaintEngine(painter, info, _defaults(painter))


def _name_of(folder: Path) -> str:
    """What to load a folder by: a mini's name, the repository of a folder in the Hub's cache, or its path."""
    if folder.parent == MINIS:
        return folder.name
    # the cache has its folders by commit: models--OWNER--NAME/snapshots/COMMIT
    kind, *repository = folder.parent.parent.name.split("--")
    return "/".join(repository) if kind == "models" and len(repository) == 2 else str(folder)


def _defaults(painter: Painter) -> PaintSettings:
    """Omost's settings, at the size the UNet was trained for."""
    cells = painter.model.unet.config["sample_size"]
    side = cells * painter.factor if isinstance(cells, int) else OMOST_SIDE
    return PaintSettings() if side == OMOST_SIDE else PaintSettings(size=(side, side))


def _lora(text: str) -> Lora:
    path, colon, strength = text.rpartition(":")
    # a path may hold a colon ("C:\\styles\\ink.safetensors"), a strength is a number
    if not colon or Path(text).expanduser().exists():
        return Lora(Path(text).expanduser())
    try:
        weight = float(strength)
    except ValueError:
        return Lora(Path(text).expanduser())
    if not isfinite(weight):
        raise UsageError(f"LoRA {text!r} has the strength {strength}; write a number, such as {path}:0.6")
    return Lora(Path(path).expanduser(), weight)


def _weight_files(place: Path) -> list[Path]:
    """The weight files of a diffusers folder that are loaded, in order, or the one file.

    Raises:
        CheckpointError: there are none.
    """
    if place.is_file():
        return [place]
    files: list[Path] = []
    for part in PARTS:
        found = sorted((place / part).glob("*.safetensors"))
        files += [file for file in found if HALF not in file.name] or found
    if not files:
        raise CheckpointError(
            f"{place} holds no painting model, which has .safetensors files in folders such as unet and vae; "
            "give a diffusers folder or a .safetensors file"
        )
    return files


def _digest(files: Sequence[Path], loras: Sequence[Lora]) -> str:
    """16 hexadecimal digits that change with any weight, but not with a file's name."""
    found = sha256()
    for file in files:
        found.update(content_digest(file))
    for lora in loras:
        added = sorted(lora.path.glob("*.safetensors")) if lora.path.is_dir() else [lora.path]
        found.update(b"".join(map(content_digest, added)) + repr(lora.weight).encode())
    return found.hexdigest()[:16]
