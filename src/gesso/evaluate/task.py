"""What a benchmark is: samples from a seed, a way to ask a model about them, and a score for each.

What is evaluated need not come from gesso: anything that answers conversations (`Answers`), or that embeds
pictures and texts (`Embeds`), will do. Tasks of other sorts say themselves what they evaluate.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from PIL import Image
from torch import Tensor

from gesso.core.errors import UnsupportedError
from gesso.core.messages import Message
from gesso.core.registry import LazyTable
from gesso.core.results import Answer

__all__ = ["TASKS", "Answers", "Embeds", "Model", "Record", "Sample", "Task", "answering", "embedding"]

TASKS: Final = LazyTable(
    "task",
    {
        "fleurs": "gesso.evaluate.tasks.recognition:Fleurs",
        "storybook-asr": "gesso.evaluate.tasks.speech:StorybookAsr",
        "storybook-canvas": "gesso.evaluate.tasks.canvas:StorybookCanvas",
        "storybook-canvas-free": "gesso.evaluate.tasks.canvas:StorybookCanvasFree",
        "storybook-describe": "gesso.evaluate.tasks.storybook:StorybookDescribe",
        "storybook-judge": "gesso.evaluate.tasks.judge:StorybookJudge",
        "storybook-paint": "gesso.evaluate.tasks.paint:StorybookPaint",
        "storybook-retrieval": "gesso.evaluate.tasks.storybook:StorybookRetrieval",
        "storybook-spoken": "gesso.evaluate.tasks.speech:StorybookSpoken",
        "storybook-signs": "gesso.evaluate.tasks.storybook:StorybookSigns",
        "storybook-subject": "gesso.evaluate.tasks.subject:StorybookSubject",
        "storybook-subjects": "gesso.evaluate.tasks.subjects:StorybookSubjects",
        "storybook-vqa": "gesso.evaluate.tasks.storybook:StorybookVqa",
        "wenetspeech": "gesso.evaluate.tasks.recognition:WenetSpeech",
    },
)
"""Name of a task -> its class."""


class Model(Protocol):
    """Anything that can be evaluated; each task asks for more than a name."""

    @property
    def name(self) -> str:
        """What the model is called in reports."""
        ...


# checked by their methods' names: a model need not know of gesso to be evaluated
@runtime_checkable
class Answers(Model, Protocol):
    """A model that answers conversations, such as `gesso.load` gives."""

    def batch(self, conversations: list[list[Message]], **sampling: Any) -> list[Answer]:
        """Answer each conversation, none if there are none; `sampling` are fields of `gesso.Sampling`.

        Raises:
            UnsupportedError: the model cannot chat after all.
        """
        ...


@runtime_checkable
class Embeds(Model, Protocol):
    """A model with two encoders into one space, such as a CLIP."""

    def embed_images(self, images: Sequence[Image.Image]) -> Tensor:
        """One unit vector for each RGB picture, [N, D]."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """One unit vector for each text, [N, D].

        Raises:
            UnsupportedError: the model has no such encoders after all.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing a model is asked.

    Attributes:
        id: unique within task, split and seed; both directions of a retrieval share the id of their picture.
        kind: what sort of question it is; scores are broken down by it.
        prompt: the question.
        target: the right answer.
    """

    id: str
    kind: str
    prompt: str
    target: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells this sample from all others of a run."""
        return self.id, self.kind


@dataclass(frozen=True, slots=True)
class Record:
    """A sample with what the model said; one line of the log.

    Attributes:
        id: as in `Sample`.
        kind: as in `Sample`.
        prompt: as in `Sample`.
        prediction: the model's answer.
        target: as in `Sample`.
        score: 0-1.
        extras: further figures of this sample, each averaged by its name.
    """

    id: str
    kind: str
    prompt: str
    prediction: str
    target: str
    score: float
    extras: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """The key of its sample."""
        return self.id, self.kind

    @classmethod
    def of(
        cls, sample: Sample, prediction: str, score: float, extras: Mapping[str, float] | None = None
    ) -> "Record":
        """The record of a sample."""
        return cls(sample.id, sample.kind, sample.prompt, prediction, sample.target, score, extras or {})


S = TypeVar("S", bound=Sample)


class Task(Protocol[S]):
    """A benchmark; `evaluate.tasks` has one class for each."""

    @property
    def name(self) -> str:
        """Name in `TASKS`."""
        ...

    @property
    def split(self) -> str:
        """The data it is drawn from."""
        ...

    def settings(self) -> dict[str, Any]:
        """All that the scores depend on, as JSON values."""
        ...

    def check(self, model: Model, count: int) -> None:
        """Refuse a model or a count that the task cannot work with, before anything is asked.

        Raises:
            UnsupportedError: the model is of another sort.
            UsageError: the task needs another count.
        """
        ...

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[S]]:
        """The first `count` samples, in the groups in which they are asked together.

        More samples begin with the same ones, and `batch` changes the groups at most.
        """
        ...

    def ask(self, model: Model, samples: Sequence[S], batch: int) -> list[Record]:
        """Ask about some samples of one round, `batch` inputs at a time, and score what comes back."""
        ...


def answering(model: Model, task: str) -> Answers:
    """The model, if it has what `Answers` has; else `UnsupportedError`."""
    if not isinstance(model, Answers):
        raise UnsupportedError(
            f"{task} asks questions, which {model.name} does not answer; evaluate it on storybook-retrieval"
        )
    return model


def embedding(model: Model, task: str) -> Embeds:
    """The model, if it has what `Embeds` has; else `UnsupportedError`."""
    if not isinstance(model, Embeds):
        raise UnsupportedError(
            f"{task} is for CLIP models, and {model.name} does not embed pictures and texts; "
            "evaluate it on storybook-vqa"
        )
    return model
