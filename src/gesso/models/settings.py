"""What a saved config keeps of a family beside what transformers has names for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from gesso.core.errors import CheckpointError

__all__ = ["FamilySettings", "PictureSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySettings:
    """Base of the settings of a family, which are plain values.

    Attributes:
        family: its name in messages.
    """

    family: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Settings that `to_dict` wrote.

        Raises:
            CheckpointError: a name that is no setting.
        """
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            raise CheckpointError(
                f"unknown {cls.family} settings {', '.join(unknown)}; a newer gesso wrote them"
            )
        return cls(**cls._arguments(data))

    @classmethod
    def _arguments(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Arguments of the class from JSON values, where the two differ."""
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings(FamilySettings):
    """Of families with a CLIP tower and a projector; fields are named as in LLaVA's flat config.

    Attributes:
        projector_type: "linear", "mlpNx_gelu" or "identity".
        select_layer: index into the tower's hidden states whose features are used.
        use_im_start_end: whether pictures stand between `<im_start>` and `<im_end>`.
        image_size: side of what the tower sees at once, in pixels.
        patch_size: side of one patch of it, in pixels.
        max_length: longest sequence, picture positions included.
        template: name of the conversation template in `gesso.models.templates`.
    """

    projector_type: str = "mlp2x_gelu"
    select_layer: int = -2
    use_im_start_end: bool = False
    image_size: int = 336
    patch_size: int = 14
    max_length: int = 2048
    template: str = "vicuna_v1"

    @property
    def grid_side(self) -> int:
        """Patches along one side of what the tower sees at once."""
        return self.image_size // self.patch_size
