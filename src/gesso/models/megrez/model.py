"""Megrez as gesso's engines and trainer see it, with the original's `chat` beside that."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from gesso.core.errors import UsageError
from gesso.core.messages import Message
from gesso.models.base import ImageTiles, SoundClip
from gesso.models.megrez.contents import as_messages
from gesso.models.megrez.export import write_processor
from gesso.models.megrez.options import ChatOptions, read_options
from gesso.models.megrez.processor import MegrezProcessor
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.picture_chat import PictureChat

__all__ = ["MegrezChat"]


class MegrezChat(PictureChat[MegrezProcessor]):
    """A Megrez: module and processor together.

    Args:
        module: the whole model.
        processor: turns messages into its inputs.
    """

    @property
    def settings(self) -> MegrezSettings:
        """What distinguishes this Megrez from others."""
        return self.processor.settings

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What is trained, or not, as a whole; the positions of sounds are never.

        These are the original's switches tune_vision_encoder, tune_vision_proj, tune_audio_encoder,
        tune_audio_proj and tune_llm.
        """
        module: Any = self._module
        audio = module.audio
        return {
            "vision": module.vision,
            "projector": module.resampler,
            "audio": nn.ModuleList([audio.conv1, audio.conv2, audio.layers, audio.ln_post]),
            "audio_projector": nn.ModuleList([audio.proj, audio.begin_end]),
            "language": module.language_model,
        }

    @property
    def hears_alone(self) -> bool:
        """Whether a sound is encoded as if it were alone; the original lets others change its end."""
        return not self.settings.clips_together

    def features_of(self, images: Sequence[ImageTiles]) -> list[Tensor]:
        """Features of slices, [Q, D] each."""
        module: Any = self._module
        # [1, 3, H, W] -> [3, H, W]
        features: list[Tensor] = module.slice_features([image.pixels[0] for image in images])
        return features

    def sound_features_of(self, sounds: Sequence[SoundClip]) -> list[Tensor]:
        """Spans of sounds, [2 + K_i, D] each."""
        module: Any = self._module
        spans: list[Tensor] = module.sound_features([s.features for s in sounds], [s.frames for s in sounds])
        return spans

    @torch.inference_mode()
    def chat(
        self,
        messages: Sequence[Message | Mapping[str, Any]],
        sampling: bool = False,
        **options: Unpack[ChatOptions],
    ) -> str:
        """Answer one conversation, as the original's `model.chat` does, through transformers' `generate`.

        The answer comes without the `<|turn_end|>` that the original leaves at its end. What the original
        chooses where nothing is said is not known; the values for sampling here are those of its web demo.
        A repetition penalty does not count the prompt, which goes in as embeddings.

        Args:
            messages: gesso's, or the original's dictionaries (`gesso.models.megrez.contents`).
            sampling: whether tokens are drawn; else the likeliest are taken.
            options: see `gesso.models.megrez.options.ChatOptions`. An answer is shorter than
                `max_new_tokens` if the model's context has no room for more.

        Raises:
            UsageError: the conversation is out of order, too long, or leaves no room for an answer; or a
                setting is out of range or would not be read.
            UnsupportedError: a part, field, role or setting that there is not.
            MediaError: a picture or sound cannot be read.
        """
        asked = read_options(sampling, options)
        prompt = self.embed(self.processor.encode(as_messages(messages)))[None]  # [L, D] -> [1, L, D]
        room = self.settings.max_length - prompt.shape[1]
        if room < 1:
            raise UsageError(f"the conversation takes {prompt.shape[1]} of {self.settings.max_length} "
                             "positions and leaves no room for an answer; shorten it")  # fmt: skip
        drawn = {name: getattr(asked, name) for name in ("temperature", "top_p", "top_k")}
        settings = GenerationConfig(
            do_sample=not asked.greedy,
            max_new_tokens=min(asked.max_new_tokens, room),
            num_beams=asked.num_beams,
            repetition_penalty=asked.repetition_penalty,
            eos_token_id=self._generation.eos_token_id,
            pad_token_id=self._generation.pad_token_id,
            **({} if asked.greedy else drawn),
        )
        module: Any = self._module
        mask = torch.ones(prompt.shape[:2], dtype=torch.long, device=prompt.device)
        with warnings.catch_warnings():
            # that the prompt does not count is said above
            warnings.filterwarnings("ignore", "Passing `repetition_penalty` with `inputs_embeds`")
            # given embeddings alone, transformers returns the new tokens alone: [1, n] -> [n]
            answer = module.generate(inputs_embeds=prompt, attention_mask=mask, generation_config=settings)[0]
        return str(self.processor.tokenizer.decode(answer, skip_special_tokens=True))

    def _save_processor(self, folder: Path) -> None:
        module: Any = self._module
        mels: int = module.config.audio_config.num_mel_bins
        write_processor(folder, self.processor.tokenizer, self.settings, mels)

    @property
    def _generation(self) -> GenerationConfig:
        found = self._module.generation_config
        if found is None:
            raise UsageError("the module has no generation config; load it with load_megrez")
        return found
