"""Lays a conversation out under a template, as pieces from which prompts and labels both come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from gesso.core.errors import UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Message, Text
from gesso.models.templates import Template

__all__ = ["Piece", "render"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of prompt text, or the place of one picture or sound.

    Attributes:
        kind: "markup" is the template's own text, in which control tokens such as `</s>` count as such;
            "words" come from a message and are taken letter by letter; "picture" and "sound" have no text.
        text: the text.
        supervised: whether training learns to predict it.
    """

    kind: Literal["markup", "words", "picture", "sound"]
    text: str = ""
    supervised: bool = False


def render(
    template: Template,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool,
    end_token: str = "</s>",
    mark_pictures: bool = False,
    number_pictures: bool = False,
) -> tuple[Piece, ...]:
    """Lay out a conversation.

    A user's pictures come first, each on its own line, then the text, wherever the pictures stood in the
    message: this is the order LLaVA was trained with. Sounds, where a template has a place for them, stand
    between the two.

    Args:
        template: the format.
        messages: an optional system message, then user and assistant in turn.
        add_generation_prompt: whether the text ends where the assistant is to speak.
        end_token: stands where the template asks for the tokenizer's end token.
        mark_pictures: whether pictures stand between `<im_start>` and `<im_end>`.
        number_pictures: whether, where there are several, "Image 1:" and so on stand before them, as
            Mini-Gemini's chat program has it.

    Raises:
        UsageError: the roles are out of order.
        UnsupportedError: a part or a system text that the template has no place for.
    """
    system, turns = _split_system(template, messages)
    _check_turns(template, turns, add_generation_prompt)
    # an opening may be empty: a LLaMA-2 prompt ends with the user's turn
    several = sum(len(message.images) for message in turns) > 1
    numbers = count(1) if number_pictures and several else None
    pieces = _Layout(template, end_token, mark_pictures, numbers, count(1)).turns(system, turns)
    prompt = [Piece("markup", template.opening)] if add_generation_prompt else []
    return tuple(piece for piece in (*pieces, *prompt) if piece.text or piece.kind in ("picture", "sound"))


def _split_system(template: Template, messages: Sequence[Message]) -> tuple[Piece, Sequence[Message]]:
    if not messages or messages[0].role != "system":
        # a default system text may hold control tokens; a user's is taken letter by letter
        return Piece("markup", template.system or ""), messages
    if template.system is None:
        raise UnsupportedError(f"template {template.name} has no place for a system message; leave it out")
    _refuse_parts(messages[0], (Text,))
    return Piece("words", messages[0].text), messages[1:]


def _check_turns(template: Template, turns: Sequence[Message], add_generation_prompt: bool) -> None:
    roles = [message.role for message in turns]
    # LLaVA's templates know no two turns of one speaker in a row, and were trained without them
    if not roles or any(role != ("user", "assistant")[i % 2] for i, role in enumerate(roles)):
        raise UsageError(f"roles in this order: {', '.join(roles) or 'none'}; "
                         "allowed: an optional system message, then user and assistant in turn")  # fmt: skip
    if add_generation_prompt and roles[-1] != "user":
        raise UsageError("the last message is the assistant's, so there is nothing to answer; "
                         "end with a user message or set add_generation_prompt=False")  # fmt: skip
    for message in turns:
        heard = (Text, Image) if template.around_sound is None else (Text, Image, Audio)
        _refuse_parts(message, heard if message.role == "user" else (Text,))
    # alone, a user's turn is a prompt and may hold what it likes; with its caption it is training data
    if template.captions and len(turns) > 1 and (len(turns) > 2 or len(turns[0].images) != 1):
        raise UsageError(f"template {template.name} takes one picture and its caption; got {len(turns)} "
                         f"messages with {len(turns[0].images)} pictures in the first")  # fmt: skip


def _refuse_parts(message: Message, allowed: tuple[type[Text] | type[Image] | type[Audio], ...]) -> None:
    for part in message.parts:
        if not isinstance(part, allowed):
            names = ", ".join(kind.__name__ for kind in allowed[:-1])
            names = f"{names} and {allowed[-1].__name__}".removeprefix(" and ")
            raise UnsupportedError(f"a part of type {type(part).__name__} in a message of the "
                                   f"{message.role}; this model takes {names} there")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Layout:
    template: Template
    end_token: str
    mark_pictures: bool
    numbers: Iterator[int] | None
    sounds: Iterator[int]

    def turns(self, system: Piece, turns: Sequence[Message]) -> Iterator[Piece]:
        template = self.template
        head = list(self._system(system))
        if not template.system_in_turn:
            yield from head
            head = []
        # not learned: it is the same before every conversation
        for question, answer in template.example:
            yield from self._user([Piece("words", question)])
            yield from self._answer(answer, supervised=False)
        for index, message in enumerate(turns):
            if message.role == "assistant":
                yield from self._answer(message.text, supervised=True)
                continue
            if index:
                yield Piece("markup", template.between)
            answered = index + 1 < len(turns)
            # where the system text stands inside a turn, it is the first one
            yield from self._user(self._content(message, answered), [] if index else head)

    def _system(self, system: Piece) -> Iterator[Piece]:
        if system.text:
            before, after = self.template.around_system
            yield from (Piece("markup", before), system, Piece("markup", after))

    def _user(self, content: Sequence[Piece], head: Sequence[Piece] = ()) -> Iterator[Piece]:
        before, after = self.template.around_user
        yield Piece("markup", before)
        yield from head
        yield from content
        # LLaVA's plain template learns "<image>caption\n", without a line break between the two
        if not self.template.captions or any(piece.kind == "words" for piece in content):
            yield Piece("markup", after)

    def _content(self, message: Message, answered: bool) -> list[Piece]:
        lines = [self._picture() for _ in message.images] + [self._sound() for _ in message.sounds]
        # a caption answers no question: LLaVA's `preprocess_plain` drops the data set's, and so do we
        if message.text and not (self.template.captions and answered):
            lines.append((Piece("words", message.text),))
        elif lines and self.template.break_after_media:
            lines.append(())
        pieces: list[Piece] = []
        for line in lines:
            pieces.extend((Piece("markup", "\n"), *line) if pieces else line)
        return pieces

    def _picture(self) -> tuple[Piece, ...]:
        before, after = self.template.around_picture
        if self.mark_pictures:
            before, after = f"{before}<im_start>", f"<im_end>{after}"
        if self.numbers is not None:
            before = f"{before}Image {next(self.numbers)}:"
        return Piece("markup", before), Piece("picture"), Piece("markup", after)

    def _sound(self) -> tuple[Piece, ...]:
        before, after = self.template.around_sound or ("", "")
        # counted over the whole conversation
        before = before.format(number=next(self.sounds))
        return Piece("markup", before), Piece("sound"), Piece("markup", after)

    def _answer(self, text: str, *, supervised: bool) -> Iterator[Piece]:
        before, after = self.template.around_answer
        yield Piece("markup", self.template.opening)
        # the blank before an answer is learned with it, since most tokenizers join it to the first word
        yield Piece("markup", before, supervised)
        yield Piece("words", text, supervised)
        yield Piece("markup", self.end_token if after is None else after, supervised)
