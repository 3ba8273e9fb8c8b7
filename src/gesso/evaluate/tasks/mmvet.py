"""MM-Vet (arXiv 2308.02490): open questions that join abilities; a language model grades the answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from gesso.evaluate.benchmarks.mmvet import grade_of, grading_prompt
from gesso.evaluate.endpoint_judge import EndpointJudge
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import as_json, field_of, find_file, find_folder, json_file, picture_file
from gesso.evaluate.tasks.picture_questions import Graded, PictureBenchmark, PictureQuestion, given_by

__all__ = ["MmVet"]

FILE: Final = "mm-vet_upload.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MmVet(PictureBenchmark):
    """MM-Vet: `data` holds mm-vet.json and images/ (the archive mm-vet.zip).

    Attributes:
        judge_url: address of an OpenAI-compatible server whose model grades the answers; without one the
            score is left to the official grader.
        judge_model: the model's name there.
    """

    name: ClassVar[str] = "mm-vet"
    split: ClassVar[str] = "test"
    judge_url: str | None = None
    judge_model: str | None = None

    def __post_init__(self) -> None:
        """Refuse half of a judge."""
        EndpointJudge.given(self.judge_url, self.judge_model)

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions; their kind is the abilities they need."""
        path = find_file(self.data, "mm-vet.json", "mm-vet/mm-vet.json", task=self.name)
        folder = find_folder(str(path.parent), "images", task=self.name)
        for name, row in json_file(path, dict).items():
            place = f"{path}, question {name}"
            picture = picture_file(folder / field_of(row, "imagename", place), place)
            kind = " ".join(field_of(row, "capability", place))
            asked, target = field_of(row, "question", place), field_of(row, "answer", place)
            yield PictureQuestion(name, kind, asked, target, (picture,), place)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """The judge's grade, if there is one."""
        judge = EndpointJudge.given(self.judge_url, self.judge_model)
        if judge is None:
            return None, {}
        return grade_of(judge.ask(grading_prompt(question.prompt, question.target, answer))), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """The file for the official grader, and scores by ability."""
        file = as_json({record.id: record.prediction for record in records})
        if self.judge_url is None:
            note = given_by("MM-Vet's grader, which asks GPT-4", FILE, "give it")
            return Outcome(files={FILE: file}, notes=(f"{note}; or name a judge with --judge-url",))
        abilities = sorted({ability for record in records for ability in record.kind.split()})
        figures = {f"ability {name}": Score.of([r.score or 0.0 for r in records if name in r.kind.split()])
                   for name in abilities}  # fmt: skip
        note = f"graded by {self.judge_model} with gesso's own prompt; published scores are GPT-4's"
        return Outcome(figures, files={FILE: file}, notes=(note,))
