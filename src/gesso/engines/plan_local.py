"""Replies of a language model in memory, kept inside the canvas grammar and drafted from the reply before."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gesso.core.errors import UnsupportedError
from gesso.core.messages import Message
from gesso.core.results import FinishReason
from gesso.core.sampling import Sampling
from gesso.engines.chat import AnswerStream, Chat
from gesso.engines.constrain import TokenGrammar
from gesso.engines.draft import ReplyDraft
from gesso.engines.generate import end_tokens
from gesso.engines.plan_decode import Tally, guided
from gesso.engines.plan_writers import PlanStats
from gesso.models.base import Encoded

__all__ = ["LocalWriter", "LocalWriting"]


class LocalWriter:
    """A chat engine that writes canvas programs.

    Args:
        chat: any causal language model with its processor.
        grammar: what a reply must be, as text, see `gesso.canvas.grammar`; None leaves the model free.
        draft: whether the last reply of the conversation serves as a draft of the next.
        context: tokens worth using, if fewer than the model takes.

    Raises:
        MissingExtraError: a grammar is given, and llguidance is not installed.
        UnsupportedError: the tokenizer does not do with a grammar.
    """

    def __init__(
        self, chat: Chat, *, grammar: str | None = None, draft: bool = True, context: int | None = None
    ) -> None:
        self.chat = chat
        self._draft = draft
        self._context = min(context or chat.context, chat.context)
        self._grammar = None if grammar is None else _token_grammar(chat, grammar)

    @property
    def context(self) -> int:
        """How many tokens prompt and reply may take together."""
        return self._context

    def count(self, messages: Sequence[Message]) -> int:
        """How many tokens the prompt for these messages takes."""
        return len(self.chat.processor.encode(messages).ids)

    def write(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> "LocalWriting":
        """Reply to a conversation; arguments as in `Writer.write`.

        Raises:
            UsageError: the conversation does not fit the model's context.
            UnsupportedError: beams are asked for.
        """
        if sampling.num_beams > 1:
            raise UnsupportedError(f"num_beams is {sampling.num_beams}; a planner has no beams, set it to 1")
        encoded = self.chat.processor.encode(messages)
        tally = Tally()
        decoding = partial(
            guided,
            guide=None if self._grammar is None else self._grammar.guide(),
            draft=ReplyDraft(_last_reply(encoded)) if self._draft else None,
            tally=tally,
        )
        answer = self.chat.stream(messages, sampling, cancelled=cancelled, decoding=decoding)
        return LocalWriting(answer, tally, len(encoded.ids))


class LocalWriting(Iterator[str]):
    """A reply as it is being written; see `Writing`.

    Args:
        answer: the answer it comes from.
        tally: what decoding it takes, counted up by the decoding.
        prompt_tokens: tokens of the prompt.
    """

    def __init__(self, answer: AnswerStream, tally: Tally, prompt_tokens: int) -> None:
        self._answer = answer
        self._tally = tally
        self._prompt_tokens = prompt_tokens
        self._ended = False

    def __next__(self) -> str:
        """The next piece of text."""
        piece = next(self._answer, None)
        if piece is None:
            self._ended = True
            raise StopIteration
        return piece

    @property
    def finish_reason(self) -> FinishReason:
        """Why it ended; "cancelled" as long as it has not."""
        return self._answer.answer.finish_reason if self._ended else "cancelled"

    @property
    def stats(self) -> PlanStats:
        """What it took so far."""
        tally = self._tally
        return PlanStats(
            prompt_tokens=self._prompt_tokens,
            tokens=tally.tokens,
            passes=tally.passes,
            forced=tally.forced,
            drafted=tally.drafted,
            accepted=tally.accepted,
        )

    def close(self) -> None:
        """End it here."""
        self._answer.close()


def _token_grammar(chat: Chat, grammar: str) -> TokenGrammar:
    language_model, tokenizer = chat.model.language_model, chat.processor.tokenizer
    vocabulary: int = language_model.config.get_text_config().vocab_size
    ends = end_tokens(language_model, tokenizer)
    return TokenGrammar(grammar, tokenizer, vocabulary=vocabulary, ends=ends)


def _last_reply(encoded: Encoded) -> tuple[int, ...]:
    """The tokens of the assistant's last turn: those that training would have learned last."""
    learned = encoded.supervised
    end = next((place for place in range(len(learned), 0, -1) if learned[place - 1]), 0)
    begin = next((place for place in range(end, 0, -1) if not learned[place - 1]), 0)
    return encoded.ids[begin:end]
