"""Messages to Mini-Gemini inputs: token ids, labels and high-resolution pictures."""

from typing import ClassVar

from gesso.models.base import ImageTiles
from gesso.models.mgm.preprocess import SquareMaker
from gesso.models.mgm.settings import MgmSettings
from gesso.models.processor import PictureProcessor

__all__ = ["MgmProcessor"]


class MgmProcessor(PictureProcessor[MgmSettings]):
    """The processor of a Mini-Gemini model; asked for the overview alone, it makes a smaller picture."""

    numbered: ClassVar[bool] = True

    def picture_width(self, image: ImageTiles) -> int:
        """How many positions a picture takes in a prompt."""
        return self.settings.view_count(image.pixels.shape[-1]) * self.settings.grid_side**2

    def _maker(self) -> SquareMaker:
        return SquareMaker(self.settings, self.pixels)
