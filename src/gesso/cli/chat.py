"""`gesso chat` and `gesso ask`: talk with a model about pictures, or plan them with a planner."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gesso.cli.conversation import Conversation
from gesso.cli.loading import load_model
from gesso.cli.microphone import record
from gesso.cli.options import with_settings
from gesso.cli.output import note, say
from gesso.cli.sampling import GivenSampling
from gesso.cli.session import Command, Session, number_and_text, required
from gesso.cli.talk_aids import AidOptions, TalkAids
from gesso.core.errors import GessoError, UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, system, user
from gesso.engines.options import LoadOptions

if TYPE_CHECKING:
    from gesso.api import Model

__all__ = ["ask_command", "chat_command"]

DEFAULT_MODEL: Final = "mini-llava"


@with_settings(aiding=AidOptions, sampling=GivenSampling, options=LoadOptions)
def chat_command(
    model: Annotated[str, typer.Argument(help="A name, folder or repository.")] = DEFAULT_MODEL,
    image: Annotated[list[str] | None, typer.Option(help="Picture to begin with.")] = None,
    audio: Annotated[list[str] | None, typer.Option(help="Sound to begin with.")] = None,
    instruction: Annotated[str | None, typer.Option("--system", help="System message.")] = None,
    *,
    aiding: AidOptions,
    sampling: GivenSampling,
    options: LoadOptions,
) -> None:
    """Chat with a model; /help lists what can be said besides questions. Reads lines from a pipe, too.

    A planner, such as mini-omost, answers wishes with canvases, whose layout is drawn.
    """
    # what is not there is told before a model is loaded, which may take a minute
    aiding.check()
    conversation = Conversation((system(instruction),) if instruction else ())
    for path in image or ():
        conversation.show(path)
    for path in audio or ():
        conversation.play(path)
    loaded = load_model(model, options)
    session = _session(loaded, sampling, conversation, aiding.aids(loaded))
    # a pipe gets answers and nothing else
    if sys.stdin.isatty():
        note(f"{model} is listening; /help lists the commands, /quit leaves")
    session.run()


@with_settings(sampling=GivenSampling, options=LoadOptions)
def ask_command(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help='Pictures, then the question; "-" is standard input.'),
    ] = None,
    audio: Annotated[
        list[str] | None,
        typer.Option(help="A sound, such as the question by voice; then words may be left out."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A name, folder or repository.")
    ] = DEFAULT_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    sampling: GivenSampling,
    options: LoadOptions,
) -> None:
    """Ask one question about one or more pictures and sounds."""
    images, question = _images_and_question(inputs or [], bool(audio))
    dashes = [*images, question, *(audio or ())].count("-")
    if dashes > 1:
        raise UsageError(f'{dashes} inputs are "-"; standard input can be only one of them')
    # bytes from the buffer below the text: pictures and sounds are no UTF-8
    pictures = [Image(sys.stdin.buffer.read() if image == "-" else image) for image in images]
    sounds = [Audio(sys.stdin.buffer.read() if sound == "-" else sound) for sound in audio or ()]
    question = sys.stdin.read().strip() if question == "-" else question
    message = user(*pictures, *sounds, *([question] if question else []))
    loaded = load_model(model, options)
    if as_json:
        answer = loaded.chat(message, **sampling.given)
        asked = {"model": model, "images": images, "sounds": audio or [], "question": question}
        say(json.dumps({**asked, **_record(answer)}, ensure_ascii=False))
        return
    # as it comes: on a CPU a long answer takes half a minute
    for piece in loaded.chat(message, stream=True, **sampling.given):
        say(piece, end="")
    say("")


class _Talk:
    """A conversation with a chat model.

    Args:
        model: who answers.
        sampling: how; what is not given is as the model's default.
        conversation: what was said before.
        aids: what is done around questions and answers.
    """

    def __init__(
        self, model: "Model", sampling: GivenSampling, conversation: Conversation, aids: TalkAids
    ) -> None:
        self._model = model
        self._aids = aids
        self._sampling = sampling
        self._conversation = conversation

    def session(self) -> Session:
        """The conversation, ready to take lines."""
        return Session(
            self._ask,
            {
                "/image": Command("PATH", "show a picture with the next question", self._image),
                "/audio": Command("PATH", "play a sound with the next question", self._audio),
                "/voice": Command("PATH", "ask by voice: a sound and no words", self._voice),
                "/record": Command("SECONDS", "ask by voice, from the microphone", self._record),
                "/regenerate": Command("", "answer the last question anew", self._regenerate),
                "/edit": Command("N TEXT", "replace your question number N and go on from there", self._edit),
                "/reset": Command("", "forget the conversation", self._reset),
                "/save": Command("FILE", "write it as JSON (OpenAI chat messages)", self._save),
            },
        )

    def _ask(self, question: str) -> None:
        self._conversation.ask(self._aids.asked(question, self._conversation.images))
        self._reply()

    def _reply(self) -> None:
        """Answer the open question; on a terminal Ctrl-C ends the answer only, what was said of it stays."""
        said: list[str] = []
        try:
            for piece in self._model.chat(self._conversation.messages, stream=True, **self._sampling.given):
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
        self._aids.answered("".join(said))

    def _image(self, path: str) -> None:
        self._conversation.show(required(path, "/image PATH"))
        note(f"{path} comes with the next question")

    def _audio(self, path: str) -> None:
        self._conversation.play(required(path, "/audio PATH"))
        note(f"{path} comes with the next question")

    def _voice(self, path: str) -> None:
        self._conversation.play(required(path, "/voice PATH"))
        self._ask("")

    def _record(self, seconds: str) -> None:
        if not seconds.isdecimal():
            raise UsageError("say /record SECONDS, such as /record 4")
        note(f"recording {seconds} s")
        self._conversation.play(record(int(seconds)))
        self._ask("")

    def _regenerate(self, _: str) -> None:
        self._conversation.regenerate()
        self._reply()

    def _edit(self, rest: str) -> None:
        number, text = number_and_text(rest, "/edit N TEXT")
        self._conversation.edit(number, self._aids.asked(text, self._conversation.images))
        self._reply()

    def _reset(self, _: str) -> None:
        self._conversation.reset()
        note("the conversation is forgotten")

    def _save(self, path: str) -> None:
        self._conversation.save(required(path, "/save FILE"))
        note(f"saved to {path}")


def _session(loaded: "Model", sampling: GivenSampling, conversation: Conversation, aids: TalkAids) -> Session:
    """The conversation that a model can have."""
    # here, as both bring what `gesso --help` should not wait for; loading has imported them
    from gesso.cli.plan_chat import plan_session
    from gesso.engines.plan import Planner

    if not isinstance(loaded.engine, Planner):
        return _Talk(loaded, sampling, conversation, aids).session()
    if conversation.messages or conversation.waiting:
        raise UnsupportedError(f"{loaded.name} plans canvases from wishes; it takes no picture, sound or "
                               "system message, so leave --image, --audio and --system out")  # fmt: skip
    return plan_session(loaded.engine, sampling.over(loaded.engine.settings.sampling))


def _images_and_question(inputs: list[str], spoken: bool) -> tuple[list[str], str]:
    """What is shown, and what is asked in words; by voice there may be none.

    Raises:
        UsageError: nothing is asked.
    """
    if spoken and (not inputs or Path(inputs[-1]).is_file()):
        return inputs, ""
    if not inputs:
        raise UsageError("nothing is asked; give a question, or --audio FILE with one")
    return inputs[:-1], inputs[-1]


def _record(answer: Any) -> dict[str, Any]:
    """The answer as JSON values."""
    usage = answer.usage
    return {
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        },
    }
