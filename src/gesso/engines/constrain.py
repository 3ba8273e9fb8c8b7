"""Keeps what a language model writes inside a grammar, by llguidance (guidance-ai/llguidance).

Text that the grammar leaves no choice about is not asked of the model at all. It is appended in the
tokenisation that the tokenizer gives to the text as a whole, which is what the model saw in training; where
the last of those tokens could still grow by what follows, it is left to the model. llguidance was chosen over
xgrammar because it needs no other package (xgrammar asks for Triton, 0.3 GB) and forces tokens, not bytes.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import MissingExtraError, UnsupportedError, UsageError
from gesso.engines.detokenize import backend_of

__all__ = ["Guide", "TokenGrammar"]


class TokenGrammar:
    """A grammar over the tokens of one tokenizer; made once, then used for many replies.

    Args:
        grammar: in llguidance's Lark dialect, such as `gesso.canvas.grammar.reply_grammar` gives.
        tokenizer: the language model's.
        vocabulary: how many logits the model gives; those beyond the tokenizer's ids are never allowed.
        ends: tokens that end an answer.

    Raises:
        MissingExtraError: llguidance is not installed.
        UnsupportedError: the tokenizer's kind is not known to it.
        UsageError: the grammar is malformed, or there is no end token.
    """

    def __init__(
        self, grammar: str, tokenizer: PreTrainedTokenizerBase, *, vocabulary: int, ends: Collection[int]
    ) -> None:
        try:
            import llguidance
        except ImportError as error:
            raise MissingExtraError("llguidance", "plan") from error
        if not ends:
            raise UsageError("no token ends an answer; give the tokenizer an eos_token")
        self._library: Any = llguidance
        self._grammar = grammar
        backend = backend_of(tokenizer)
        try:
            self._tokenizer = self._library.LLTokenizer(
                backend.to_str(), n_vocab=max(vocabulary, backend.get_vocab_size()), eos_token=sorted(ends)
            )
        except ValueError as error:
            raise UnsupportedError(f"llguidance cannot read {type(tokenizer).__name__}: {error}; "
                                   "plan without a grammar instead") from error  # fmt: skip
        self._vocabulary = vocabulary
        self.guide()  # finds mistakes in the grammar now

    def guide(self) -> "Guide":
        """A guide for one reply, at its beginning."""
        matcher = self._library.LLMatcher(self._tokenizer, self._grammar, log_level=0)
        if matcher.is_error():
            raise UsageError(f"the grammar cannot be used: {matcher.get_error()}")
        return Guide(matcher, self._vocabulary)


class Guide:
    """Where a reply stands in a grammar; goes on with each token it is told of.

    Args:
        matcher: an `llguidance.LLMatcher` at its beginning.
        vocabulary: V, how many logits the model gives.
    """

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    @property
    def done(self) -> bool:
        """Whether the reply is whole, and nothing can follow."""
        return bool(self._matcher.is_stopped())

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as that is certain; often none."""
        return [] if self.done else list(self._matcher.compute_ff_tokens())

    def accepted(self, tokens: Sequence[int]) -> int:
        """How many of these tokens, from the first on, the grammar would take one after the other."""
        return 0 if self.done else int(self._matcher.validate_tokens(list(tokens)))

    def allowed(self) -> Tensor:
        """Whether each token may come next, [V]."""
        marks = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        return marks[: self._vocabulary] > 0

    def take(self, token: int) -> None:
        """Go on with a token.

        Raises:
            UsageError: the grammar does not allow it here.
        """
        if not self._matcher.consume_token(token):
            raise UsageError(f"token {token} is not allowed here: {self._matcher.get_error()}")
