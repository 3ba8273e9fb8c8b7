"""Messages to LLaVA model inputs: token ids, labels and pixel tiles."""

from PIL import Image
from transformers import PreTrainedTokenizerBase

from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.models.base import ImageTiles
from gesso.models.llava.anyres import image_token_count
from gesso.models.llava.preprocess import TileMaker
from gesso.models.llava.settings import LlavaSettings
from gesso.models.pixels import PixelSettings
from gesso.models.processor import PictureProcessor

__all__ = ["LlavaProcessor"]


class LlavaProcessor(PictureProcessor):
    """The processor of a LLaVA model.

    Args:
        tokenizer: of the language model.
        settings: of the model; they name the conversation template.
        pixels: how pictures are normalised; CLIP's way by default.
        policy: which picture sources may be read.

    Raises:
        CheckpointError: template and tokenizer do not fit.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        settings: LlavaSettings,
        *,
        pixels: PixelSettings | None = None,
        policy: FetchPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(
            tokenizer,
            settings.template,
            max_length=settings.max_length,
            policy=policy,
            mark_pictures=settings.use_im_start_end,
        )
        self.settings = settings
        self.pixels = pixels or PixelSettings()
        self._tile = TileMaker(settings, self.pixels)

    def prepare(self, image: Image.Image, *, overview_only: bool) -> ImageTiles:
        """The picture's tiles; `overview_only` leaves AnyRes tiles out."""
        return self._tile(image, overview_only=overview_only)

    def picture_width(self, image: ImageTiles) -> int:
        """How many positions a picture takes in a prompt."""
        return image_token_count(image.size, len(image.pixels), self.settings)
