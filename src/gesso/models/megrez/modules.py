"""The torch module of a Megrez-3B-Omni: eyes and ears around a Llama, all made of transformers' parts."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    SiglipVisionConfig,
    WhisperConfig,
)

from gesso.models.megrez.audio import AudioEncoder
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.megrez.vision import NavitTower
from gesso.nn.resampler import Resampler

__all__ = ["MegrezConfig", "MegrezForConditionalGeneration"]

HEAD_WIDTH: Final = 128
"""Width of one head of the resampler's attention."""


class MegrezConfig(PreTrainedConfig):
    """Configs of the three parts; `gesso` holds the `MegrezSettings`.

    `vision_batch_size` is how many slices the vision tower sees at a time, `audio_batch_size` how many sounds
    the audio encoder hears at a time.
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


class MegrezForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A Megrez: vision tower with resampler, audio encoder, language model with its head.

    Letters: Q positions of a slice, K tokens of a sound, D width of the language model.
    """

    config_class = MegrezConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

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
        self.language_model = LlamaForCausalLM(text)
        finish: Any = self.post_init
        finish()

    def get_input_embeddings(self) -> nn.Module:
        """The language model's table of token embeddings."""
        table: nn.Module = self.language_model.get_input_embeddings()
        return table

    def get_output_embeddings(self) -> nn.Module:
        """The language model's head."""
        head: nn.Module = self.language_model.lm_head
        return head

    def get_decoder(self) -> nn.Module:
        """The language model without its head."""
        decoder: nn.Module = self.language_model.model
        return decoder

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

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **options: Any,
    ) -> Any:
        """The language model's own forward; pictures and sounds are in `inputs_embeds`, if anywhere."""
        return self.language_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **options,
        )

    def _init_weights(self, module: nn.Module) -> None:
        initialise: Any = super()._init_weights
        initialise(module)
        if isinstance(module, Resampler):
            module.reset_parameters()


def _same_length(features: Sequence[Tensor]) -> Tensor:
    """[M, C_i] each -> [B, M, C], zero behind the shorter ones."""
    longest = max(each.shape[-1] for each in features)
    return torch.stack([functional.pad(each, (0, longest - each.shape[-1])) for each in features])


# so that Auto classes find a saved folder's class, once gesso is imported
AutoConfig.register(MegrezConfig.model_type, MegrezConfig)
AutoModelForImageTextToText.register(MegrezConfig, MegrezForConditionalGeneration)
