"""The torch module of a Megrez-3B-Omni: eyes and ears around a Llama, all made of transformers' parts."""

from typing import Any

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    PreTrainedModel,
)
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from gesso.models.megrez.senses import MegrezConfig, MegrezSenses
from gesso.nn.merge import place

__all__ = ["MegrezConfig", "MegrezForConditionalGeneration", "MegrezModel"]


class MegrezModel(MegrezSenses):
    """A Megrez without its head, which is what vLLM's transformers backend builds."""

    def _language_model(self, config: LlamaConfig) -> PreTrainedModel:
        return LlamaModel(config)

    def get_decoder(self) -> nn.Module:
        """The language model."""
        return self.language_model

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, **options: Any
    ) -> Any:
        """The language model's own forward; pictures and sounds are in `inputs_embeds`, if anywhere."""
        return self.language_model(input_ids=input_ids, inputs_embeds=inputs_embeds, **options)


class MegrezForConditionalGeneration(MegrezSenses, GenerationMixin):
    """A Megrez with its head."""

    def _language_model(self, config: LlamaConfig) -> PreTrainedModel:
        return LlamaForCausalLM(config)

    def get_output_embeddings(self) -> nn.Module:
        """The language model's head."""
        head: nn.Module = self.language_model.lm_head
        return head

    def get_decoder(self) -> nn.Module:
        """The language model without its head."""
        decoder: nn.Module = self.language_model.model
        return decoder

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        pixel_values: Tensor | None = None,
        target_sizes: Tensor | None = None,
        input_features: Tensor | None = None,
        audio_frames: Tensor | None = None,
        **options: Any,
    ) -> Any:
        """The language model's own forward, with pictures and sounds at their tokens.

        They are either in `inputs_embeds`, as gesso has it, or given beside ids that have one
        `config.image_token_id` or `config.audio_token_id` for each of their positions, as transformers has
        it.

        Args:
            input_ids: [B, L].
            attention_mask: as all language models of transformers take it.
            position_ids: likewise.
            past_key_values: what was read before; later passes of `generate` do not see pictures again.
            inputs_embeds: [B, L, D] instead of ids.
            logits_to_keep: how many of the last positions get logits; 0 is all.
            pixel_values: of pictures, see `get_image_features`.
            target_sizes: of pictures.
            input_features: of sounds, see `get_audio_features`.
            audio_frames: of sounds.
            options: of the language model's forward, such as `labels` and `use_cache`.

        Raises:
            UsageError: features and their tokens do not agree in number.
        """
        first = past_key_values is None or past_key_values.get_seq_length() == 0
        if first and input_ids is not None and (pixel_values is not None or input_features is not None):
            config: Any = self.config
            inputs_embeds = self.get_input_embeddings()(input_ids)
            if pixel_values is not None and target_sizes is not None:
                seen: Any = self.get_image_features(pixel_values, target_sizes).pooler_output
                inputs_embeds = place(inputs_embeds, input_ids == config.image_token_id, [*seen], "pictures")
            if input_features is not None and audio_frames is not None:
                heard: Any = self.get_audio_features(input_features, audio_frames).pooler_output
                inputs_embeds = place(inputs_embeds, input_ids == config.audio_token_id, heard, "sounds")
            input_ids = None
        return self.language_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            logits_to_keep=logits_to_keep,
            **options,
        )


# so that Auto classes find a saved folder's class, once gesso is imported
AutoConfig.register(MegrezConfig.model_type, MegrezConfig)
AutoModel.register(MegrezConfig, MegrezModel)
AutoModelForImageTextToText.register(MegrezConfig, MegrezForConditionalGeneration)
# folders hold the whole model, whose decoder lies one step deeper
register_checkpoint_conversion_mapping(
    MegrezModel.__name__, [WeightRenaming(r"^language_model\.model\.", "language_model.")], overwrite=True
)
