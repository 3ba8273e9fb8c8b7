"""What a Megrez-3B-Omni sees and hears with, and its config: eyes and ears made of transformers' parts."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    SiglipVisionConfig,
    WhisperConfig,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from gesso.core.errors import UsageError
from gesso.models.megrez.audio import AudioEncoder
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.megrez.vision import NavitTower
from gesso.nn.resampler import Resampler

__all__ = ["MegrezConfig", "MegrezSenses"]

HEAD_WIDTH: Final = 128
"""Width of one head of the resampler's attention."""


class MegrezConfig(PreTrainedConfig):
    """Configs of the three parts; `gesso` holds the `MegrezSettings`.

    `image_token_id` and `audio_token_id` stand for one position of a picture or sound where transformers
    reads ids by itself. `vision_batch_size` is how many slices the vision tower sees at a time,
    `audio_batch_size` how many sounds the audio encoder hears at a time.
    """

    model_type = "gesso_megrez"
    # the form that transformers before 5.18 has, too
    sub_configs: ClassVar[dict[str, type[PreTrainedConfig]]] = {
        "vision_config": SiglipVisionConfig,
        "audio_config": WhisperConfig,
        "text_config": LlamaConfig,
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    audio_config: dict[str, Any] | PreTrainedConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_batch_size: int = 8
    audio_batch_size: int = 8
    image_token_id: int | None = None
    audio_token_id: int | None = None
    tie_word_embeddings: bool = False
    gesso: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Make the parts' configs."""
        for name, kind in self.sub_configs.items():
            given = getattr(self, name)
            if not isinstance(given, PreTrainedConfig):
                setattr(self, name, kind(**(given or {})))
        inherited: Any = super().__post_init__
        inherited(**kwargs)

    @property
    def settings(self) -> MegrezSettings:
        """What distinguishes this Megrez, apart from its parts' sizes."""
        return MegrezSettings.from_dict(self.gesso or {})


class MegrezSenses(PreTrainedModel):
    """Vision tower with resampler and audio encoder, beside a language model in `language_model`.

    Letters: S slices, p side of a patch, N patches of the largest slice that there can be, Q positions of a
    slice, B sounds, M mel bands, C mel columns, K tokens of a sound, D width of the language model.
    """

    config_class = MegrezConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: MegrezConfig) -> None:
        super().__init__(config)
        text: Any = config.text_config
        vision: Any = config.vision_config
        audio: Any = config.audio_config
        settings = config.settings
        self._together = settings.clips_together
        self.vision = NavitTower(vision)
        self.resampler = Resampler(
            settings.image_feature_size, vision.hidden_size, text.hidden_size, text.hidden_size // HEAD_WIDTH
        )
        self.audio = AudioEncoder(audio, text.hidden_size)
        self.language_model = self._language_model(text)
        finish: Any = self.post_init
        finish()

    def _language_model(self, config: LlamaConfig) -> PreTrainedModel:
        raise NotImplementedError

    @property
    def vision_tower(self) -> NavitTower:
        """The vision tower, under the name that transformers looks for."""
        return self.vision

    @property
    def audio_tower(self) -> AudioEncoder:
        """The audio encoder, under the name that transformers looks for."""
        return self.audio

    def get_input_embeddings(self) -> nn.Module:
        """The language model's table of token embeddings."""
        table: nn.Module = self.language_model.get_input_embeddings()
        return table

    def get_image_features(
        self, pixel_values: Tensor, target_sizes: Tensor, **options: Any
    ) -> BaseModelOutputWithPooling:
        """Features of slices as transformers has them, those of one picture behind one another.

        Args:
            pixel_values: [S, 3, p, p*N] in grey levels, patches of each slice side by side.
            target_sizes: [S, 2] rows and columns of patches of each slice.
            options: what transformers passes on; none changes anything here, so that none may be set.

        Returns:
            `pooler_output` has [S, Q, D].

        Raises:
            UsageError: an option is set.
        """
        _refuse(options)
        patch: int = pixel_values.shape[-2]
        grids = [(int(rows), int(columns)) for rows, columns in target_sizes.tolist()]
        found = []
        config: Any = self.config
        for start in range(0, len(grids), config.vision_batch_size):
            some = grids[start : start + config.vision_batch_size]
            longest = max(rows * columns for rows, columns in some)
            strips = pixel_values[start : start + len(some), ..., : longest * patch]  # [s, 3, p, p*n]
            found += self.resampler(self.vision.encode_strips(strips, some), some)
        features: Any = torch.stack(found)  # [Q, D] each -> [S, Q, D]
        return BaseModelOutputWithPooling(pooler_output=features)

    def get_audio_features(
        self, input_features: Tensor, audio_frames: Tensor, **options: Any
    ) -> BaseModelOutputWithPooling:
        """Spans of sounds as transformers has them.

        Args:
            input_features: [B, M, C] log-mel bands.
            audio_frames: [B] frames that each sound fills.
            options: as of `get_image_features`.

        Returns:
            `pooler_output` has [2 + K_i, D] for each sound.
        """
        _refuse(options)
        spans: Any = self.sound_features(list(input_features), [int(count) for count in audio_frames])
        return BaseModelOutputWithPooling(pooler_output=spans)

    def slice_features(self, slices: Sequence[Tensor]) -> list[Tensor]:
        """Features of slices in grey levels, [3, H, W] each -> [Q, D] each."""
        features: list[Tensor] = []
        config: Any = self.config
        for start in range(0, len(slices), config.vision_batch_size):
            seen, grids = self.vision.encode(slices[start : start + config.vision_batch_size])
            features += self.resampler(seen, grids)  # [B, N, W] -> [B, Q, D], taken apart
        return features

    def sound_features(self, features: Sequence[Tensor], frames: Sequence[int]) -> list[Tensor]:
        """Spans of sounds from log-mel features, [M, C_i] each -> [2 + K_i, D] each."""
        config: Any = self.config
        if self._together:
            spans: list[Tensor] = self.audio(_same_length(features), frames, together=True)
            return spans
        # a sound is encoded as if it were alone, so those of a length may go together: little is padding
        order = sorted(range(len(frames)), key=lambda index: frames[index])
        found: dict[int, Tensor] = {}
        for start in range(0, len(order), config.audio_batch_size):
            chosen = order[start : start + config.audio_batch_size]
            some = self.audio(_same_length([features[i] for i in chosen]), [frames[i] for i in chosen])
            found |= dict(zip(chosen, some, strict=True))
        return [found[index] for index in range(len(frames))]

    def _init_weights(self, module: nn.Module) -> None:
        initialise: Any = super()._init_weights
        initialise(module)
        if isinstance(module, Resampler):
            module.reset_parameters()


def _refuse(options: dict[str, Any]) -> None:
    given = [name for name, value in options.items() if name != "return_dict" and value is not None]
    if given:
        raise UsageError(f"{', '.join(given)} given; Megrez's features have no options, leave it out")


def _same_length(features: Sequence[Tensor]) -> Tensor:
    """[M, C_i] each -> [B, M, C], zero behind the shorter ones."""
    longest = max(each.shape[-1] for each in features)
    return torch.stack([functional.pad(each, (0, longest - each.shape[-1])) for each in features])
