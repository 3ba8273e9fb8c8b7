"""Messages to LLaVA model inputs: token ids, labels and pixel tiles."""

from gesso.models.base import ImageTiles
from gesso.models.llava.anyres import image_token_count
from gesso.models.llava.preprocess import TileMaker
from gesso.models.llava.settings import LlavaSettings
from gesso.models.processor import PictureProcessor

__all__ = ["LlavaProcessor"]


class LlavaProcessor(PictureProcessor[LlavaSettings]):
    """The processor of a LLaVA model; asked for the overview alone, it leaves AnyRes tiles out."""

    def picture_width(self, image: ImageTiles) -> int:
        """How many positions a picture takes in a prompt."""
        return image_token_count(image.size, len(image.pixels), self.settings)

    def _maker(self) -> TileMaker:
        return TileMaker(self.settings, self.pixels)
