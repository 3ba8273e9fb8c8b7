"""What distinguishes one Mini-Gemini checkpoint from another, apart from its backbones."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gesso.core.errors import CheckpointError
from gesso.models.settings import PictureSettings

__all__ = ["MgmSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MgmSettings(PictureSettings):
    """Settings of a Mini-Gemini model; field names follow the original's flat config where it has them.

    Attributes:
        image_aspect_ratio: "square" crops, "pad" pads to a square.
        image_size_aux: side of the high-resolution picture, in pixels.
        image_grid: the low-resolution picture is cut into this many views along each side.
        image_global: whether one more view shows the whole picture.
    """

    family: ClassVar[str] = "MGM"

    image_aspect_ratio: Literal["square", "pad"] = "pad"
    image_size_aux: int = 768
    image_grid: int = 1
    image_global: bool = False

    def __post_init__(self) -> None:
        """Refuse values and combinations no model can have."""
        if self.image_aspect_ratio not in ("square", "pad"):
            raise CheckpointError(f"image_aspect_ratio is {self.image_aspect_ratio!r}; allowed: square, pad")
        if self.image_grid < 1:
            raise CheckpointError(f"image_grid is {self.image_grid}; allowed: 1 or more")
        # the whole picture is the only view then, and the original has no code for it twice
        if self.image_global and self.image_grid == 1:
            raise CheckpointError("image_global is true but image_grid is 1; set image_grid to 2 or more, "
                                  "or image_global to false")  # fmt: skip
        # the map has a cell for every 4 px; a view's patches must divide its part of it
        step = 4 * self.grid_side * self.image_grid
        if self.image_size_aux < step or self.image_size_aux % step:
            raise CheckpointError(f"image_size_aux is {self.image_size_aux}; with {self.grid_side} patches a "
                                  f"side and image_grid {self.image_grid} it must be a multiple of {step}, "
                                  "as the map has a cell for every 4 px")  # fmt: skip

    @property
    def overview_size(self) -> int:
        """Side in pixels of a picture of which little is asked.

        With a grid, of one view only, at the same number of cells a patch. Without one, of what the
        low-resolution tower sees: the other one then has nothing to do, as in the original where it is given
        no picture.
        """
        return self.image_size_aux // self.image_grid if self.image_grid > 1 else self.image_size

    def view_count(self, side: int) -> int:
        """How many views a prepared picture of this many pixels a side has."""
        return 1 if side == self.overview_size else self.image_grid**2 + self.image_global

    def mines(self, side: int) -> bool:
        """Whether details of a prepared picture of this many pixels a side are mined."""
        return self.image_grid > 1 or side == self.image_size_aux
