"""Pictures to the one high-resolution tensor from which Mini-Gemini makes all its views."""

from PIL import Image

from gesso.models.base import ImageTiles
from gesso.models.mgm.settings import MgmSettings
from gesso.models.pixels import Normaliser, PixelSettings, cut_square, pad_to_square

__all__ = ["SquareMaker"]


class SquareMaker:
    """Turns RGB pictures into what one Mini-Gemini takes.

    Args:
        settings: of the model.
        pixels: normalisation. Its size is not read: pictures are resized to the model's high resolution.
    """

    def __init__(self, settings: MgmSettings, pixels: PixelSettings) -> None:
        self._settings = settings
        self._pixels = pixels
        self._normalise = Normaliser(pixels)

    def __call__(self, image: Image.Image, *, overview_only: bool = False) -> ImageTiles:
        """One picture as [1, 3, H, H].

        `overview_only` makes it smaller: by the model's grid, so that it has one view only, as detailed as
        each of the others; without a grid, so small that the low-resolution tower alone sees it.
        """
        side = self._settings.overview_size if overview_only else self._settings.image_size_aux
        pad = self._settings.image_aspect_ratio == "pad"
        shown = pad_to_square(image, self._pixels.fill) if pad else image
        cut = cut_square(shown, side, edge=side, resample=self._pixels.resample)
        return ImageTiles(self._normalise(cut)[None], image.size)  # [3, H, H] -> [1, 3, H, H]
