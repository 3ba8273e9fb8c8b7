"""MathVista: mathematics in pictures."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from gesso.core.errors import UnknownNameError
from gesso.evaluate.benchmarks import mathvista
from gesso.evaluate.benchmarks.choices import read_choice
from gesso.evaluate.endpoint_judge import EndpointJudge
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import as_json, field_of, find_file, json_file, picture_file
from gesso.evaluate.tasks.picture_questions import Graded, PictureBenchmark, PictureQuestion, given_by

__all__ = ["MathVista"]

NUMBER: Final = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
SPLITS: Final = ("testmini", "test")
FIELDS: Final = ("question", "unit", "choices", "precision", "question_type", "answer_type", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class MathVista(PictureBenchmark):
    """MathVista: `data` holds testmini.json or test.json, and images/.

    The official protocol has GPT-4 find the answer in a response. A judge does that here; without one
    gesso's own rules do (the only letter, the only number), and what they cannot read counts as wrong.

    Attributes:
        split: "testmini", or "test", whose answers are not public.
        judge_url: address of an OpenAI-compatible server whose model extracts the answers.
        judge_model: the model's name there.
    """

    name: ClassVar[str] = "mathvista"
    split: str = "testmini"
    judge_url: str | None = None
    judge_model: str | None = None

    def __post_init__(self) -> None:
        """Refuse splits that there are not, and half of a judge."""
        if self.split not in SPLITS:
            raise UnknownNameError("split", self.split, SPLITS)
        EndpointJudge.given(self.judge_url, self.judge_model)

    @property
    def published_as(self) -> str:
        """Each split is a benchmark of its own."""
        return f"{self.name}-{self.split}"

    def questions(self) -> Iterator[PictureQuestion]:
        """All problems of the split."""
        path = find_file(self.data, f"{self.split}.json", f"data/{self.split}.json", task=self.name)
        for pid, problem in json_file(path, dict).items():
            place = f"{path}, problem {pid}"
            for name in FIELDS:
                field_of(problem, name, place)
            picture = picture_file(path.parent / problem["image"], place)
            metadata = problem.get("metadata") or {}
            kind, truth = metadata.get("task", self.split), problem.get("answer")
            target = "" if truth is None else str(truth)
            yield PictureQuestion(pid, kind, mathvista.query(problem), target, (picture,), place, problem)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether the answer that is found in the response is right."""
        if not question.target:
            return None, {}
        found = self._extracted(question, answer)
        prediction = None if found is None else mathvista.typed_answer(found, question.row)
        read = {"read": float(found is not None)}
        return float(mathvista.is_right(prediction, question.target)), read

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """Scores by kind of skill, and the file of responses in the official form."""
        pairs = list(self.paired(records))
        file = f"mathvista_{self.split}_output.json"
        output = {q.id: {**q.row, "query": q.prompt, "response": r.prediction} for q, r in pairs}
        if any(record.score is None for record in records):
            note = given_by("MathVista's authors", file, "send")
            return Outcome(files={file: as_json(output)}, notes=(note,))
        figures: dict[str, list[float]] = {}
        for question, record in pairs:
            for skill in (question.row.get("metadata") or {}).get("skills", ()):
                figures.setdefault(f"skill {skill}", []).append(record.score or 0.0)
        scores = {name: Score.of(values) for name, values in sorted(figures.items())}
        return Outcome(scores, files={file: as_json(output)}, notes=(self._note(records),))

    def _note(self, records: Sequence[Record]) -> str:
        if self.judge_model is not None:
            return f"answers were extracted by {self.judge_model}; published scores are of GPT-4's extraction"
        unread = sum(not record.extras["read"] for record in records)
        return (f"gesso's rules extracted the answers, where the official protocol asks GPT-4; {unread} of "
                f"{len(records)} could not be read and count as wrong; --judge-url has a model read "
                "them")  # fmt: skip

    def _extracted(self, question: PictureQuestion, answer: str) -> str | None:
        quick = mathvista.quick_answer(answer, question.row)
        if quick is not None:
            return quick
        judge = EndpointJudge.given(self.judge_url, self.judge_model)
        if judge is not None:
            return judge.ask(mathvista.extraction_prompt(question.prompt, answer))
        return _by_rule(answer, question.row)


def _by_rule(answer: str, problem: Any) -> str | None:
    """The only letter of an option, or the only number, in a response; None if it cannot be told."""
    if problem["choices"]:
        return read_choice(answer, [str(text) for text in problem["choices"]]) or None
    numbers = NUMBER.findall(answer)
    return numbers[0].replace(",", "") if len(numbers) == 1 else None
