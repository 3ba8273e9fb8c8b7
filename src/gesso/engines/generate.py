"""Batched decoding of prompt embeddings with any causal language model of transformers.

A batch is padded on the left, so that all rows grow at the same end. A row that has ended leaves the batch at
once. What a row says does not depend on the rows beside it (up to rounding): each has its own settings.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

from gesso.core.results import Answer, FinishReason, Usage
from gesso.core.sampling import Sampling
from gesso.engines.beams import beam_search
from gesso.engines.detokenize import TextStream, backend_of
from gesso.engines.kv import keep_rows, new_cache
from gesso.engines.pick import TokenPicker
from gesso.models.base import ChatModel

__all__ = ["MAX_BATCH", "Decoding", "Piece", "Row", "end_tokens", "generate", "stream"]

MAX_BATCH: Final = 16
"""Rows decoded together unless told otherwise; more are done one batch after the other."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What decoding reports as it goes.

    Attributes:
        row: the number of the prompt.
        text: text that is new in its answer; may be empty.
        answer: the whole answer, in the last piece of a row only.
    """

    row: int
    text: str
    answer: Answer | None = None


class Decoding(Protocol):
    """A way to answer prompts; `stream` is the usual one, and says what the arguments are."""

    def __call__(
        self,
        model: ChatModel,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Sequence[Tensor],
        samplings: Sequence[Sampling],
        *,
        cancelled: Callable[[int], bool] | None = None,
        cache: Cache | None = None,
    ) -> Generator[Piece, None, None]:
        """Answer prompts piece by piece."""
        ...


def generate(
    model: ChatModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Tensor],
    samplings: Sequence[Sampling],
    *,
    max_batch: int = MAX_BATCH,
) -> list[Answer]:
    """Answer every prompt; arguments as in `stream`. Returns the answers in the order of the prompts."""
    pieces = stream(model, tokenizer, prompts, samplings, max_batch=max_batch)
    answers = {piece.row: piece.answer for piece in pieces if piece.answer is not None}
    return [answers[row] for row in range(len(prompts))]


@torch.inference_mode()
def stream(
    model: ChatModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Tensor],
    samplings: Sequence[Sampling],
    *,
    max_batch: int = MAX_BATCH,
    cancelled: Callable[[int], bool] | None = None,
    cache: Cache | None = None,
) -> Generator[Piece, None, None]:
    """Answer prompts, reporting text as soon as it is certain.

    Args:
        model: the model whose language model speaks.
        tokenizer: its tokenizer.
        prompts: embeddings [L_i, D] of each prompt, such as `ChatModel.embed` gives.
        samplings: the settings of each prompt.
        max_batch: at most this many rows are decoded together.
        cancelled: asked with a row's number before each of its tokens; True ends the row.
        cache: for a single prompt, what already lies before it; grows by the prompt and the answer.

    Yields:
        Pieces of text; the last one of each row carries its answer.
    """
    backend, ends = backend_of(tokenizer), end_tokens(model.language_model, tokenizer)
    past = cache.get_seq_length() if cache is not None else 0
    rows = [
        Row(number, past + len(prompt), sampling, ends, TextStream(backend, sampling.stop))
        for number, (prompt, sampling) in enumerate(zip(prompts, samplings, strict=True))
    ]
    plain = [row for row in rows if row.sampling.num_beams == 1]
    for start in range(0, len(plain), max_batch):
        batch = plain[start : start + max_batch]
        held = cache if cache is not None else new_cache(model.language_model.config)
        decoder = _Decoder(model.language_model, held, [prompts[row.number] for row in batch], batch)
        yield from _decode(decoder, batch, cancelled or _never)
    for row in rows:
        if row.sampling.num_beams > 1:
            tokens = beam_search(model.language_model, prompts[row.number], row.sampling, ends)
            yield _replay(row, tokens)


def end_tokens(language_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end an answer: the tokenizer's and those of the checkpoint's generation settings."""
    settings = language_model.generation_config
    configured = settings.eos_token_id if settings is not None else None
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in (*listed, tokenizer.eos_token_id) if token is not None)


@dataclass(slots=True)
class Row:
    """One prompt on its way to an answer.

    Attributes:
        number: which prompt it is.
        prompt_tokens: positions of the prompt and of what lies before it.
        sampling: its settings.
        ends: tokens that end it.
        text: turns its tokens into text.
        said: its text so far, in pieces.
        made: its tokens so far, counted.
    """

    number: int
    prompt_tokens: int
    sampling: Sampling
    ends: frozenset[int]
    text: TextStream
    said: list[str] = field(default_factory=list)
    made: int = 0

    def take(self, token: int) -> Piece:
        """Add the next token; the piece carries the answer if this ends the row."""
        self.made += 1
        if token in self.ends:
            return self.finish("stop", self.text.flush())
        text = self.text.push(token)
        if self.text.stopped:
            return self.finish("stop", text)
        if self.made == self.sampling.max_new_tokens:
            return self.finish("length", text + self.text.flush())
        return Piece(self.number, self._add(text))

    def finish(self, reason: FinishReason, text: str = "") -> Piece:
        """End the row, with a last bit of text."""
        text = self._add(text)
        usage = Usage(self.prompt_tokens, self.made)
        return Piece(self.number, text, Answer("".join(self.said), reason, usage))

    def _add(self, text: str) -> str:
        """Blanks before the first word belong to the prompt's template, not to the answer."""
        text = text if any(self.said) else text.lstrip()
        self.said.append(text)
        return text


class _Decoder:
    """A batch of sequences on their way through a language model.

    Shapes: B rows, L positions of the longest prompt, D width of the model, V tokens.
    """

    def __init__(
        self, model: PreTrainedModel, cache: Cache, prompts: Sequence[Tensor], rows: Sequence[Row]
    ) -> None:
        self._model = model
        self._cache = cache
        self._prompts = prompts
        room = max(row.sampling.max_new_tokens for row in rows)
        self._past = cache.get_seq_length()
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=prompts[0].device)
        self._longest = int(lengths.max())
        self._mask = _padding_mask(lengths, self._longest + room)
        self._position = (self._past + lengths)[:, None]  # [B, 1], of the next token
        self._length = self._past + self._longest
        self.picker = TokenPicker([row.sampling for row in rows], prompts[0].device)

    def start(self) -> Tensor:
        """Read the prompts; returns the logits of what follows them, [B, V]."""
        padded = torch.stack([_padded(prompt, self._longest) for prompt in self._prompts])  # [B, L, D]
        steps = torch.arange(-self._longest, 0, device=padded.device)  # [L], counted from the end
        positions = (self._position + steps).clamp(min=0)  # [B, L]
        return self._forward(inputs_embeds=padded, position_ids=positions)

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token to each row, [B]; returns the logits of what follows, [B, V]."""
        self._length += 1
        logits = self._forward(input_ids=tokens[:, None], position_ids=self._position)
        self._position = self._position + 1
        return logits

    def keep(self, rows: Tensor) -> None:
        """Go on with the rows that `rows` [K] names only."""
        keep_rows(self._cache, rows)
        self.picker.keep(rows)
        self._position = self._position[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]

    def _forward(self, **inputs: Tensor) -> Tensor:
        mask = None if self._mask is None else self._mask[:, : self._length]
        output: Any = self._model(
            **inputs, attention_mask=mask, past_key_values=self._cache, use_cache=True, logits_to_keep=1
        )
        logits: Tensor = output.logits[:, -1].float()  # [B, V]
        return logits


def _decode(decoder: _Decoder, rows: Sequence[Row], cancelled: Callable[[int], bool]) -> Iterator[Piece]:
    logits = decoder.start()
    while True:
        tokens = decoder.picker.pick(logits)  # [B]
        going: list[int] = []
        for place, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
            piece = row.finish("cancelled") if cancelled(row.number) else row.take(token)
            if piece.answer is None:
                going.append(place)
            if piece.text or piece.answer is not None:
                yield piece
        if not going:
            return
        if len(going) < len(rows):
            kept = torch.tensor(going, device=tokens.device)
            decoder.keep(kept)
            rows, tokens = [rows[place] for place in going], tokens[kept]
        logits = decoder.step(tokens)


def _replay(row: Row, tokens: Sequence[int]) -> Piece:
    """The answer made of tokens that are all known already: they reach an end token or the limit."""
    answer = next(piece.answer for piece in map(row.take, tokens) if piece.answer is not None)
    return Piece(row.number, answer.text, answer)


def _padded(prompt: Tensor, length: int) -> Tensor:
    """The prompt [L_i, D] with zeros before it, [L, D]."""
    return torch.nn.functional.pad(prompt, (0, 0, length - len(prompt), 0))


def _padding_mask(lengths: Tensor, total: int) -> Tensor | None:
    """Ones [B, total] but for the padding before shorter prompts; None where all are equally long."""
    longest = lengths.max()
    if bool((lengths == longest).all()):
        return None
    steps = torch.arange(total, device=lengths.device)
    return (steps >= (longest - lengths)[:, None]).long()


def _never(_: int) -> bool:
    return False
