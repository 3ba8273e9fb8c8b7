"""Megrez as gesso's engines and trainer see it, with the original's `chat` beside that."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from gesso.core.errors import UsageError
from gesso.core.messages import Message
from gesso.models.base import ImageTiles, SoundClip
from gesso.models.megrez.contents import as_messages
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
        *,
        max_new_tokens: int = 1024,
        temperature: float = 0.7,
        top_p: float = 0.8,
        top_k: int = 100,
        repetition_penalty: float = 1.0,
    ) -> str:
        """Answer one conversation, as the original's `model.chat` does, through transformers' `generate`.

        The answer comes without the `<|turn_end|>` that the original leaves at its end. What the original
        chooses where nothing is said is not known; the values for sampling here are those of its web demo.

        Args:
            messages: gesso's, or the original's dictionaries (`gesso.models.megrez.contents`).
            sampling: whether tokens are drawn; else the likeliest are taken, and the next three are not read.
            max_new_tokens: longest answer; less if the model's context has no room for it.
            temperature: for sampling.
            top_p: for sampling.
            top_k: for sampling.
            repetition_penalty: above 1 makes tokens of the answer so far less likely; the prompt, which goes
                in as embeddings, does not count.

        Raises:
            UsageError: the conversation is out of order, too long, or leaves no room for an answer.
            UnsupportedError: a part, field or role that the model does not take.
            MediaError: a picture or sound cannot be read.
        """
        prompt = self.embed(self.processor.encode(as_messages(messages)))[None]  # [L, D] -> [1, L, D]
        room = self.settings.max_length - prompt.shape[1]
        if room < 1 or max_new_tokens < 1:
            raise UsageError(f"max_new_tokens is {max_new_tokens}, with room for {room} behind the "
                             "conversation; both must be at least 1")  # fmt: skip
        drawn = {"temperature": temperature, "top_p": top_p, "top_k": top_k} if sampling else {}
        ends = self._generation.eos_token_id
        settings = GenerationConfig(
            do_sample=sampling,
            max_new_tokens=min(max_new_tokens, room),
            repetition_penalty=repetition_penalty,
            eos_token_id=ends,
            pad_token_id=self._generation.pad_token_id,
            **drawn,
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
        self.processor.tokenizer.save_pretrained(folder)

    @property
    def _generation(self) -> GenerationConfig:
        found = self._module.generation_config
        if found is None:
            raise UsageError("the module has no generation config; load it with load_megrez")
        return found
