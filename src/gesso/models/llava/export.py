"""Writing the files beside the weights, so that transformers and what builds on it can use a saved LLaVA.

With a tokenizer that has an `image_token` and a module that transformers has too, the folder gets a whole
transformers processor; otherwise its image processor and tokenizer, which gesso reads.
"""

from pathlib import Path
from typing import Any, Final

from transformers import LlavaNextProcessor, LlavaProcessor
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from gesso.models.llava.settings import LlavaSettings
from gesso.models.pixels import PixelSettings
from gesso.models.templates import storybook_jinja

__all__ = ["write_processor"]

CLASS_TOKENS: Final = 1
"""Features of a CLIP tower that are no patches."""


def write_processor(folder: Path, tokenizer: Any, settings: LlavaSettings, pixels: PixelSettings) -> None:
    """Write tokenizer and image processor of a model into a folder.

    Args:
        folder: where the weights are.
        tokenizer: of the language model.
        settings: of the model.
        pixels: normalisation of pictures.
    """
    tiled = settings.patch_merge_type == "spatial_unpad"
    image_processor = _image_processor(settings, pixels, tiled)
    # transformers' processor writes one image token per feature, and needs a token to write
    if not settings.in_tree or getattr(tokenizer, "image_token", None) is None:
        tokenizer.save_pretrained(folder)
        image_processor.save_pretrained(folder)
        return
    processor_class: Any = LlavaNextProcessor if tiled else LlavaProcessor
    processor_class(
        image_processor,
        tokenizer,
        patch_size=settings.patch_size,
        vision_feature_select_strategy="default" if settings.select_feature == "patch" else "full",
        # counted by transformers before "default" drops it again
        num_additional_image_tokens=CLASS_TOKENS,
        chat_template=storybook_jinja() if settings.template == "storybook" else None,
    ).save_pretrained(folder)


def _image_processor(settings: LlavaSettings, pixels: PixelSettings, tiled: bool) -> Any:
    fields = pixels.to_values(settings.image_size)
    if tiled:
        # transformers keeps canvases as (height, width)
        pairs = [[height, width] for width, height in settings.image_grid_pinpoints]
        return LlavaNextImageProcessorPil(**fields, image_grid_pinpoints=pairs)
    return LlavaImageProcessorPil(**fields, do_pad=settings.image_aspect_ratio == "pad")
