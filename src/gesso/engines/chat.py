"""Chat with one model: messages in, answers out, streamed, batched, and with memory of the last conversation.

The key/value cache of the last prompt is kept. When the next prompt begins alike, as it does at every further
turn of a conversation, only what is new is embedded and read: a picture of the first turn is read once.
"""

from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, takewhile
from typing import Final

import torch
from torch import Tensor
from transformers import Cache

from gesso.core.errors import UsageError
from gesso.core.messages import Message
from gesso.core.results import Answer
from gesso.core.sampling import Sampling
from gesso.engines.features import media_digest
from gesso.engines.generate import MAX_BATCH, Decoding, Piece, generate, stream
from gesso.engines.kv import can_crop, crop, new_cache
from gesso.models.base import AUDIO_INDEX, IMAGE_INDEX, MEDIA, ChatModel, Encoded, Processor

__all__ = ["AnswerStream", "Chat"]

DEFAULT: Final = Sampling()


class AnswerStream(Iterator[str]):
    """An answer as it is being made: iterate for pieces of text, then read `answer`.

    Args:
        pieces: what decoding reports about a single row.
    """

    def __init__(self, pieces: Generator[Piece, None, None]) -> None:
        self._pieces = pieces
        self._answer: Answer | None = None

    def __next__(self) -> str:
        """The next piece of text."""
        for piece in self._pieces:
            self._answer = piece.answer
            if piece.text:
                return piece.text
        raise StopIteration

    def close(self) -> None:
        """End the answer here."""
        self._pieces.close()

    @property
    def answer(self) -> Answer:
        """The whole answer; reads what has not been read yet."""
        for _ in self:
            pass
        if self._answer is None:
            raise UsageError("the stream was closed before its answer was complete; start a new one")
        return self._answer


@dataclass(frozen=True, slots=True)
class _Read:
    """A prompt whose keys and values are held.

    Attributes:
        units: what was read, one entry per id: a token, or the digest of a picture or sound.
        widths: how many positions each unit takes.
        cache: keys and values of those positions.
    """

    units: tuple[Hashable, ...]
    widths: tuple[int, ...]
    cache: Cache

    def cut(self, length: int) -> "_Read":
        """The first `length` units only; what lies behind them is forgotten."""
        crop(self.cache, sum(self.widths[:length]))
        return _Read(self.units[:length], self.widths[:length], self.cache)


class Chat:
    """A chat model with its processor, ready to answer.

    Args:
        model: the model.
        processor: turns messages into its inputs.
        stop: texts that end every answer, as some templates need.
        max_batch: at most this many conversations are answered together.
    """

    def __init__(
        self,
        model: ChatModel,
        processor: Processor,
        *,
        stop: tuple[str, ...] = (),
        max_batch: int = MAX_BATCH,
    ) -> None:
        self.model = model
        self.processor = processor
        self._stop = stop
        self._max_batch = max_batch
        self._last: _Read | None = None

    @property
    def context(self) -> int:
        """How many positions prompt and answer may take together."""
        positions: int = self.model.language_model.config.get_text_config().max_position_embeddings
        return positions

    def chat(self, messages: Sequence[Message], sampling: Sampling = DEFAULT) -> Answer:
        """Answer one conversation."""
        return self.stream(messages, sampling).answer

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling = DEFAULT,
        *,
        cancelled: Callable[[], bool] | None = None,
        decoding: Decoding = stream,
    ) -> AnswerStream:
        """Answer one conversation piece by piece.

        Args:
            messages: the conversation; the last message is the user's.
            sampling: how to choose tokens and when to stop.
            cancelled: asked before each token, such as `threading.Event().is_set`; True ends the answer.
            decoding: how tokens are made of the prompt; beams have their own way.

        Raises:
            UsageError: the conversation does not fit the model's context, or its roles are out of order.
            UnsupportedError: a part that the model cannot take.
        """
        # all that can be refused is refused here, before the first piece is asked for
        encoded = self.processor.encode(messages)
        if sampling.num_beams > 1:  # beams keep caches of their own
            prompt = self._embed(encoded)
            fitted = self._fitted(sampling, len(prompt))
            return AnswerStream(stream(self.model, self.processor.tokenizer, [prompt], [fitted]))
        read, prompt = self._read(encoded)
        fitted = self._fitted(sampling, sum(read.widths))
        # there is one row only, so its number says nothing
        asked = None if cancelled is None else lambda _: cancelled()
        making = partial(decoding, cancelled=asked, cache=read.cache)
        return AnswerStream(self._answer(read, prompt, fitted, making))

    def batch(self, conversations: Sequence[Sequence[Message]], sampling: Sampling = DEFAULT) -> list[Answer]:
        """Answer many conversations, several at a time; errors as in `stream`."""
        answers: list[Answer] = []
        for start in range(0, len(conversations), self._max_batch):
            # one chunk's pictures at a time are in memory
            chunk = conversations[start : start + self._max_batch]
            prompts = [self._embed(self.processor.encode(messages)) for messages in chunk]
            samplings = [self._fitted(sampling, len(prompt)) for prompt in prompts]
            answers += generate(self.model, self.processor.tokenizer, prompts, samplings)
        return answers

    @torch.inference_mode()
    def _embed(self, encoded: Encoded) -> Tensor:
        return self.model.embed(encoded)  # [L, D]

    def _read(self, encoded: Encoded) -> tuple[_Read, Tensor]:
        """What the cache stands for once the prompt is read, and the embeddings [L, D] still to be read.

        The held prompt is taken out of `_last` while it is in use, so a second conversation that starts
        meanwhile begins with an empty cache instead of sharing this one.
        """
        units = _units(encoded)
        held, self._last = self._last, None
        if held is None:
            held = _Read((), (), new_cache(self.model.language_model.config))
        # the last unit is always read anew: the logits behind it are needed
        pairs = zip(held.units, units[:-1], strict=False)
        held = held.cut(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)))
        # one part behind each picture and sound: how many positions one takes is known once it is embedded
        embeddings, widths = [], list(held.widths)
        for part in _parts(encoded, len(held.units)):
            embeddings.append(self._embed(part))  # [P, D]
            widths += _widths(part, len(embeddings[-1]))
        return _Read(units, tuple(widths), held.cache), torch.cat(embeddings)  # [L, D]

    def _answer(
        self, read: _Read, prompt: Tensor, sampling: Sampling, decoding: Decoding
    ) -> Generator[Piece, None, None]:
        """Read and answer; afterwards the prompt is held for the next turn."""
        try:
            yield from decoding(self.model, self.processor.tokenizer, [prompt], [sampling])
        except GeneratorExit:  # closed between two tokens: the prompt is whole
            self._hold(read)
            raise
        # any other end, Ctrl-C above all, may come in the middle of a forward pass and leave the first layers
        # with more positions than the last ones; such a cache is not held
        self._hold(read)

    def _hold(self, read: _Read) -> None:
        """Keep a prompt for the next turn, if all of it was read and what came behind it can be forgotten."""
        if can_crop(read.cache) and read.cache.get_seq_length() >= sum(read.widths):
            self._last = read.cut(len(read.units))

    def _fitted(self, sampling: Sampling, prompt: int) -> Sampling:
        """The settings, with the token limit lowered to what the context has room for."""
        room = self.context - prompt
        if room < 1:
            raise UsageError(f"the conversation takes {prompt} positions, but the model holds {self.context} "
                             "with its answer; shorten it, use fewer pictures or start anew")  # fmt: skip
        return replace(
            sampling, max_new_tokens=min(sampling.max_new_tokens, room), stop=sampling.stop + self._stop
        )


def _units(encoded: Encoded) -> tuple[Hashable, ...]:
    """One entry per id: tokens as they are, pictures by what they show, sounds by what is heard."""
    images, sounds = map(media_digest, encoded.images), map(media_digest, encoded.sounds)
    media = {IMAGE_INDEX: images, AUDIO_INDEX: sounds}
    return tuple(next(media[token]) if token in media else token for token in encoded.ids)


def _parts(encoded: Encoded, start: int) -> Iterator[Encoded]:
    """What follows the first `start` ids, cut behind each picture and sound, whose widths show so."""
    ids = encoded.ids
    images = iter(encoded.images[ids[:start].count(IMAGE_INDEX) :])
    sounds = iter(encoded.sounds[ids[:start].count(AUDIO_INDEX) :])
    ends = [index + 1 for index in range(start, len(ids)) if ids[index] in MEDIA]
    # a dict, not a set: the ends are in order, and a picture at the very end would be there twice
    for begin, end in pairwise(dict.fromkeys((start, *ends, len(ids)))):
        shown = (next(images),) if ids[end - 1] == IMAGE_INDEX else ()
        heard = (next(sounds),) if ids[end - 1] == AUDIO_INDEX else ()
        yield Encoded(ids[begin:end], encoded.supervised[begin:end], shown, heard)


def _widths(part: Encoded, positions: int) -> list[int]:
    """Positions of each id of a part that takes `positions` in all; a picture or sound is its last id."""
    widths = [1] * len(part.ids)
    widths[-1] = positions - len(part.ids) + 1
    return widths
