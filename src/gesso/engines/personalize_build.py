"""From folders and files to an engine that paints given subjects: MoMA, the mini, IP-Adapter."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch

from gesso.core.digests import weights_digest
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.diffusion.noise import uses_pooled
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_latent import SAMPLER
from gesso.engines.folders import folder_of
from gesso.engines.moma_eyes import load_moma_eyes
from gesso.engines.options import LoadOptions
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_build import PaintLoading, load_paint_engine
from gesso.engines.personalize import Eyes, Personalizer
from gesso.engines.personalize_memory import painter_vram
from gesso.engines.subject_eyes import ClipEyes
from gesso.models.checkpoints import read_json
from gesso.models.clip import PictureEncoder
from gesso.models.moma.adapter_file import has_adapter
from gesso.models.moma.ip_adapter_file import (
    IP_SETTINGS_FILE,
    find_ip_adapter,
    has_ip_adapter,
    is_ip_adapter,
    read_ip_adapter,
)

__all__ = [
    "DEFAULT_PAINTER",
    "SubjectLoading",
    "build_personalizer",
    "ip_adapter_beside",
    "load_personalizer",
]

DEFAULT_PAINTER: Final = "SG161222/Realistic_Vision_V4.0_noVAE"
"""What MoMA was published with; any other Stable Diffusion 1.5 will do."""

DEFAULT_VAE: Final = "stabilityai/sd-vae-ft-mse"

SETTINGS_FILE: Final = "moma.json"
"""In folders that gesso trained: which language model and painter the adapter goes with."""

ENCODER_FOLDER: Final = "image_encoder"
"""Beside a published IP-Adapter: its CLIP picture encoder."""


SMALL: Final = 512
"""Side in pixels below which a painter is of the storybook."""

GENTLE: Final[dict[str, Any]] = {
    "sampler": "EulerAncestralDiscreteScheduler",
    "steps": 30,
    "guidance_scale": 2.5,
    "negative_prompt": "",
}
"""How such painters paint: fresh noise at each step mends much of what the first ones drew twice."""

PUBLISHED: Final[dict[str, Any]] = {
    "sampler": SAMPLER,
    "steps": 50,
    "guidance_scale": 7.5,
    "negative_prompt": "",
}
"""How MoMA does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectLoading:
    """How a model that paints subjects is loaded.

    Attributes:
        painter: a Stable Diffusion 1.5; None takes the one the adapter is published with.
        paint: how that is loaded.
        language: folder of the LLaVA, if it is not where the adapter is.
        encoder: for IP-Adapter, the folder of its CLIP, if it is not beside the file.
        bits: of MoMA's language model on a GPU: 16, 8 or 4; None takes the most that fit `paint.vram`, which
            may also be 14, 18 or 22 here (see `gesso.engines.personalize_memory`).
    """

    painter: str | None = None
    paint: PaintLoading = field(default_factory=PaintLoading)
    language: str | None = None
    encoder: str | None = None
    bits: int | None = None


def load_personalizer(name: str, loading: SubjectLoading | None = None) -> Personalizer:
    """Load an adapter with its painter and with what looks at references.

    Args:
        name: a name of the catalogue, a MoMA folder, a repository, or an IP-Adapter's file or folder.
        loading: how.

    Raises:
        UnknownNameError: nothing has this name.
        CheckpointError: files are missing, damaged, or do not fit each other.
        UsageError: an option means nothing to this adapter, or the machine does not have what is asked for.
    """
    loading = loading or SubjectLoading()
    file = Path(name).expanduser()
    return _loaded(file if is_ip_adapter(file) else folder_of(name), name, loading)


def build_personalizer(folder: Path, options: LoadOptions) -> Personalizer:
    """As other models are loaded: a MoMA or an IP-Adapter with the painter it names."""
    for option, usual in (("dtype", "auto"), ("base", None)):
        if getattr(options, option) != usual:
            raise UsageError(f"{option} {getattr(options, option)!r} is given, but models that paint have "
                             "none to choose; leave it out")  # fmt: skip
    paint = PaintLoading(device=options.device, threads=options.threads)
    return _loaded(folder, str(folder), SubjectLoading(paint=paint))


def ip_adapter_beside(engine: PaintEngine, place: Path, encoder: str | None = None) -> Personalizer:
    """An IP-Adapter on a painter that is there already, with the settings of that painter.

    Args:
        engine: the painter.
        place: the adapter's file, or a folder with one such file.
        encoder: folder of its CLIP, if it is neither beside the file nor named there.

    Raises:
        CheckpointError: files are missing, damaged, or do not fit the painter.
    """
    file = find_ip_adapter(place)
    folder = _encoder_folder(file, encoder)
    found = read_ip_adapter(file)
    eyes = ClipEyes(PictureEncoder.from_folder(folder), found.projection)
    if eyes.encoder.width != found.projection.proj.in_features:
        raise CheckpointError(
            f"{folder} embeds pictures in {eyes.encoder.width} numbers, and {file} reads "
            f"{found.projection.proj.in_features}; give the encoder it was trained with"
        )
    return _joined(
        engine, found.attention, eyes, str(file), weights_digest(file), opening=False, follows=False
    )


def _loaded(place: Path, name: str, loading: SubjectLoading) -> Personalizer:
    """A folder with both kinds is a MoMA, beside which an IP-Adapter lies to be compared with."""
    if is_ip_adapter(place) or (not has_adapter(place) and has_ip_adapter(place)):
        return _ip_adapter(find_ip_adapter(place), loading)
    return _moma(place, name, loading)


def _moma(folder: Path, name: str, loading: SubjectLoading) -> Personalizer:
    if loading.encoder is not None:
        raise UsageError(
            f"encoder {loading.encoder} came, but {name} is a MoMA, which has none; leave it out"
        )
    settings = folder / SETTINGS_FILE
    said = _settings(settings, {"language", "painter", "opening", "follows"}) if settings.is_file() else {}
    named = loading.language or said.get("language")
    place = folder if named is None else _beside(folder, named)
    vram = loading.paint.vram
    paint = replace(loading.paint, vram=painter_vram(vram))
    engine = _painter(folder, replace(loading, paint=paint), said.get("painter"))
    eyes, attention = load_moma_eyes(folder, place, engine.painter.device, vram, loading.bits)
    opening, follows = (bool(said.get(habit, True)) for habit in ("opening", "follows"))
    return _joined(engine, attention, eyes, name, weights_digest(folder), opening=opening, follows=follows)


def _ip_adapter(file: Path, loading: SubjectLoading) -> Personalizer:
    if loading.language is not None:
        raise UsageError(f"language {loading.language} came, but {file} is an IP-Adapter, which has none; "
                         "leave it out")  # fmt: skip
    if loading.bits is not None:
        raise UsageError(f"bits {loading.bits} came, but {file} is an IP-Adapter, which has no language "
                         "model to pack; leave it out")  # fmt: skip
    painter = loading.painter or _named(file, "painter")
    if painter is None:
        raise UsageError(f"{file} goes with any model of its kind; name one with --painter")
    _encoder_folder(file, loading.encoder)  # what is missing is told before the painter is loaded
    return ip_adapter_beside(load_paint_engine(painter, loading.paint), file, loading.encoder)


def _encoder_folder(file: Path, given: str | None) -> Path:
    named = given or _named(file, "encoder")
    place = file.parent / ENCODER_FOLDER if named is None else Path(named).expanduser()
    if not (place / "config.json").is_file():
        raise CheckpointError(f"{place} is no picture encoder; give the folder that is published beside the "
                              "adapter with --encoder")  # fmt: skip
    return place


def _named(file: Path, part: str) -> str | None:
    """What a file beside an IP-Adapter names, as a folder; None where nothing is said."""
    settings = file.parent / IP_SETTINGS_FILE
    said = _settings(settings, {"encoder", "painter"}) if settings.is_file() else {}
    return str(_beside(file.parent, said[part])) if part in said else None


def _joined(
    engine: PaintEngine, tensors: dict[str, torch.Tensor], eyes: Eyes, name: str, weights: str,
    *, opening: bool, follows: bool,
) -> Personalizer:  # fmt: skip
    """An adapter with its painter."""
    painter = engine.painter
    if uses_pooled(painter.model.unet) and any(key.endswith("scale_learnable") for key in tensors):
        raise UnsupportedError(
            f"{name} reads references as MoMA does, for Stable Diffusion 1.5, and {engine.info.name} is an "
            "SDXL; choose a 1.5 with --painter, or an IP-Adapter for SDXL"
        )
    adapter = SubjectAdapter.of_tensors(painter.model.unet, tensors).to(painter.device)
    defaults = engine.defaults
    if defaults.size[0] < SMALL:
        defaults = replace(defaults, **GENTLE)
    elif adapter.references:
        defaults = replace(defaults, **PUBLISHED)
    defaults = replace(defaults, guidance="attention-scores")
    chosen = PaintEngine(painter, engine.info, defaults)
    return Personalizer(
        chosen, adapter, eyes, name=name, weights=weights, side=min(defaults.size),
        opening=opening, follows=follows,
    )  # fmt: skip


def _painter(folder: Path, loading: SubjectLoading, said: str | None) -> PaintEngine:
    if loading.painter is not None:
        return load_paint_engine(loading.painter, loading.paint)
    if said is not None:
        return load_paint_engine(str(_beside(folder, said)), loading.paint)
    paint = loading.paint
    if paint.vae is None:
        paint = replace(paint, vae=DEFAULT_VAE)
    return load_paint_engine(DEFAULT_PAINTER, paint)


def _settings(file: Path, known: set[str]) -> dict[str, Any]:
    said = read_json(file)
    if unknown := sorted(set(said) - known):
        raise CheckpointError(f"{file} has {', '.join(unknown)}; a newer gesso wrote it")
    return said


def _beside(folder: Path, name: str) -> Path:
    """A model that another one's folder names: a folder in it or beside it, or a name."""
    near = (place / name for place in (folder, folder.parent))
    return next((place for place in near if place.is_dir()), None) or folder_of(name)
