"""Choosing the next token of every row of a batch, each row under its own settings and its own seed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gesso.core.sampling import Sampling

__all__ = ["TokenPicker"]


class TokenPicker:
    """Picks tokens for a batch; what a row gets does not depend on which rows stand beside it.

    The order is that of transformers' `generate`: repetition penalty, temperature, top-k, top-p. Only the
    answer's tokens are penalised; a prompt of embeddings has none. Random numbers come from one generator per
    row on the CPU, so a seed means the same on every device.

    Args:
        samplings: the settings of each row.
        device: where logits will lie.
    """

    def __init__(self, samplings: Sequence[Sampling], device: torch.device) -> None:
        self._greedy = all(sampling.greedy for sampling in samplings)
        self._generators = [_generator(sampling.seed) for sampling in samplings]
        # a greedy row is one that samples from its single likeliest token
        # 1, where 0 would divide by nothing
        self._temperature = _column([sampling.temperature or 1.0 for sampling in samplings], device)
        self._top_k = _column([1 if sampling.greedy else sampling.top_k for sampling in samplings], device)
        self._top_p = _column([sampling.top_p for sampling in samplings], device)
        self._penalty = _column([sampling.repetition_penalty for sampling in samplings], device)
        self._penalised = any(sampling.repetition_penalty != 1 for sampling in samplings)
        self._seen: Tensor | None = None

    def pick(self, logits: Tensor) -> Tensor:
        """The next token of each row, [B], from logits [B, V]."""
        if self._penalised:
            logits = self._with_penalty(logits)
        tokens = logits.argmax(-1) if self._greedy else self._draw(logits)  # [B]
        if self._seen is not None:
            self._seen.scatter_(1, tokens[:, None], True)  # [B, V] at [B, 1]
        return tokens

    def keep(self, rows: Tensor) -> None:
        """Go on with the rows that `rows` [K] names only."""
        # a row goes on with its own random numbers, whoever left the batch
        self._generators = [self._generators[row] for row in rows.tolist()]
        for name in ("_temperature", "_top_k", "_top_p", "_penalty"):
            setattr(self, name, getattr(self, name)[rows])
        if self._seen is not None:
            self._seen = self._seen[rows]

    def _with_penalty(self, logits: Tensor) -> Tensor:
        """Makes tokens that were already picked less likely (CTRL, arXiv 1909.05858, section 4.1)."""
        # made at the first step, when the size of the vocabulary is known, [B, V]
        if self._seen is None:
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
        # a negative logit is made smaller by multiplying, a positive one by dividing
        lowered = torch.where(logits < 0, logits * self._penalty, logits / self._penalty)
        return torch.where(self._seen, lowered, logits)  # [B, V]

    def _draw(self, logits: Tensor) -> Tensor:
        """A sample per row, [B], by inverting the cumulative distribution over the tokens that are kept."""
        ordered, tokens = (logits / self._temperature).sort(-1, descending=True)  # [B, V] each
        rank = torch.arange(logits.shape[-1], device=logits.device)
        # [B, 1] against [V] -> [B, V]; 0 keeps all
        ordered = ordered.masked_fill((self._top_k > 0) & (rank >= self._top_k), -torch.inf)
        share = ordered.softmax(-1)
        # the probability of all likelier tokens: the one that passes top_p is kept, so at least one always is
        before = share.cumsum(-1) - share
        share = share.masked_fill(before >= self._top_p, 0)
        # not scaled to 1 again: the aim below is scaled instead, which costs one number a row
        total = share.cumsum(-1)  # [B, V]
        draws = torch.cat([torch.rand(1, generator=generator) for generator in self._generators])
        aim = draws.to(logits.device)[:, None] * total[:, -1:]  # [B, 1]
        last = (share > 0).sum(-1, keepdim=True) - 1  # rounding must not reach a token that was ruled out
        index = torch.searchsorted(total, aim, right=True).minimum(last)  # [B, 1]
        return tokens.gather(1, index)[:, 0]  # [B, V] at [B, 1] -> [B]


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        # from the system's entropy: torch's own default is the same at every start
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)[:, None]  # [B, 1]
