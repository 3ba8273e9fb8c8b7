"""What distinguishes one LLaVA checkpoint from another, apart from its backbones."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from gesso.core.errors import CheckpointError
from gesso.models.settings import PictureSettings

__all__ = ["AspectRatio", "LlavaSettings", "MergeType"]

AspectRatio = Literal["square", "pad", "anyres"]
MergeType = Literal["flat", "spatial", "spatial_unpad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LlavaSettings(PictureSettings):
    """Settings of a LLaVA model; field names follow the original's flat config where it has them.

    Attributes:
        select_feature: "patch" drops the class token, "cls_patch" keeps it.
        image_aspect_ratio: "square" crops, "pad" pads to a square, "anyres" tiles.
        patch_merge_type: how the tiles of one picture are joined.
        image_grid_pinpoints: AnyRes canvas sizes (width, height) in pixels.
    """

    family: ClassVar[str] = "LLaVA"

    select_feature: Literal["patch", "cls_patch"] = "patch"
    image_aspect_ratio: AspectRatio = "pad"
    patch_merge_type: MergeType = "flat"
    image_grid_pinpoints: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Refuse values and combinations no model can have."""
        for name, value, allowed in (
            ("mm_vision_select_feature", self.select_feature, ("patch", "cls_patch")),
            ("image_aspect_ratio", self.image_aspect_ratio, ("square", "pad", "anyres")),
            ("mm_patch_merge_type", self.patch_merge_type, ("flat", "spatial", "spatial_unpad")),
        ):
            if value not in allowed:
                raise CheckpointError(f"{name} is {value!r}; allowed: {', '.join(allowed)}")
        if self.image_aspect_ratio == "anyres" and not self.image_grid_pinpoints:
            raise CheckpointError("image_aspect_ratio is anyres but image_grid_pinpoints is empty; "
                                  "give at least one (width, height)")  # fmt: skip
        # tiles at a canvas's edges would else be cut short, and their patches fill no grid
        side = self.image_size
        uneven = [size for size in self.image_grid_pinpoints if any(n < side or n % side for n in size)]
        if uneven and self.image_aspect_ratio == "anyres":
            raise CheckpointError(f"image_grid_pinpoints holds {uneven[0]}; both sides must be multiples of "
                                  f"the {side} px of a tile")  # fmt: skip
        # one tile has no grid to lay out
        if self.patch_merge_type != "flat" and self.image_aspect_ratio != "anyres":
            raise CheckpointError(f"mm_patch_merge_type {self.patch_merge_type} needs image_aspect_ratio "
                                  f"anyres; the config says {self.image_aspect_ratio}")  # fmt: skip

    @property
    def in_tree(self) -> bool:
        """Whether transformers has a class that computes this model; see `gesso.models.llava.modules`."""
        return self.projector_type == "mlp2x_gelu" and (
            self.image_aspect_ratio != "anyres" or self.patch_merge_type == "spatial_unpad"
        )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        pairs = [list(pair) for pair in self.image_grid_pinpoints]
        return {**asdict(self), "image_grid_pinpoints": pairs}

    @classmethod
    def _arguments(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        pairs = tuple((int(width), int(height)) for width, height in data.get("image_grid_pinpoints", ()))
        return {**data, "image_grid_pinpoints": pairs}
