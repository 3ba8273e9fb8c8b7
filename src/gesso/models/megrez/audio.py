"""The audio encoder: Whisper's (arXiv 2212.04356) with half the frames, as in Qwen-Audio (arXiv 2311.07919).

Letters: B sounds, M mel bands, C mel columns (100 a second), T frames (50 a second) of the longest sound,
K its tokens (25 a second), S width of the encoder, D width of the language model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer, WhisperPreTrainedModel

from gesso.core.errors import UsageError

__all__ = ["HOP", "SHORTEST", "AudioEncoder", "frame_count", "token_count"]

HOP = 160
"""Samples at 16 kHz between two mel columns."""

SHORTEST = 480
"""Samples at 16 kHz below which a sound gives no token."""


def frame_count(samples: int) -> int:
    """Frames that a sound of so many samples at 16 kHz fills."""
    # a convolution of stride 2 over whole mel columns, of which a sound below 160 samples has none
    return (samples // HOP + 1) // 2


def token_count(frames: int) -> int:
    """Tokens of so many frames; an odd last frame is dropped."""
    return frames // 2


class AudioEncoder(WhisperPreTrainedModel):
    """Log-mel features to spans of embeddings, each between a learned begin and end.

    Args:
        config: sizes of the encoder.
        width: D.
    """

    def __init__(self, config: WhisperConfig, width: int) -> None:
        super().__init__(config)
        state = config.d_model
        self.conv1 = nn.Conv1d(config.num_mel_bins, state, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(state, state, kernel_size=3, stride=2, padding=1)
        # stored in checkpoints and not Whisper's pure waves, but never trained
        self.positions = nn.Parameter(torch.zeros(config.max_source_positions, state), requires_grad=False)
        self.layers = nn.ModuleList(WhisperEncoderLayer(config) for _ in range(config.encoder_layers))
        self.ln_post = nn.LayerNorm(state)
        self.proj = nn.Linear(state, width)
        self.begin_end = nn.Embedding(2, width)
        finish: Any = self.post_init
        finish()

    def forward(self, features: Tensor, frames: Sequence[int], *, together: bool = False) -> list[Tensor]:
        """Spans of sounds, [2 + K_i, D] each.

        Args:
            features: [B, M, C] log-mel features, padded.
            frames: how many frames each sound fills.
            together: whether a sound that is not the longest sees the padding of its features at its end, as
                the original has it; else it is encoded as if it were alone.

        Raises:
            UsageError: a sound is too short for a token, or longer than the encoder takes.
        """
        longest = max(frames)
        if min(frames) < 2 or longest > len(self.positions) or 2 * longest > features.shape[-1]:
            raise UsageError(f"sounds of {list(frames)} frames in features of {features.shape[-1]} columns; "
                             f"allowed: 2 to {len(self.positions)} frames of 2 columns")  # fmt: skip
        weight = self.conv1.weight
        lengths = torch.tensor(frames, device=weight.device)
        columns = features[..., : 2 * longest].to(device=weight.device, dtype=weight.dtype)  # [B, M, 2T]
        if not together:
            columns = columns.masked_fill(_behind(2 * lengths, 2 * longest)[:, None], 0)
        hidden = self._encode(columns, lengths)  # [B, T, S]
        # pairs of frames become tokens: [B, T, S] -> [B, S, T] -> [B, S, K] -> [B, K, S]
        pooled = functional.avg_pool1d(hidden.transpose(1, 2), 2).transpose(1, 2)
        tokens = self.proj(self.ln_post(pooled))  # [B, K, S] -> [B, K, D]
        begin, end = self.begin_end.weight[:1], self.begin_end.weight[1:]  # [1, D] twice
        spans = zip(tokens, frames, strict=True)
        # [1, D], [K_i, D], [1, D] -> [2 + K_i, D]
        return [torch.cat([begin, row[: token_count(count)], end]) for row, count in spans]

    def embed_columns(self, columns: Tensor, lengths: Tensor) -> Tensor:
        """Frames with their positions, zero behind each sound, [B, M, 2T] -> [B, T, S]."""
        hidden = functional.gelu(self.conv2(functional.gelu(self.conv1(columns))))  # [B, S, T]
        hidden = hidden.transpose(1, 2) + self.positions[: hidden.shape[-1]]  # [B, S, T] -> [B, T, S]
        return hidden.masked_fill(_behind(lengths, hidden.shape[1])[..., None], 0)

    def _encode(self, columns: Tensor, lengths: Tensor) -> Tensor:
        hidden = self.embed_columns(columns, lengths)
        behind = _behind(lengths, hidden.shape[1])
        # [B, T] -> [B, 1, T, T]: no frame listens to what lies behind its own sound
        mask = torch.zeros_like(behind, dtype=hidden.dtype).masked_fill(behind, float("-inf"))
        mask = mask[:, None, None, :].expand(-1, 1, hidden.shape[1], -1)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden


def _behind(lengths: Tensor, longest: int) -> Tensor:
    """Which places lie behind the end of each row, [B] -> [B, longest]."""
    return torch.arange(longest, device=lengths.device) >= lengths[:, None]
