"""A saved Megrez's processor in transformers' form, which vLLM's transformers backend asks for, too.

A picture's tensors and text depend on that picture alone, so that both may be kept: its number in the
conversation, which does not, is written by the chat template.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image as Pictures
from torch.nn import functional
from transformers import (
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoProcessor,
    BatchFeature,
    ProcessorMixin,
    WhisperFeatureExtractor,
)
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_utils import make_flat_list_of_images
from transformers.processing_utils import MultiModalData

from gesso.core.errors import MediaError, UsageError
from gesso.models.megrez.audio import HOP, SHORTEST, frame_count, token_count
from gesso.models.megrez.modules import MegrezConfig
from gesso.models.megrez.preprocess import cut_slices
from gesso.models.megrez.settings import RATE, MegrezSettings
from gesso.models.megrez.slicing import patch_grid, plan_slices
from gesso.models.megrez.vision import as_strip
from gesso.models.templates import get_template

__all__ = [
    "MegrezFeatureExtractor", "MegrezHubProcessor", "MegrezImageProcessor", "chat_template",
    "write_processor",
]  # fmt: skip


class MegrezImageProcessor(BaseImageProcessor):
    """Pictures to slices, a row of `pixel_values` each.

    Args:
        settings: `MegrezSettings` as a dictionary.
        options: of transformers.
    """

    model_input_names = ["pixel_values", "target_sizes"]  # noqa: RUF012 (the base class declares it so)

    def __init__(self, settings: dict[str, Any] | None = None, **options: Any) -> None:
        inherited: Any = super().__init__
        inherited(**options)
        self.settings = settings or {}

    @property
    def megrez(self) -> MegrezSettings:
        """The settings."""
        return MegrezSettings.from_dict(self.settings)

    @property
    def most_patches(self) -> int:
        """Patches of the largest slice that fits a row.

        Rounding both sides to whole patches adds at most half of a slice that is one patch high.
        """
        settings = self.megrez
        return 3 * (settings.scale_resolution // settings.patch_size) ** 2 // 2 + 1

    def preprocess(
        self, images: Any, *given: Any, return_tensors: str | None = None, **options: Any
    ) -> BatchFeature:
        """Slices of all pictures, [S, 3, p, p*N] in bytes, and the (rows, columns) [S, 2] of each.

        Raises:
            MediaError: a picture is so long and thin that a slice of it does not fit a row.
            UsageError: an option of other image processors, all of which the settings decide here.
        """
        named = [name for name, value in options.items() if value is not None]
        if given or named:
            raise UsageError(f"{', '.join(named) or list(given)} given; Megrez's settings decide how "
                             "pictures are cut, leave it out")  # fmt: skip
        settings, strips, sizes, grids = self.megrez, [], [], []
        pictures: Any = make_flat_list_of_images(self.fetch_images(images))
        for image in pictures:
            cut = cut_slices(_as_picture(image), settings)
            grids.append((cut.columns, len(cut.slices)))
            for tile in cut.slices:
                rows, columns = patch_grid(tile.size, settings)
                room = self.most_patches - rows * columns
                if room < 0:
                    raise MediaError(f"a slice of {rows} x {columns} patches; transformers' form has room "
                                     f"for {self.most_patches}, cut the picture first")  # fmt: skip
                # to the same length whatever other pictures there are
                strip = as_strip(tile.pixels[0], settings.patch_size)
                strips.append(functional.pad(strip, (0, room * settings.patch_size)))
                sizes.append((rows, columns))
        data = {"pixel_values": torch.stack(strips), "target_sizes": torch.tensor(sizes)}
        return BatchFeature({**data, "picture_grids": torch.tensor(grids)}, tensor_type=return_tensors)


class MegrezFeatureExtractor(WhisperFeatureExtractor):
    """Whisper's log-mel bands, with the frames that each sound fills."""

    model_input_names = ["input_features", "audio_frames"]  # noqa: RUF012 (likewise)

    def __call__(self, raw_speech: Any, *given: Any, **options: Any) -> BatchFeature:
        """`input_features` [B, M, C], padded to 30 s, and `audio_frames` [B].

        Raises:
            MediaError: a sound is too short for a token, or longer than 30 s.
        """
        sounds = [raw_speech] if isinstance(raw_speech, np.ndarray) else list(raw_speech)
        for sound in sounds:
            if not SHORTEST <= len(sound) <= self.n_samples:
                raise MediaError(f"a sound of {len(sound) / RATE:.2f} s; allowed: {SHORTEST / RATE:.2f} to "
                                 f"{self.chunk_length} s, cut it first")  # fmt: skip
        # `padding` is said of the texts, too; features are always padded to 30 s
        fixed = {"padding": "max_length", "return_attention_mask": False, "return_tensors": "pt"}
        settings = {"sampling_rate": RATE, **options, **fixed}
        inherited: Any = super().__call__
        # one by one: in a batch, the last bits of a sound depend on the others
        made = [inherited(sound, *given, **settings)["input_features"] for sound in sounds]
        frames = torch.tensor([frame_count(len(sound)) for sound in sounds])
        return BatchFeature({"input_features": torch.cat(made), "audio_frames": frames})


class MegrezHubProcessor(ProcessorMixin):
    """Texts with `image_token` and `audio_token`, pictures and sounds to a Megrez's inputs.

    Args:
        image_processor: cuts pictures.
        feature_extractor: makes log-mel bands.
        tokenizer: with an `image_token` and an `audio_token`.
        chat_template: of transformers.
        options: of transformers.
    """

    def __init__(
        self,
        image_processor: Any = None,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        **options: Any,
    ) -> None:
        self.image_token, self.audio_token = tokenizer.image_token, tokenizer.audio_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.audio_token_id = tokenizer.convert_tokens_to_ids(self.audio_token)
        inherited: Any = super().__init__
        inherited(image_processor, feature_extractor, tokenizer, chat_template=chat_template, **options)

    @property
    def unused_input_names(self) -> list[str]:
        """What only the text is made from."""
        return ["picture_grids"]

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **options: Any) -> str:
        """The overview, then rows of slices, of one picture."""
        columns, count = map(int, image_inputs["picture_grids"][image_idx])
        token = str(self.image_token) * self.image_processor.megrez.image_feature_size
        text = f"<|image_start|>{token}<|image_end|>"
        for index in range(count - 1):
            line = "\n" if index and index % columns == 0 else ""
            text += f"{line}<|slice_start|>{token}<|slice_end|>"
        return text

    def replace_audio_token(self, audio_inputs: dict[str, Any], audio_idx: int, **options: Any) -> str:
        """The span of one sound."""
        count = token_count(int(audio_inputs["audio_frames"][audio_idx])) + 2
        return f"<|audio_start|>{self.audio_token * count}<|audio_end|>"

    def _get_num_multimodal_tokens(
        self,
        image_sizes: Sequence[tuple[int, int]] | None = None,
        audio_lengths: Sequence[int] | None = None,
        **options: Any,
    ) -> MultiModalData:
        """Tokens of pictures of sizes (height, width) and of sounds of so many samples."""
        found: dict[str, list[int]] = {}
        if image_sizes is not None:
            settings = self.image_processor.megrez
            slices = [plan_slices((width, height), settings).count for height, width in image_sizes]
            found["num_image_patches"] = slices
            found["num_image_tokens"] = [count * settings.image_feature_size for count in slices]
        if audio_lengths is not None:
            found["num_audio_tokens"] = [token_count(frame_count(length)) + 2 for length in audio_lengths]
        return MultiModalData(**found)


def _as_picture(image: Any) -> Pictures.Image:
    # arrays and tensors in bytes, height first
    found = image if isinstance(image, Pictures.Image) else Pictures.fromarray(np.asarray(image))
    return found.convert("RGB")


AutoImageProcessor.register(MegrezConfig, image_processor_classes={"pil": MegrezImageProcessor})
AutoFeatureExtractor.register(MegrezConfig, MegrezFeatureExtractor)
AutoProcessor.register(MegrezConfig, MegrezHubProcessor)


def write_processor(folder: Path, tokenizer: Any, settings: MegrezSettings, mels: int) -> None:
    """Write the tokenizer of a model into a folder, within a whole processor if it can be one.

    Args:
        folder: where the weights are.
        tokenizer: of the language model; without `image_token` and `audio_token` it is written alone.
        settings: of the model.
        mels: bands of the log-mel features.
    """
    if any(getattr(tokenizer, name, None) is None for name in ("image_token", "audio_token")):
        tokenizer.save_pretrained(folder)
        return
    # transformers declares no types
    extractor: Any = MegrezFeatureExtractor
    MegrezHubProcessor(
        MegrezImageProcessor(settings.to_dict()),
        extractor(feature_size=mels, sampling_rate=RATE, hop_length=HOP),
        tokenizer,
        chat_template=chat_template(settings, tokenizer),
    ).save_pretrained(folder)


def chat_template(settings: MegrezSettings, tokenizer: Any) -> str:
    """The model's conversation template for `apply_chat_template`; content is a string or a list of parts."""
    system = get_template(settings.template).system or ""
    number = "<|image_id_start|>{{ count.images }}<|image_id_end|>" if settings.use_image_id else ""
    return (
        TEMPLATE.replace("SYSTEM", f"<|role_start|>system<|role_end|>{system}<|turn_end|>" if system else "")
        .replace("NUMBER", number)
        .replace("PICTURE", tokenizer.image_token)
        .replace("SOUND", tokenizer.audio_token)
    )


TEMPLATE: Final = """\
{%- set count = namespace(images=0, sounds=0) -%}
{%- if messages and messages[0].role != "system" -%}{{ 'SYSTEM' }}{%- endif -%}
{%- for message in messages -%}
{{- '<|role_start|>' + message.role + '<|role_end|>' -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content if part.type == "image" -%}
NUMBERPICTURE{{ '\\n' }}
{%- set count.images = count.images + 1 -%}
{%- endfor -%}
{%- for part in message.content if part.type == "audio" -%}
{%- set count.sounds = count.sounds + 1 -%}
{{- 'Audio ' ~ count.sounds ~ ': SOUND\\n' -}}
{%- endfor -%}
{%- for part in message.content if part.type == "text" -%}{{- part.text -}}{%- endfor -%}
{%- endif -%}
{{- '<|turn_end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|role_start|>assistant<|role_end|>' -}}{%- endif -%}
"""
