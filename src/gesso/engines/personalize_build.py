"""From folders and files to an engine that paints given subjects: MoMA, the mini, IP-Adapter."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from gesso.core.digests import weights_digest
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.diffusion.noise import uses_pooled
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_latent import SAMPLER
from gesso.engines.builders import is_small
from gesso.engines.folders import folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_build import PaintLoading, load_paint_engine
from gesso.engines.personalize import Eyes, Personalizer
from gesso.engines.subject_eyes import ClipEyes, MomaEyes
from gesso.models.checkpoints import read_json
from gesso.models.llava.convert import load_llava
from gesso.models.moma.adapter_file import find_adapter, read_adapter
from gesso.models.moma.ip_adapter_file import is_ip_adapter, read_ip_adapter
from gesso.models.moma.model import SubjectReader

__all__ = ["DEFAULT_PAINTER", "SubjectLoading", "build_personalizer", "load_personalizer"]

DEFAULT_PAINTER: Final = "SG161222/Realistic_Vision_V4.0_noVAE"
"""What MoMA was published with; any other Stable Diffusion 1.5 will do."""

DEFAULT_VAE: Final = "stabilityai/sd-vae-ft-mse"

SETTINGS_FILE: Final = "moma.json"
"""In folders that gesso trained: which language model and painter the adapter goes with."""

ENCODER_FOLDER: Final = "image_encoder"
"""Beside a published IP-Adapter: its CLIP picture encoder."""

ROOM: Final = 20
"""Gigabytes of GPU memory below which the language model stays on the CPU, where one pass takes seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectLoading:
    """How a model that paints subjects is loaded.

    Attributes:
        painter: a Stable Diffusion 1.5; None takes the one the adapter is published with.
        paint: how that is loaded.
        language: folder of the LLaVA, if it is not where the adapter is.
        encoder: for IP-Adapter, the folder of its CLIP, if it is not beside the file.
    """

    painter: str | None = None
    paint: PaintLoading = field(default_factory=PaintLoading)
    language: str | None = None
    encoder: str | None = None


def load_personalizer(name: str, loading: SubjectLoading | None = None) -> Personalizer:
    """Load an adapter with its painter and with what looks at references.

    Args:
        name: a name of the catalogue, a MoMA folder, a repository, or an IP-Adapter file.
        loading: how.

    Raises:
        UnknownNameError: nothing has this name.
        CheckpointError: files are missing, damaged, or do not fit each other.
        UsageError: an option means nothing to this adapter, or the machine does not have what is asked for.
    """
    loading = loading or SubjectLoading()
    file = Path(name).expanduser()
    return _ip_adapter(file, loading) if is_ip_adapter(file) else _moma(folder_of(name), name, loading)


def build_personalizer(folder: Path, options: LoadOptions) -> Personalizer:
    """As other models are loaded: a MoMA with the painter it names."""
    for option, usual in (("dtype", "auto"), ("base", None)):
        if getattr(options, option) != usual:
            raise UsageError(f"{option} {getattr(options, option)!r} is given, but models that paint have "
                             "none to choose; leave it out")  # fmt: skip
    paint = PaintLoading(device=options.device, threads=options.threads)
    return _moma(folder, str(folder), SubjectLoading(paint=paint))


def _moma(folder: Path, name: str, loading: SubjectLoading) -> Personalizer:
    if loading.encoder is not None:
        raise UsageError(
            f"encoder {loading.encoder} came, but {name} is a MoMA, which has none; leave it out"
        )
    said = read_json(folder / SETTINGS_FILE) if (folder / SETTINGS_FILE).is_file() else {}
    unknown = sorted(set(said) - {"language", "painter", "opening"})
    if unknown:
        raise CheckpointError(f"{folder / SETTINGS_FILE} has {', '.join(unknown)}; a newer gesso wrote it")
    named = loading.language or said.get("language")
    place = folder if named is None else _beside(folder, named)
    engine = _painter(folder, loading, said.get("painter"))
    device = torch.device("cpu") if (loading.paint.vram or ROOM) < ROOM else engine.painter.device
    file = find_adapter(folder)
    dtype = torch.float32 if is_small(place) and device.type == "cpu" else torch.bfloat16
    found = read_adapter(file, dtype)
    chat = load_llava(place, dtype=dtype, device=device)
    chat.module.requires_grad_(False).eval()
    reader = SubjectReader(chat, found.mapping.to(device))
    eyes = MomaEyes(reader, found.projection.to(device))
    opening = bool(said.get("opening", True))
    return _joined(engine, found.attention, eyes, name, weights_digest(folder), opening=opening)


def _ip_adapter(file: Path, loading: SubjectLoading) -> Personalizer:
    if loading.language is not None:
        raise UsageError(f"language {loading.language} came, but {file} is an IP-Adapter, which has none; "
                         "leave it out")  # fmt: skip
    if loading.painter is None:
        raise UsageError(f"{file} goes with any model of its kind; name one with --painter")
    place = file.parent / ENCODER_FOLDER if loading.encoder is None else Path(loading.encoder).expanduser()
    if not (place / "config.json").is_file():
        raise CheckpointError(f"{place} is no picture encoder; give the folder that is published beside the "
                              "adapter with --encoder")  # fmt: skip
    engine = load_paint_engine(loading.painter, loading.paint)
    found = read_ip_adapter(file)
    encoder = CLIPVisionModelWithProjection.from_pretrained(place, dtype=torch.float32)
    side: Any = encoder.config.image_size
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=side)
    eyes = ClipEyes(encoder.requires_grad_(False).eval(), processor, found.projection)
    return _joined(engine, found.attention, eyes, str(file), weights_digest(file), opening=None)


def _joined(
    engine: PaintEngine, tensors: dict[str, torch.Tensor], eyes: Eyes, name: str, weights: str,
    *, opening: bool | None,
) -> Personalizer:  # fmt: skip
    """An adapter with its painter; `opening` is None for an IP-Adapter, which adds no words."""
    painter = engine.painter
    if uses_pooled(painter.model.unet) and any(key.endswith("scale_learnable") for key in tensors):
        raise UnsupportedError(
            f"{name} reads references as MoMA does, for Stable Diffusion 1.5, and {engine.info.name} is an "
            "SDXL; choose a 1.5 with --painter, or an IP-Adapter for SDXL"
        )
    adapter = SubjectAdapter.of_tensors(painter.model.unet, tensors).to(painter.device)
    defaults = engine.defaults
    if opening is not None:
        # 50 steps and 7.5 are the published ones; a small world needs fewer
        published = defaults.size[0] >= 512
        defaults = replace(
            defaults,
            sampler=SAMPLER,
            steps=50 if published else 25,
            guidance_scale=7.5 if published else 3.0,
            negative_prompt="",
        )
    defaults = replace(defaults, guidance="attention-scores")
    chosen = PaintEngine(painter, engine.info, defaults)
    return Personalizer(
        chosen, adapter, eyes, name=name, weights=weights, side=min(defaults.size), opening=bool(opening)
    )


def _painter(folder: Path, loading: SubjectLoading, said: str | None) -> PaintEngine:
    if loading.painter is not None:
        return load_paint_engine(loading.painter, loading.paint)
    if said is not None:
        return load_paint_engine(str(_beside(folder, said)), loading.paint)
    paint = loading.paint
    if paint.vae is None:
        paint = replace(paint, vae=DEFAULT_VAE)
    return load_paint_engine(DEFAULT_PAINTER, paint)


def _beside(folder: Path, name: str) -> Path:
    """A model that another one's folder names: a folder beside it, or a name."""
    near = folder.parent / name
    return near if near.is_dir() else folder_of(name)
