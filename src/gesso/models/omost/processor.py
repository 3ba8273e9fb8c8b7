"""Lays a conversation out under the chat template that a checkpoint's tokenizer carries.

Templates are rendered with marks in place of what is said, so that words and template text stay apart: a user
who writes `<|eot_id|>` sends those letters, and the assistant's words are known to training.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.core.messages import Message, Text
from gesso.models.base import Encoded
from gesso.models.rendering import Piece
from gesso.models.tokens import PromptTokenizer

__all__ = ["TemplateProcessor"]

MARK: Final = "\ue000{}\ue001"
MARKS: Final = re.compile("\ue000(\\d+)\ue001")
PHI_SYSTEM: Final = ("<|system|>\n", "<|end|>\n")
"""What stands around the system text in the templates of Phi-3 that have it."""


class TemplateProcessor:
    """A processor for language models of any family that have a chat template.

    Some templates have no place for a system text. Early ones of Phi-3 drop it without a word, though the
    tokenizer has its tags: there it is put where later templates have it. Where the tokenizer has no tags, or
    the template refuses a system text, it goes before the first thing the user says.

    Args:
        tokenizer: the checkpoint's tokenizer.

    Raises:
        CheckpointError: the tokenizer has no chat template, or one that leaves out what is said.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise CheckpointError("the tokenizer has no chat template; add the checkpoint's "
                                  "chat_template.jinja, or its tokenizer_config.json with one")  # fmt: skip
        self.tokenizer = tokenizer
        self._tokens = PromptTokenizer(tokenizer)
        self._start = len(self._tokens.prompt(""))  # tokens put before every text; a template brings its own
        special = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
        self._control = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or "(?!)")
        self._trims = f" {MARK.format(0)} " not in self._marked([("user", f" {MARK.format(0)} ")])
        self._system = self._place_of_system()

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> str:
        """The prompt as text; arguments and errors as in `encode`."""
        return "".join(piece.text for piece in self._pieces(messages, add_generation_prompt))

    def encode(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Encoded:
        """Encode a conversation; with a generation prompt it ends where the assistant is to speak.

        Raises:
            UsageError: there is no message, or the template refuses the order of the roles.
            UnsupportedError: a part that is no text.
        """
        ids, supervised = self._tokens.pieces(self._pieces(messages, add_generation_prompt))
        return Encoded(ids[self._start :], supervised[self._start :])

    def _pieces(self, messages: Sequence[Message], add_generation_prompt: bool) -> list[Piece]:
        _require_text(messages)
        roles, words = [message.role for message in messages], [message.text for message in messages]
        system: str | None = None
        if roles[0] == "system" and self._system != "kept":
            roles, system, words = roles[1:], words[0], words[1:]
            if self._system == "folded" and words:
                words[0], system = f"{system}\n\n{words[0]}", None
        if self._trims:
            words = [text.strip() for text in words]
        marked = [(role, MARK.format(number)) for number, role in enumerate(roles)]
        rendered = self._marked(marked, add_generation_prompt)
        pieces = [piece for piece in self._parts(rendered, roles, words) if piece.text]
        return pieces if system is None else self._with_tags(pieces, system)

    def _parts(self, rendered: str, roles: Sequence[str], words: Sequence[str]) -> Iterator[Piece]:
        """Markup and words in turn; behind the assistant's words, its end token is supervised too."""
        found = list(MARKS.finditer(rendered))
        if [int(mark[1]) for mark in found] != list(range(len(words))):
            raise CheckpointError(f"the chat template lays out {len(found)} of {len(words)} messages; "
                                  "use one that keeps them all, in their order")  # fmt: skip
        yield Piece("markup", rendered[: found[0].start()] if found else rendered)
        ends = [*(mark.start() for mark in found), len(rendered)]
        for mark, (_, end), role, text in zip(found, pairwise(ends), roles, words, strict=True):
            learned = role == "assistant"
            yield Piece("words", text, learned)
            markup = rendered[mark.end() : end]
            control = self._control.search(markup) if learned else None
            cut = control.end() if control is not None else 0
            yield Piece("markup", markup[:cut], True)
            yield Piece("markup", markup[cut:])

    def _with_tags(self, pieces: Sequence[Piece], system: str) -> list[Piece]:
        """The pieces with Phi-3's system turn before them, but behind the token that begins the text."""
        before, after = PHI_SYSTEM
        begin = str(self.tokenizer.bos_token or "")
        first, *rest = pieces
        cut = len(begin) if first.text.startswith(begin) else 0
        turn = [Piece("markup", before), Piece("words", system), Piece("markup", after)]
        return [Piece("markup", first.text[:cut]), *turn, Piece("markup", first.text[cut:]), *rest]

    def _place_of_system(self) -> Literal["kept", "tagged", "folded"]:
        try:
            rendered = self._marked([("system", MARK.format(0)), ("user", MARK.format(1))])
        except UsageError:
            return "folded"
        if MARKS.findall(rendered) == ["0", "1"]:
            return "kept"
        tags = [text.strip() for text in PHI_SYSTEM]
        return "tagged" if all(tag in self.tokenizer.get_vocab() for tag in tags) else "folded"

    def _marked(self, marked: Sequence[tuple[str, str]], add_generation_prompt: bool = True) -> str:
        said = [{"role": role, "content": mark} for role, mark in marked]
        try:
            rendered = self.tokenizer.apply_chat_template(
                said, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except TemplateError as error:
            roles = ", ".join(role for role, _ in marked)
            raise UsageError(f"the chat template refuses the roles {roles}: {error}; give an optional "
                             "system message, then user and assistant in turn") from error  # fmt: skip
        return str(rendered)


def _require_text(messages: Sequence[Message]) -> None:
    if not messages:
        raise UsageError("no messages; give at least what the user says")
    for part in (part for message in messages for part in message.parts):
        if not isinstance(part, Text):
            raise UnsupportedError(f"a part of type {type(part).__name__}; this model reads text alone")
