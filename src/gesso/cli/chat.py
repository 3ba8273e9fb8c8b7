"""`gesso chat` and `gesso ask`: talk with a model about pictures."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gesso.cli.conversation import Conversation
from gesso.cli.loading import load_model
from gesso.cli.options import with_settings
from gesso.cli.output import fail, note, say
from gesso.core.errors import GessoError, UsageError
from gesso.core.messages import Image, system, user
from gesso.core.sampling import Sampling
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.api import Model

__all__ = ["ask_command", "chat_command"]

DEFAULT_MODEL: Final = "mini-llava"

COMMANDS: Final = {
    "/image PATH": "show a picture with the next question",
    "/regenerate": "answer the last question anew",
    "/edit N TEXT": "replace your question number N and go on from there",
    "/reset": "forget the conversation",
    "/save FILE": "write it as JSON (OpenAI chat messages)",
    "/help": "show this list",
    "/quit": "leave",
}


@with_settings(sampling=Sampling, options=LoadOptions)
def chat_command(
    model: Annotated[str, typer.Argument(help="A name, folder or repository.")] = DEFAULT_MODEL,
    image: Annotated[list[str] | None, typer.Option(help="Picture to begin with.")] = None,
    instruction: Annotated[str | None, typer.Option("--system", help="System message.")] = None,
    *,
    sampling: Sampling,
    options: LoadOptions,
) -> None:
    """Chat with a model; /help lists what can be said besides questions. Reads lines from a pipe, too."""
    # pictures that are not there are told before a model is loaded, which may take a minute
    conversation = Conversation((system(instruction),) if instruction else ())
    for path in image or ():
        conversation.show(path)
    session = _Session(load_model(model, options), sampling, conversation)
    # a pipe gets answers and nothing else
    if sys.stdin.isatty():
        note(f"{model} is listening; /help lists the commands, /quit leaves")
    for line in _lines():
        if not session.take(line):
            return


@with_settings(sampling=Sampling, options=LoadOptions)
def ask_command(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help='Pictures, then the question; "-" is standard input.'),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A name, folder or repository.")
    ] = DEFAULT_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    sampling: Sampling,
    options: LoadOptions,
) -> None:
    """Ask one question about one or more pictures."""
    *images, question = inputs
    if inputs.count("-") > 1:
        raise UsageError(f'{inputs.count("-")} inputs are "-"; standard input can be only one of them')
    # bytes from the buffer below the text: a picture is no UTF-8
    pictures = [Image(sys.stdin.buffer.read() if image == "-" else image) for image in images]
    question = sys.stdin.read().strip() if question == "-" else question
    message = user(*pictures, question)
    loaded = load_model(model, options)
    if as_json:
        answer = loaded.chat(message, **_chosen(sampling))
        say(json.dumps(_record(model, images, question, answer), ensure_ascii=False))
        return
    # as it comes: on a CPU a long answer takes half a minute
    for piece in loaded.chat(message, stream=True, **_chosen(sampling)):
        say(piece, end="")
    say("")


class _Session:
    """One interactive chat.

    Args:
        model: who answers.
        sampling: how.
        conversation: what was said before.
    """

    def __init__(self, model: "Model", sampling: Sampling, conversation: Conversation) -> None:
        self._model = model
        self._sampling = sampling
        self._conversation = conversation

    def take(self, line: str) -> bool:
        """Do what a line says; False ends the chat. On a terminal an error ends only the line."""
        try:
            return self._take(line.strip())
        except GessoError as error:
            if not sys.stdin.isatty():
                raise
            fail(error)
            return True

    def _take(self, line: str) -> bool:
        # the rest may hold blanks, as paths and questions do
        command, _, rest = line.partition(" ")
        if not line.startswith("/"):
            if line:
                self._conversation.ask(line)
                self._reply()
            return True
        if command == "/quit":
            return False
        actions = {
            "/image": self._image, "/regenerate": self._regenerate, "/edit": self._edit,
            "/reset": self._reset, "/save": self._save, "/help": self._help,
        }  # fmt: skip
        if command not in actions:
            raise UsageError(f"unknown command {command}; known: {', '.join(sorted([*actions, '/quit']))}")
        actions[command](rest.strip())
        return True

    def _reply(self) -> None:
        """Answer the open question; on a terminal Ctrl-C ends the answer only, what was said of it stays."""
        said: list[str] = []
        try:
            for piece in self._model.chat(
                self._conversation.messages, stream=True, **_chosen(self._sampling)
            ):
                said.append(piece)
                say(piece, end="")
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            note(" (stopped)")
        except GessoError:
            self._conversation.take_back()
            raise
        say("")
        self._conversation.answer("".join(said))

    def _image(self, path: str) -> None:
        _require(path, "/image PATH")
        self._conversation.show(path)
        note(f"{path} comes with the next question")

    def _regenerate(self, _: str) -> None:
        self._conversation.regenerate()
        self._reply()

    def _edit(self, rest: str) -> None:
        number, _, question = rest.partition(" ")
        # "²" is a digit to str.isdigit, and no number to int
        _require(question if number.isdecimal() else "", "/edit N TEXT")
        self._conversation.edit(int(number), question.strip())
        self._reply()

    def _reset(self, _: str) -> None:
        self._conversation.reset()
        note("the conversation is forgotten")

    def _save(self, path: str) -> None:
        _require(path, "/save FILE")
        self._conversation.save(path)
        note(f"saved to {path}")

    def _help(self, _: str) -> None:
        for command, meaning in COMMANDS.items():
            note(f"{command:14} {meaning}")


def _lines() -> Iterator[str]:
    """What the user types, or what a pipe brings; ends at the end of the input."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input("> ")
        except EOFError:
            say("")
            return


def _require(text: str, usage: str) -> None:
    if not text:
        raise UsageError(f"say {usage}")


def _chosen(sampling: Sampling) -> dict[str, Any]:
    return {name: getattr(sampling, name) for name in sampling.__slots__}


def _record(model: str, images: list[str], question: str, answer: Any) -> dict[str, Any]:
    """The answer as one JSON object."""
    usage = answer.usage
    return {
        "model": model,
        "images": images,
        "question": question,
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        },
    }
