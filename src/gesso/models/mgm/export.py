"""A saved Mini-Gemini's processor in transformers' form, which vLLM's transformers backend asks for, too."""

from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import AutoProcessor, LlavaProcessor
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.processing_utils import MultiModalData

from gesso.models.mgm.modules import MgmConfig
from gesso.models.mgm.settings import MgmSettings
from gesso.models.pixels import PixelSettings
from gesso.models.templates import storybook_jinja

__all__ = ["MgmHubProcessor", "write_processor"]


class MgmHubProcessor(LlavaProcessor):
    """transformers' LLaVA processor at the high resolution, with the model's own count of tokens.

    A picture's tensors depend on that picture alone, one row each; all have the same number of tokens.

    Args:
        image_processor: makes the high-resolution picture.
        tokenizer: with an `image_token`.
        places: tokens of a picture, all views together. (transformers would take any argument with
            "image" in its name for a part of the processor.)
        chat_template: of transformers.
        options: of transformers' LLaVA processor.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        # no keyword-only argument: transformers passes over those when it loads a processor
        places: int = 576,
        chat_template: str | None = None,
        **options: Any,
    ) -> None:
        # transformers declares no types
        inherited: Any = super().__init__
        inherited(image_processor, tokenizer, chat_template=chat_template, **options)
        self.places = places

    def replace_image_token(self, image_inputs: dict[str, Tensor], image_idx: int, **options: Any) -> str:
        """What stands in a text for one picture."""
        return str(self.image_token) * self.places

    def _get_num_multimodal_tokens(self, image_sizes: Any = None, **options: Any) -> MultiModalData:
        """Tokens of pictures of any sizes (height, width)."""
        if image_sizes is None:
            return MultiModalData()
        count = len(image_sizes)
        return MultiModalData(num_image_tokens=[self.places] * count, num_image_patches=[1] * count)


AutoProcessor.register(MgmConfig, MgmHubProcessor)


def write_processor(folder: Path, tokenizer: Any, settings: MgmSettings, pixels: PixelSettings) -> None:
    """Write tokenizer and image processor of a model into a folder, as a whole processor if it can be one.

    Args:
        folder: where the weights are.
        tokenizer: of the language model; without an `image_token` it has none to write for a picture.
        settings: of the model.
        pixels: normalisation of pictures.
    """
    values = pixels.to_values(settings.image_size_aux)
    image_processor = LlavaImageProcessorPil(**values, do_pad=settings.image_aspect_ratio == "pad")
    if getattr(tokenizer, "image_token", None) is None:
        tokenizer.save_pretrained(folder)
        image_processor.save_pretrained(folder)
        return
    MgmHubProcessor(
        image_processor,
        tokenizer,
        places=settings.view_count(settings.image_size_aux) * settings.grid_side**2,
        chat_template=storybook_jinja() if settings.template == "storybook" else None,
    ).save_pretrained(folder)
