"""LLaVA-Bench (In-the-Wild): open questions; a judge grades each answer beside one of GPT-4."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from gesso.evaluate.benchmarks.review import REFUSED, read_scores, summarise
from gesso.evaluate.endpoint_judge import EndpointJudge
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import (
    field_of,
    find_file,
    find_folder,
    json_file,
    json_lines,
    picture_file,
    wrong,
)
from gesso.evaluate.tasks.picture_questions import Graded, PictureBenchmark, PictureQuestion, given_by

__all__ = ["LlavaBench"]

BEST: Final = 10.0
FILE: Final = "llava-bench_answers.jsonl"
PREFIX: Final = "llava_bench_"
"""Before the names of categories in the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlavaBench(PictureBenchmark):
    """LLaVA-Bench: `data` holds questions.jsonl and images/.

    For a judge there must also be context.jsonl and answers_gpt4.jsonl of the data set, and LLaVA's
    rule.json.

    Attributes:
        judge_url: address of an OpenAI-compatible server whose model reviews the answers; without one the
            score is left to LLaVA's scripts.
        judge_model: the model's name there.
    """

    name: ClassVar[str] = "llava-bench"
    split: ClassVar[str] = "test"
    judge_url: str | None = None
    judge_model: str | None = None

    def __post_init__(self) -> None:
        """Refuse half of a judge."""
        EndpointJudge.given(self.judge_url, self.judge_model)

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions; where there is a judge, with what it is asked about them."""
        path = find_file(self.data, "questions.jsonl", task=self.name)
        folder = find_folder(self.data, "images", task=self.name)
        review = _Review.read(self.data) if self.judge_url else None
        for place, row in json_lines(path):
            name, kind = str(field_of(row, "question_id", place)), field_of(row, "category", place)
            picture = picture_file(folder / field_of(row, "image", place), place)
            asked = field_of(row, "text", place)
            parts = review.parts(name, row, place) if review else {}
            yield PictureQuestion(name, kind, asked, parts.get("reference", ""), (picture,), place, parts)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """The judge's two grades; the score is the answer's own, of ten."""
        judge = EndpointJudge.given(self.judge_url, self.judge_model)
        if judge is None:
            return None, {}
        pair = read_scores(judge.ask(_review_prompt(question, answer)))
        extras = {"reference grade": pair[0], "answer grade": pair[1], "refused": float(pair == REFUSED)}
        return min(max(pair[1] / BEST, 0.0), 1.0), extras

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """Grades in percent of the reference's, which LLaVA reports, and the file for its scripts."""
        lines = [
            {"question_id": int(record.id) if record.id.isdigit() else record.id, "text": record.prediction}
            for record in records
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        if self.judge_url is None:
            note = given_by("LLaVA's review scripts, which ask GPT-4", FILE, "give them")
            return Outcome(files={FILE: text}, notes=(f"{note}; or name a judge with --judge-url",))
        reviews = [{"question_id": r.id, "tuple": (r.extras["reference grade"], r.extras["answer grade"]),
                    "category": r.kind} for r in records]  # fmt: skip
        found = summarise(reviews)
        figures = {f"{name}: relative": Score.rounded(means.relative / 100, 0.0, _count(records, name))
                   for name, means in found.items()}  # fmt: skip
        note = f"reviewed by {self.judge_model}; published scores are GPT-4's of 2023"
        return Outcome(figures, "all: relative", {FILE: text}, notes=(note,))


@dataclass(frozen=True, slots=True)
class _Review:
    """Files for a judge."""

    rules: Mapping[str, Any]
    contexts: Mapping[str, str]
    answers: Mapping[str, str]

    @classmethod
    def read(cls, data: str) -> "_Review":
        rules = json_file(find_file(data, "rule.json", task="the judge of llava-bench"), dict)
        contexts = _by_name(
            find_file(data, "context.jsonl", task="the judge of llava-bench"), "image", "caption"
        )
        answers = _by_name(
            find_file(data, "answers_gpt4.jsonl", task="the judge of llava-bench"), "question_id", "text"
        )
        return cls(rules, contexts, answers)

    def parts(self, name: str, row: Mapping[str, Any], place: str) -> dict[str, str]:
        category, image = row["category"], row["image"]
        rule = self.rules.get(f"{PREFIX}{category}") or self.rules.get(category)
        if rule is None or image not in self.contexts or name not in self.answers:
            problem = f"the judge's files lack a rule of {category!r}, a context of {image!r} or an answer"
            raise wrong(place, problem, "take the files of one version")
        made = {"role": str(rule["role"]), "rule": str(rule["prompt"])}
        return {**made, "context": self.contexts[image], "reference": self.answers[name]}


def _by_name(path: Path, key: str, value: str) -> dict[str, str]:
    found = {}
    for place, row in json_lines(path):
        text = field_of(row, value, place)
        # a picture may have several captions
        found[str(field_of(row, key, place))] = "\n".join(text) if isinstance(text, list) else text
    return found


def _review_prompt(question: PictureQuestion, answer: str) -> str:
    """Context, question, both answers and the rule, each under its name."""
    parts = question.row
    role = parts["role"]
    both = "\n\n".join(f"[{role} {number}]\n{text}\n\n[End of {role} {number}]"
                       for number, text in enumerate((parts["reference"], answer), start=1))  # fmt: skip
    context = f"[Context]\n{parts['context']}\n\n[Question]\n{question.prompt}\n\n"
    return f"{context}{both}\n\n[System]\n{parts['rule']}\n\n"


def _count(records: Sequence[Record], kind: str) -> int:
    return sum(kind in ("all", record.kind) for record in records)
