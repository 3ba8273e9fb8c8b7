"""gesso in Python: `model = gesso.load(name)`, then `model.chat(...)`, `plan(...)`, `paint(...)`, ..."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast, overload

from torch import Tensor

from gesso.canvas.canvas import Box, Canvas
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, Message, user
from gesso.core.results import Answer
from gesso.core.sampling import Sampling
from gesso.engines.canvas_subjects import named_subjects, subject_file
from gesso.engines.chat import AnswerStream, Chat
from gesso.engines.options import LoadOptions
from gesso.engines.plan import Plan, Planner, PlanStream
from gesso.engines.plan_turns import Turn
from gesso.engines.pool import Engine, load_engine
from gesso.engines.references import ReferenceFile, read_reference
from gesso.engines.transcribe import INSTRUCTION, LONGEST_FILE, RATE, transcribe
from gesso.engines.transcript import Transcript
from gesso.media.audio import load_audio
from gesso.media.images import load_image
from gesso.models.clip import ClipEncoder

if TYPE_CHECKING:  # painting needs diffusers, which is an extra and slow to import
    from gesso.diffusion.denoise import Watch
    from gesso.diffusion.settings import PaintSettings
    from gesso.engines.paint import PaintEngine
    from gesso.engines.paint_recipe import Painting
    from gesso.engines.personalize import Personalizer

__all__ = ["Messages", "Model", "as_messages", "as_sampling", "load"]

DEFAULT: Final = Sampling()

Messages = Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]
"""A conversation as users may give it: a message or several, each a `Message` or an OpenAI chat message."""


def load(
    name: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    base: str | None = None,
    threads: int | None = None,
    feature_cache: int = 256,
) -> "Model":
    """Load a model.

    Args:
        name: a name of the catalogue ("mini-llava", "llava-v1.5-7b"; see `gesso models`), a folder, a Hugging
            Face repository, or a .safetensors file of a painting model.
        device: as in `LoadOptions`; by default a CUDA GPU if there is one.
        dtype: as in `LoadOptions`.
        base: for an adapter, the folder or name of the model under it.
        threads: CPU threads of torch, for the whole process; the minis take one unless told otherwise.
        feature_cache: as in `LoadOptions`: MiB of features of pictures and sounds that are kept.

    Raises:
        UnknownNameError: nothing has this name.
        UnsupportedError: this version of gesso does not run the model.
        CheckpointError: its files are missing, damaged or do not fit.
        MissingExtraError: it needs a package that is not installed.
    """
    options = LoadOptions(device=device, dtype=dtype, base=base, threads=threads, feature_cache=feature_cache)
    return Model(str(name), load_engine(str(name), options))


class Model:
    """A loaded model.

    Args:
        name: what it was loaded as.
        engine: what does the work.
    """

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine

    @overload
    def chat(self, messages: Messages, *, stream: Literal[False] = False, **sampling: Any) -> Answer: ...

    @overload
    def chat(self, messages: Messages, *, stream: Literal[True], **sampling: Any) -> AnswerStream: ...

    def chat(self, messages: Messages, *, stream: bool = False, **sampling: Any) -> Answer | AnswerStream:
        """Answer a conversation.

        Args:
            messages: the conversation; its last message is the user's.
            stream: give an iterator of text pieces, whose `answer` holds the whole in the end.
            sampling: options of `gesso.Sampling`, such as `temperature` and `max_new_tokens`.

        Raises:
            UnsupportedError: the model cannot chat, or cannot take a part of a message.
            UsageError: an option is unknown or out of range, or the conversation is too long.
            MediaError: a picture cannot be read.
        """
        pieces = self._chat_engine().stream(as_messages(messages), as_sampling(sampling))
        return pieces if stream else pieces.answer

    def batch(self, conversations: Sequence[Messages], **sampling: Any) -> list[Answer]:
        """Answer many conversations together; faster than one by one. Errors as in `chat`."""
        ready = [as_messages(messages) for messages in conversations]
        return self._chat_engine().batch(ready, as_sampling(sampling))

    def transcribe(self, source: Any, *, instruction: str | None = None, batch: int = 8) -> Transcript:
        """Write down what is said in a recording.

        Args:
            source: a path, URL, the bytes of a file, or an array of samples at 16 kHz.
            instruction: what the model is asked, in other words than `engines.transcribe.INSTRUCTION`.
            batch: how many pieces of a long recording the model hears at once.

        Raises:
            UnsupportedError: the model does not hear.
            MediaError: the recording cannot be read, is empty, or longer than four hours.
        """
        chat = self._chat_engine()
        given = source.source if isinstance(source, Audio) else source
        samples = load_audio(given, rate=RATE, max_seconds=LONGEST_FILE)
        segments = transcribe(chat, samples, instruction=instruction or INSTRUCTION, batch=batch)
        return Transcript(tuple(segments), len(samples) / RATE)

    def ask(self, image: Any, question: str, **sampling: Any) -> Answer:
        """Answer one question about one picture: a path, URL, bytes or PIL image. Errors as in `chat`."""
        asked = user(image if isinstance(image, Image) else Image(image), question)
        return self.chat(asked, stream=False, **sampling)

    @overload
    def plan(
        self,
        wish: str,
        *,
        canvas: Canvas | None = None,
        history: Sequence[Turn] = (),
        stream: Literal[False] = False,
        **sampling: Any,
    ) -> Plan: ...

    @overload
    def plan(
        self,
        wish: str,
        *,
        canvas: Canvas | None = None,
        history: Sequence[Turn] = (),
        stream: Literal[True],
        **sampling: Any,
    ) -> PlanStream: ...

    def plan(
        self,
        wish: str,
        *,
        canvas: Canvas | None = None,
        history: Sequence[Turn] = (),
        stream: bool = False,
        **sampling: Any,
    ) -> Plan | PlanStream:
        """Plan a canvas for a wish, or change one.

        Args:
            wish: what the picture is to show, or what is to change.
            canvas: the canvas to change, where it is not the last turn's.
            history: the turns before, such as `Plan.turns`.
            stream: give an iterator of the canvas's parts, whose `plan` holds the whole in the end.
            sampling: options of `gesso.Sampling`; the others are as the planner's own settings say.

        Raises:
            UnsupportedError: the model is no planner, or cannot follow an option.
            UsageError: an option is unknown or out of range, or the wish is empty or too long.
            CanvasError: no program that can be read came, in all attempts.
            EndpointError: the planner's server did not answer.
        """
        planner = self.planner
        chosen = as_sampling(sampling, planner.settings.sampling)
        parts = planner.stream(wish, history=history, canvas=canvas, sampling=chosen)
        return parts if stream else parts.plan

    @property
    def planner(self) -> Planner:
        """The planner inside, for conversations over turns and other ways to ask it.

        Raises:
            UnsupportedError: the model is none.
        """
        if not isinstance(self.engine, Planner):
            raise UnsupportedError(f"{self.name} does not plan canvases; load a planner, such as mini-omost, "
                                   "or the folder of a language model that has a chat template")  # fmt: skip
        return self.engine

    def paint(
        self,
        canvas: Canvas,
        settings: "PaintSettings | None" = None,
        *,
        style: str = "sentences",
        picture: Any = None,
        watch: "Watch | None" = None,
        **options: Any,
    ) -> "list[Painting]":
        """Paint a canvas in words, such as `Plan.canvas`; `paint_subjects` paints one with references.

        Args:
            canvas: what to paint.
            settings: how; None takes the model's own settings.
            style: how the canvas is told, a name of `gesso.canvas.styles`.
            picture: what to begin from, with a strength below 1: a path, URL, bytes or PIL image.
            watch: who is told about the steps and may stop them.
            options: fields of `PaintSettings`, such as `size`, `steps`, `seed`, `guidance`, in their place.

        Returns:
            One painting for each of the batch, with the recipe it was painted by.

        Raises:
            UnsupportedError: the model does not paint.
            UnknownNameError: there is no such option, style, guidance or sampler.
            UsageError: a value is out of range, or settings do not fit each other or the model.
            MediaError: the picture cannot be read.
            PaintingCancelledError: `watch` stopped it.
        """
        engine = self.painter
        if not isinstance(canvas, Canvas):
            raise UsageError(f"a {type(canvas).__name__} came to be painted; give a Canvas, such as that of "
                             "a plan: load a planner, and call its `plan` with a wish")  # fmt: skip
        chosen = engine.settings(options, others=settings, style=None if settings else style)
        begin = None if picture is None else load_image(_source(picture))
        return engine.paint(canvas, chosen, style=style, picture=begin, watch=watch)

    def repaint(
        self,
        painting: "Painting",
        boxes: Sequence[Box] | None = None,
        *,
        canvas: Canvas | None = None,
        style: str | None = None,
        feather: int = 8,
        watch: "Watch | None" = None,
        **options: Any,
    ) -> "Painting":
        """Paint parts of a picture anew; every pixel outside of them stays as it is.

        Args:
            painting: what `paint` gave, or `gesso.Painting.open(path)`.
            boxes: which parts, such as `Region.box`; None takes what `canvas` changes.
            canvas: what the picture is to show now; None leaves it.
            style: how the canvas is told; None leaves it.
            feather: width of the soft border inside the boxes, in pixels.
            watch: as in `paint`.
            options: fields of `PaintSettings`, in place of the picture's own.

        Raises:
            UsageError: nothing is to change, or another model painted the picture; others as in `paint`.
        """
        engine = self.painter
        settings = engine.settings(options, others=painting.part_settings(canvas), style=style)
        return engine.repaint(
            painting, boxes, settings, canvas=canvas, style=style, feather=feather, watch=watch
        )

    @property
    def painter(self) -> "PaintEngine":
        """The painter inside, for other ways to ask it.

        Raises:
            UnsupportedError: the model is none.
        """
        if not hasattr(self.engine, "repaint"):
            raise UnsupportedError(f"{self.name} does not paint; load a painter, such as mini-sdxl, or the "
                                   "diffusers folder of an SDXL or SD 1.5 model")  # fmt: skip
        return cast("PaintEngine", self.engine)

    def personalize(
        self,
        reference: Any,
        subject: str,
        prompt: str,
        *,
        mask: Any = None,
        strength: float = 1.0,
        **options: Any,
    ) -> "list[Painting]":
        """Paint the subject of a reference picture in a new picture.

        Args:
            reference: a path, URL, bytes or PIL image; its transparency tells where the subject is.
            subject: what it is, as the prompt calls it.
            prompt: the new picture, in words.
            mask: light where the subject is; without one, it is found.
            strength: how much the reference counts: 1 for a new context, 0.4 for a new texture.
            options: fields of `PaintSettings`.

        Raises:
            UnsupportedError: the model paints no given subjects.
            UsageError: the prompt does not name the subject, nothing stands out, or an option is wrong.
            MediaError: a picture cannot be read.
        """
        engine = self._personalizer()
        image, where = read_reference(_source(reference), None if mask is None else _source(mask))
        seen = engine.look(image, where, subject)
        return engine.paint(seen, prompt, engine.engine.settings(options), strength=strength)

    def paint_subjects(
        self,
        canvas: Canvas,
        references: str | Path,
        *,
        strength: float = 1.0,
        style: str = "sentences",
        watch: "Watch | None" = None,
        **options: Any,
    ) -> "list[Painting]":
        """Paint a canvas whose regions name subjects.

        Args:
            canvas: what to paint.
            references: the folder in which the pictures lie that the canvas names. Its names open files there
                and nowhere else; a canvas that came from a model has none.
            strength: how much the references count.
            style: how the canvas is told.
            watch: who is told about the steps and may stop them.
            options: fields of `PaintSettings`.

        Raises:
            UnsupportedError: the model paints no given subjects.
            UsageError: the canvas names no subject, a reference is not there, a region does not say its
                subject's noun, or an option is wrong.
            MediaError: a picture cannot be read.
        """
        engine = self._personalizer()
        seen = []
        for number, subject in named_subjects(canvas).items():
            origin = ReferenceFile(file=subject_file(canvas, number, Path(references)))
            seen.append((number, engine.look_at(origin, subject.noun)))
        if not seen:
            raise UsageError("no region of the canvas names a subject; paint it with `paint`, or name one "
                             "with gesso.canvas.edit.set_subject")  # fmt: skip
        settings = engine.engine.settings(options, style=style)
        return engine.paint_canvas(canvas, seen, settings, strength=strength, style=style, watch=watch)

    def _personalizer(self) -> "Personalizer":
        if not hasattr(self.engine, "look"):
            raise UnsupportedError(
                f"{self.name} paints no given subjects; load a MoMA, such as MoMA_llava_7b"
            )
        return cast("Personalizer", self.engine)

    def embed_images(self, images: Sequence[Any]) -> Tensor:
        """One unit vector for each picture (path, URL, bytes or PIL image), [I, D].

        Raises:
            UnsupportedError: the model is not one that compares pictures with texts.
            MediaError: a picture cannot be read.
        """
        return self._clip().embed_images([load_image(_source(image)) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """One unit vector for each text, [T, D]; errors as in `embed_images`."""
        return self._clip().embed_texts(texts)

    def scores(self, images: Sequence[Any], texts: Sequence[str]) -> Tensor:
        """How well each text fits each picture, [I, T], in [-1, 1]; errors as in `embed_images`."""
        return self.embed_images(images) @ self.embed_texts(texts).T

    def _clip(self) -> ClipEncoder:
        if not isinstance(self.engine, ClipEncoder):
            raise UnsupportedError(f"{self.name} does not compare pictures with texts; load one that gives "
                                   "scores, such as mini-clip")  # fmt: skip
        return self.engine

    def _chat_engine(self) -> Chat:
        if isinstance(self.engine, Planner):
            raise UnsupportedError(f"{self.name} plans canvases and does not chat; call `plan` with a wish, "
                                   "or use `gesso plan` and `gesso chat`")  # fmt: skip
        if hasattr(self.engine, "repaint"):
            raise UnsupportedError(f"{self.name} paints canvases and does not chat; call `paint` with a "
                                   "canvas, or use `gesso paint`")  # fmt: skip
        if not isinstance(self.engine, Chat):
            raise UnsupportedError(f"{self.name} compares pictures with texts and cannot chat; use `scores`, "
                                   "or load a model that gives text")  # fmt: skip
        return self.engine


def as_messages(messages: Messages) -> list[Message]:
    """A conversation as a list of messages.

    Raises:
        UsageError: an OpenAI message is malformed.
        UnsupportedError: it holds something that gesso does not take.
    """
    listed = [messages] if isinstance(messages, Message | Mapping) else messages
    return [m if isinstance(m, Message) else Message.from_openai(m) for m in listed]


def as_sampling(options: Mapping[str, Any], others: Sampling = DEFAULT) -> Sampling:
    """Sampling settings from keyword options; `stop` may be a single text or a list.

    Args:
        options: name -> value.
        others: what holds where no option is given.

    Raises:
        UnknownNameError: there is no such option.
        UsageError: a value is out of range.
    """
    known = {field.name for field in fields(Sampling)}
    for name in options:
        if name not in known:
            raise UnknownNameError("sampling option", name, known)
    stop = options.get("stop", others.stop) or ()
    return replace(others, **{**options, "stop": (stop,) if isinstance(stop, str) else tuple(stop)})


def _source(image: Any) -> Any:
    return image.source if isinstance(image, Image) else image
