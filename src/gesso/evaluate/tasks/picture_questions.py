"""What tasks share that ask questions about pictures from the official files of a benchmark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from gesso.core.errors import MediaError, UsageError
from gesso.core.messages import Image, Message, user
from gesso.evaluate.published import published_for
from gesso.evaluate.report import Outcome
from gesso.evaluate.task import Model, Record, Sample, answering
from gesso.evaluate.tasks.fresh import groups
from gesso.media.images import load_image

__all__ = ["LONG", "SHORT", "Graded", "PictureBenchmark", "PictureQuestion", "given_by"]

SHORT: Final = 128
"""New tokens of short answers, as the original programs have it for TextVQA and MME."""

LONG: Final = 1024
"""New tokens in all their other programs."""

Graded = tuple[float | None, Mapping[str, float]]
"""The score of an answer, None where somebody else gives it, and further figures."""


@dataclass(frozen=True, slots=True)
class PictureQuestion(Sample):
    """A question about pictures of a benchmark.

    Attributes:
        pictures: paths or contents of picture files; none for a question of text alone.
        place: where it stands in the files, for messages.
        row: what its score and upload need of the files.
    """

    pictures: tuple[Path | bytes, ...]
    place: str
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> list[Message]:
        """The conversation that asks it."""
        return [user(*map(self._loaded, self.pictures), self.prompt)]

    def _loaded(self, source: Path | bytes) -> Image:
        try:
            return Image(load_image(source))
        except MediaError as error:
            raise MediaError(f"{self.place}: {error}; or fetch the official file again") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureBenchmark:
    """A benchmark from its official files.

    Attributes:
        data: the official file, or the folder with all of them.
    """

    name: ClassVar[str]
    tokens: ClassVar[int] = LONG
    data: str

    @property
    def published_as(self) -> str:
        """The benchmark's name in the table of published figures."""
        return self.name

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions in the order of the files."""
        raise NotImplementedError

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """The score of an answer."""
        raise NotImplementedError

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """Figures, files and notes beside the means."""
        return Outcome()

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that does not answer questions, and files without a question."""
        answering(model, self.name).batch([])
        if next(self.questions(), None) is None:
            raise UsageError(
                f"{self.data} holds no question of {self.name}; give the official files with --data"
            )

    def settings(self) -> dict[str, Any]:
        """All choices, and how answers are decoded."""
        return {**asdict(self), "temperature": 0.0, "max_new_tokens": self.tokens}

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[PictureQuestion]]:
        """The first `count` questions of the files, `batch` at a time; `seed` chooses nothing."""
        return groups(islice(self.questions(), count), batch)

    def ask(self, model: Model, samples: Sequence[PictureQuestion], batch: int) -> list[Record]:
        """Ask the questions and grade the answers."""
        asked = [sample.messages for sample in samples]
        answers = answering(model, self.name).batch(asked, temperature=0.0, max_new_tokens=self.tokens)
        pairs = zip(samples, (answer.text.strip() for answer in answers), strict=True)
        return [Record.of(sample, said, *self.grade(sample, said)) for sample, said in pairs]

    def outcome(self, model: str, records: Sequence[Record]) -> Outcome:
        """What the task makes of all its records, with the figures that the model's publishers report."""
        made = self.conclude(records)
        theirs = published_for(model, self.published_as)
        return Outcome(made.figures, made.headline, made.files, theirs, made.notes)

    def paired(self, records: Sequence[Record]) -> Iterator[tuple[PictureQuestion, Record]]:
        """Records with their questions, in the order of the files."""
        by_key = {record.key: record for record in records}
        for question in self.questions():
            if question.key in by_key:
                yield question, by_key[question.key]


def given_by(who: str, file: str, how: str) -> str:
    """The note of a score that somebody else gives."""
    return f"the score is given by {who}: {how} {file}, which lies beside the report"
