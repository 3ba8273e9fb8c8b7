"""Decoding of one reply with fewer passes of the model than tokens: forced text, and drafts verified at once.

The plain way asks the model once for each token. Here tokens that a grammar forces are appended unasked, and
tokens that a draft proposes are read together with them; the logits behind each tell what the plain way would
have picked there, and the draft is kept as far as it says the same. Picks are made one after the other from
the same logits with the same random numbers as in the plain way. So greedy decoding gives the same tokens,
and so does sampling under a seed: a draft is accepted with the very probability the model gives it.
(Rounding differs between a pass over one token and over many; two tokens that nearly tie may change places.)
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

from gesso.core.errors import UsageError
from gesso.core.sampling import Sampling
from gesso.engines.constrain import Guide
from gesso.engines.detokenize import TextStream, backend_of
from gesso.engines.draft import ReplyDraft
from gesso.engines.generate import Piece, Row, end_tokens
from gesso.engines.kv import can_crop, crop, new_cache
from gesso.engines.pick import TokenPicker
from gesso.models.base import ChatModel

__all__ = ["Tally", "guided"]

NO_TOKENS: Final[list[int]] = []


@dataclass(slots=True)
class Tally:
    """What decoding a reply took; counted up as it goes.

    Attributes:
        passes: times the model was run; the plain way runs it once for each token.
        tokens: tokens of the reply.
        forced: those that the grammar left no choice about.
        drafted: tokens that were proposed and read ahead.
        accepted: those of them that came true.
    """

    passes: int = 0
    tokens: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0


@torch.inference_mode()
def guided(
    model: ChatModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Tensor],
    samplings: Sequence[Sampling],
    *,
    cancelled: Callable[[int], bool] | None = None,
    cache: Cache | None = None,
    guide: Guide | None = None,
    draft: ReplyDraft | None = None,
    tally: Tally | None = None,
) -> Generator[Piece, None, None]:
    """Answer one prompt; a `gesso.engines.generate.Decoding` once the last three arguments are bound.

    Forced tokens are no picks of the model: a repetition penalty does not count them.

    Args:
        model: the model whose language model speaks.
        tokenizer: its tokenizer.
        prompts: the one prompt's embeddings, [L, D].
        samplings: its settings.
        cancelled: asked before each token; True ends the answer.
        cache: what already lies before the prompt; grows by the prompt and the answer.
        guide: keeps the reply inside a grammar; it ends where the grammar does.
        draft: proposes tokens; not used with models that cannot forget what they read (sliding windows).
        tally: is told what it took.

    Raises:
        UsageError: more than one prompt, or beams.
    """
    if len(prompts) != 1 or any(sampling.num_beams > 1 for sampling in samplings):
        beams = max((sampling.num_beams for sampling in samplings), default=1)
        raise UsageError(f"{len(prompts)} prompts with {beams} beams; guided decoding takes one prompt and "
                         "no beams")  # fmt: skip
    reader = _Reader(model.language_model, cache, prompts[0], tally or Tally())
    row = Row(
        number=0,
        prompt_tokens=reader.position + len(prompts[0]),
        sampling=samplings[0],
        ends=end_tokens(model.language_model, tokenizer),
        text=TextStream(backend_of(tokenizer), samplings[0].stop),
    )
    yield from _Reply(row, reader, guide, draft if reader.can_forget else None, cancelled).pieces()


class _Reader:
    """The model with its cache: reads what is new, and forgets what turned out wrong.

    Shapes: N positions not read yet, K proposed tokens behind them, D width of the model, V tokens.
    """

    def __init__(self, model: PreTrainedModel, cache: Cache | None, prompt: Tensor, tally: Tally) -> None:
        self._model = model
        self._cache = cache if cache is not None else new_cache(model.config)
        self._unread = prompt  # [N, D]
        self._table: Any = model.get_input_embeddings()
        self.tally = tally

    @property
    def can_forget(self) -> bool:
        """Whether proposals can be taken back."""
        return can_crop(self._cache)

    @property
    def position(self) -> int:
        """How many positions have been read."""
        length: int = self._cache.get_seq_length()
        return length

    def add(self, tokens: Sequence[int]) -> None:
        """Have these tokens read at the next pass."""
        self._unread = torch.cat([self._unread, self._embedded(tokens)])  # [N, D]

    def read(self, proposal: Sequence[int]) -> Tensor:
        """One pass; returns the logits behind what was new and behind each token proposed, [1 + K, V]."""
        new = torch.cat([self._unread, self._embedded(proposal)])[None]  # [1, N + K, D]
        positions = torch.arange(self.position, self.position + new.shape[1], device=new.device)[None]
        output: Any = self._model(
            inputs_embeds=new,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1 + len(proposal),
        )
        self._unread = self._unread[:0]
        self.tally.passes += 1
        self.tally.drafted += len(proposal)
        logits: Tensor = output.logits[0].float()  # [1, 1 + K, V] -> [1 + K, V]
        return logits

    def forget(self, count: int) -> None:
        """Take the last positions back."""
        if count:
            crop(self._cache, self.position - count)

    def _embedded(self, tokens: Sequence[int]) -> Tensor:
        ids = torch.tensor(tokens, dtype=torch.long, device=self._unread.device)
        embeddings: Tensor = self._table(ids)  # [K] -> [K, D]
        return embeddings


class _Reply:
    """One reply on its way: whose turn each token is, the grammar's, the draft's or the model's."""

    def __init__(
        self,
        row: Row,
        reader: _Reader,
        guide: Guide | None,
        draft: ReplyDraft | None,
        cancelled: Callable[[int], bool] | None,
    ) -> None:
        self._row, self._reader, self._guide, self._draft = row, reader, guide, draft
        self._cancelled = cancelled
        self._picker = TokenPicker([row.sampling], torch.device("cpu"))
        self._ended = False

    def pieces(self) -> Iterator[Piece]:
        """Make the reply; the last piece carries the answer."""
        opening = self._forced()
        yield from self._take(opening)
        self._reader.add(opening)
        while not self._ended:
            proposal = self._proposal()
            logits = self._reader.read(proposal)  # [1 + K, V]
            yield from self._verify(logits, proposal)

    def _verify(self, logits: Tensor, proposal: Sequence[int]) -> Iterator[Piece]:
        """Go on as the logits say: along the proposal while it says the same, and one step further."""
        place = 0
        while not self._ended:
            come = [self._pick(logits[place])]
            yield from self._take(come)
            forced = self._forced()
            yield from self._take(forced)
            come += forced
            right = _common(come, proposal[place:])
            place += right
            if right < len(come):
                self._reader.add(come[right:])
                break
        self._reader.forget(len(proposal) - place)
        self._reader.tally.accepted += place
        if self._draft is not None and proposal:
            self._draft.judge(len(proposal), place)

    def _proposal(self) -> list[int]:
        room = self._row.sampling.max_new_tokens - self._row.made - 1
        tokens = NO_TOKENS if self._draft is None else self._draft.propose(room)
        return tokens if self._guide is None else tokens[: self._guide.accepted(tokens)]

    def _pick(self, logits: Tensor) -> int:
        """The next token, from logits [V]."""
        logits = logits.cpu()
        if self._guide is not None:
            logits = logits.masked_fill(~self._guide.allowed(), -torch.inf)
        return int(self._picker.pick(logits[None]))

    def _forced(self) -> list[int]:
        tokens = NO_TOKENS if self._guide is None or self._ended else self._guide.forced()
        self._reader.tally.forced += len(tokens)
        return tokens

    def _take(self, tokens: Sequence[int]) -> Iterator[Piece]:
        """Make tokens part of the reply, until it ends."""
        for token in tokens:
            if self._ended:
                return
            asked = self._cancelled is not None and self._cancelled(self._row.number)
            piece = self._row.finish("cancelled") if asked else self._took(token)
            self._ended = piece.answer is not None
            if piece.text or self._ended:
                yield piece

    def _took(self, token: int) -> Piece:
        self._reader.tally.tokens += 1
        if self._draft is not None:
            self._draft.take(token)
        piece = self._row.take(token)
        if piece.answer is not None or self._guide is None:
            return piece
        self._guide.take(token)
        if not self._guide.done:
            return piece
        last = self._row.finish("stop", self._row.text.flush())
        return Piece(last.row, piece.text + last.text, last.answer)


def _common(tokens: Sequence[int], others: Sequence[int]) -> int:
    """How many tokens two rows begin with alike."""
    pairs = zip(tokens, others, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(tokens), len(others)))
