"""Where the two towers of a Mini-Gemini come from.

Published checkpoints hold both. Where a checkpoint does not, a tower comes from a folder of its own: as the
config names it, beside or within the checkpoint's folder, or the repository it was published in.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from torch import Tensor
from transformers import CLIPVisionConfig, ConvNextConfig

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.checkpoints import open_tensors, read_json, rename_keys, resolve_folder, weight_files
from gesso.models.mgm.detail_tower import AUX_PREFIX, OPENCLIP_KEYS, detail_config
from gesso.models.pixels import PixelSettings
from gesso.models.towers import KNOWN_CLIPS, clip_keys, read_tower_config

__all__ = ["TOWER_PREFIX", "find_clip", "find_detail_tower"]

TOWER_PREFIX: Final = "model.vision_tower.vision_tower."
"""What stands before the low-resolution tower's own names in a Mini-Gemini checkpoint."""

PUBLISHED: Final[Mapping[str, str]] = {
    **{name.rpartition("/")[2]: name for name in KNOWN_CLIPS},
    "openclip-convnext-large-d-320-laion2B-s29B-b131K-ft-soup":
        "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
}  # fmt: skip
"""The repository of a tower by the folder's name that the original asks for."""

OPENCLIP_FILES: Final = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

Tensors = dict[str, Tensor]


def find_clip(
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any],
    checkpoint: Path,
    given: str | Path | None = None,
) -> tuple[CLIPVisionConfig, PixelSettings, Tensors]:
    """Shape, normalisation and missing weights of the low-resolution tower.

    Args:
        tensors: what the checkpoint holds, under its own names.
        config: its config.json.
        checkpoint: its folder.
        given: the tower's folder or repository, in place of the one that the config names.

    Returns:
        config, pixels, and weights to add under the checkpoint's names; none if it has them.

    Raises:
        CheckpointError: the config names no tower, or it cannot be found.
        UnsupportedError: it is no CLIP.
    """
    name = _named(config, "mm_vision_tower")
    if any(other in name.lower() for other in ("eva", "lavis")):
        raise UnsupportedError(f"mm_vision_tower {name!r} is an EVA tower, whose features the original "
                               "cannot mine either; allowed: CLIP towers")  # fmt: skip
    held = any(key.startswith(TOWER_PREFIX) for key in tensors)
    published = PUBLISHED.get(PurePosixPath(name).name, name)
    if held and given is None and published in KNOWN_CLIPS:
        return CLIPVisionConfig(**KNOWN_CLIPS[published]), PixelSettings(), {}
    folder = _folder(name, checkpoint, given, "mm_vision_tower", "tower")
    vision = read_tower_config(read_json(folder / "config.json"))
    added = {} if held else _read(weight_files(folder), folder, clip_keys(TOWER_PREFIX))
    return vision, PixelSettings.from_folder(folder), added


def find_detail_tower(
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any],
    checkpoint: Path,
    given: str | Path | None = None,
) -> tuple[ConvNextConfig, Tensors]:
    """Shape and missing weights of the high-resolution tower; arguments and errors as in `find_clip`."""
    name = _named(config, "mm_vision_tower_aux")
    if "openclip" not in name.lower() and "convnext" not in name.lower():
        raise UnsupportedError(f"mm_vision_tower_aux {name!r}; allowed: OpenCLIP ConvNeXt towers, others "
                               "give no map that could be mined")  # fmt: skip
    added: Tensors = {}
    if not any(key.startswith(AUX_PREFIX) for key in tensors):
        folder = _folder(name, checkpoint, given, "mm_vision_tower_aux", "tower_aux")
        own = [folder / file for file in OPENCLIP_FILES if (folder / file).is_file()]
        added = _read(own[:1] or weight_files(folder), folder, OPENCLIP_KEYS)
    shapes = {key: tensor.shape for key, tensor in (added or tensors).items()}
    return detail_config(shapes, name.lower()), added


def _named(config: Mapping[str, Any], entry: str) -> str:
    if not config.get(entry):
        raise CheckpointError(f"config.json has no {entry}; this is no Mini-Gemini checkpoint")
    return str(config[entry])


def _folder(name: str, checkpoint: Path, given: str | Path | None, entry: str, argument: str) -> Path:
    """The folder of a tower that the checkpoint does not hold, or whose shape it does not tell."""
    if given is not None:
        return resolve_folder(given)
    last = PurePosixPath(name).name
    for place in (Path(name).expanduser(), checkpoint / name, checkpoint / last, checkpoint.parent / last):
        if place.is_dir():
            return place
    repository = PUBLISHED.get(last, name)
    try:
        return resolve_folder(repository)
    except CheckpointError as error:
        raise CheckpointError(
            f"{entry} {name!r} is needed, but neither lies beside {checkpoint} nor is {repository} within "
            f"reach; download it into {checkpoint.parent / last}, or give its folder as {argument}"
        ) from error


def _read(files: list[Path], folder: Path, rules: Any) -> Tensors:
    if not files:
        raise CheckpointError(f"the vision tower {folder} has no weight files; fetch it again")
    outside = open_tensors(files)
    return {name: outside[key] for key, name in rename_keys(outside, rules).items()}
