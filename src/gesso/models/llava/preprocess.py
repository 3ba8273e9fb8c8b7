"""Pictures to the pixel tiles a CLIP tower takes, bit for bit as LLaVA's CLIP processor makes them."""

from collections.abc import Iterator

import torch
from PIL import Image

from gesso.core.errors import CheckpointError
from gesso.models.base import ImageTiles
from gesso.models.llava.anyres import best_canvas, placement
from gesso.models.llava.settings import LlavaSettings
from gesso.models.pixels import Normaliser, PixelSettings, cut_square, pad_to_square

__all__ = ["TileMaker", "lay_on_canvas"]


class TileMaker:
    """Turns RGB pictures into the tiles of one LLaVA model.

    Args:
        settings: of the model; image_aspect_ratio chooses between cutting, padding and AnyRes tiles.
        pixels: normalisation.

    Raises:
        CheckpointError: pictures would be resized to less than a tile.
    """

    def __init__(self, settings: LlavaSettings, pixels: PixelSettings | None = None) -> None:
        self._settings = settings
        self._pixels = pixels or PixelSettings()
        self._edge = self._pixels.shortest_edge or settings.image_size
        if self._edge < settings.image_size:
            raise CheckpointError(f"the image processor resizes to {self._edge} px, less than a tile of "
                                  f"{settings.image_size} px; set size to {settings.image_size}")  # fmt: skip
        self._normalise = Normaliser(self._pixels)

    def __call__(self, image: Image.Image, *, overview_only: bool = False) -> ImageTiles:
        """Tiles of one RGB picture, [T, 3, S, S]; `overview_only` leaves AnyRes tiles out."""
        tiles = list(self._tiles(image, overview_only))
        # T times [3, S, S] -> [T, 3, S, S]
        return ImageTiles(torch.stack([self._normalise(self._cut(tile)) for tile in tiles]), image.size)

    def _tiles(self, image: Image.Image, overview_only: bool) -> Iterator[Image.Image]:
        match self._settings.image_aspect_ratio:
            case "square":
                yield image
            case "pad":
                yield pad_to_square(image, self._pixels.fill)
            case "anyres":
                # the overview is squashed to the shape of a tile, its sides' ratio is not kept
                # bicubic in every checkpoint: the original calls PIL here, and its resize defaults to that
                yield image.resize((self._edge, self._edge), Image.Resampling.BICUBIC)
                if not overview_only:
                    yield from self._canvas_tiles(image)

    def _canvas_tiles(self, image: Image.Image) -> Iterator[Image.Image]:
        side = self._settings.image_size
        canvas = lay_on_canvas(image, best_canvas(image.size, self._settings.image_grid_pinpoints))
        # whole tiles, as the settings make sure
        for top in range(0, canvas.height, side):
            for left in range(0, canvas.width, side):
                yield canvas.crop((left, top, left + side, top + side))

    def _cut(self, image: Image.Image) -> Image.Image:
        return cut_square(image, self._settings.image_size, edge=self._edge, resample=self._pixels.resample)


def lay_on_canvas(image: Image.Image, canvas: tuple[int, int]) -> Image.Image:
    """The picture resized to fit the middle of a black canvas (LLaVA's `resize_and_pad_image`)."""
    fitted, corner = placement(image.size, canvas)
    page = Image.new("RGB", canvas, (0, 0, 0))
    # black, not the mean colour: the original pads canvases otherwise than squares
    page.paste(image.resize(fitted, Image.Resampling.BICUBIC), corner)
    return page
