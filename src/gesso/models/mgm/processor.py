"""Messages to Mini-Gemini inputs: token ids, labels and high-resolution pictures."""

from PIL import Image
from transformers import PreTrainedTokenizerBase

from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.models.base import ImageTiles
from gesso.models.mgm.preprocess import PictureMaker
from gesso.models.mgm.settings import MgmSettings
from gesso.models.pixels import PixelSettings
from gesso.models.processor import PictureProcessor

__all__ = ["MgmProcessor"]


class MgmProcessor(PictureProcessor):
    """The processor of a Mini-Gemini model.

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
        settings: MgmSettings,
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
            number_pictures=True,
        )
        self.settings = settings
        self.pixels = pixels or PixelSettings()
        self._make = PictureMaker(settings, self.pixels)

    def prepare(self, image: Image.Image, *, overview_only: bool) -> ImageTiles:
        """The high-resolution picture [1, 3, H, H]; `overview_only` makes it smaller, with one view only."""
        return self._make(image, overview_only=overview_only)

    def picture_width(self, image: ImageTiles) -> int:
        """How many positions a picture takes in a prompt."""
        return self.settings.view_count(image.pixels.shape[-1]) * self.settings.grid_side**2
