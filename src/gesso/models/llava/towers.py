"""Where a LLaVA's vision tower comes from.

The original creates the tower before loading only if `unfreeze_mm_vision_tower` is true; then tower weights
of the checkpoint are used. Otherwise they are ignored and the tower always comes from `mm_vision_tower`, even
if the checkpoint holds one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor
from transformers import CLIPVisionConfig

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import (
    open_tensors,
    read_json,
    rename_keys,
    resolve_folder,
    weight_files,
)
from gesso.models.pixels import PixelSettings
from gesso.models.towers import KNOWN_CLIPS, clip_keys, read_tower_config

__all__ = ["CLIP_KEYS", "MPT_TOWER_PREFIX", "TOWER_PREFIX", "Tower", "find_tower", "tower_tensors"]

TOWER_PREFIX: Final = "model.vision_tower.vision_tower."
"""What stands before a tower's own key names in an original LLaVA checkpoint."""

MPT_TOWER_PREFIX: Final = "transformer.vision_tower.vision_tower."
"""The same in a LLaVA on MPT."""

CLIP_KEYS: Final = clip_keys(TOWER_PREFIX)


@dataclass(frozen=True, slots=True)
class Tower:
    """A vision tower that a checkpoint names.

    Attributes:
        config: its shape.
        pixels: its normalisation of pictures.
        folder: where its weights lie; None if they are in the checkpoint itself.
    """

    config: CLIPVisionConfig
    pixels: PixelSettings
    folder: Path | None


def find_tower(config: Mapping[str, Any], checkpoint: Path, given: str | Path | None = None) -> Tower:
    """The tower of a flat LLaVA config.

    Args:
        config: the checkpoint's config.json.
        checkpoint: its folder; the tower's path may be relative to it.
        given: a tower to use in place of the one that is named.

    Raises:
        CheckpointError: the config names none, or it cannot be found.
    """
    name = given or config.get("mm_vision_tower")
    if not name:
        raise CheckpointError("config.json has no mm_vision_tower; this is no LLaVA checkpoint")
    # its weights are in the checkpoint (LLaVA 1.6), and its shape is known
    if config.get("unfreeze_mm_vision_tower") and str(name) in KNOWN_CLIPS:
        return Tower(CLIPVisionConfig(**KNOWN_CLIPS[str(name)]), PixelSettings(), None)
    folder = resolve_folder(name, beside=checkpoint)
    vision = read_tower_config(read_json(folder / "config.json"))
    return Tower(vision, PixelSettings.from_folder(folder), folder)


def tower_tensors(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], tower: Tower
) -> dict[str, Tensor]:
    """The checkpoint's weights with the tower they are meant to have, all under original key names.

    Raises:
        CheckpointError: the tower was trained (`unfreeze_mm_vision_tower`) but its weights are not there.
    """
    prefixes = (TOWER_PREFIX, MPT_TOWER_PREFIX)
    held = any(key.startswith(prefixes) for key in tensors)
    if config.get("unfreeze_mm_vision_tower"):
        if not held:
            raise CheckpointError(
                "unfreeze_mm_vision_tower is true, but the checkpoint holds no tower weights; its tower was "
                "trained and is lost: set it to false to use the published tower instead"
            )
        return dict(tensors)
    # a frozen tower's copy in the checkpoint is passed over, as the original does (see above)
    others = {key: tensor for key, tensor in tensors.items() if not key.startswith(prefixes)}
    if tower.folder is None:
        return others
    files = weight_files(tower.folder)
    if not files:
        raise CheckpointError(f"the vision tower {tower.folder} has no weight files")
    outside = open_tensors(files)
    return others | {name: outside[key] for key, name in rename_keys(outside, CLIP_KEYS).items()}
