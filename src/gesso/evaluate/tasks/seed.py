"""SEED-Bench: multiple choice about pictures and single frames of films."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from gesso.evaluate.benchmarks import seed
from gesso.evaluate.benchmarks.choices import INSTRUCTIONS, letter_prompt, options_of
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import field_of, find_file, find_folder, json_file, picture_file, wrong
from gesso.evaluate.tasks.picture_questions import Graded, PictureBenchmark, PictureQuestion

__all__ = ["SeedBench"]

OPTIONS: Final = {letter: f"choice_{letter.lower()}" for letter in "ABCD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedBench(PictureBenchmark):
    """SEED-Bench: `data` holds SEED-Bench.json, SEED-Bench-image/ and, as LLaVA, SEED-Bench-video-image/.

    The latter holds the middle frame of each film as QUESTION_ID.png; without it only questions about
    pictures are asked. An answer must be the letter and nothing else, as in LLaVA's scorer.
    """

    name: ClassVar[str] = "seed-bench"
    split: ClassVar[str] = "v1"

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions about pictures, and those about films whose frames are there."""
        path = find_file(self.data, "SEED-Bench.json", task=self.name)
        whole = json_file(path, dict)
        names = {number: name for name, number in field_of(whole, "question_type", str(path)).items()}
        images = find_folder(self.data, "SEED-Bench-image", task=self.name)
        frames = images.parent / "SEED-Bench-video-image"
        for row in field_of(whole, "questions", str(path)):
            place = f"{path}, question {row.get('question_id')}"
            name, of_film = (
                str(field_of(row, "question_id", place)),
                field_of(row, "data_type", place) == "video",
            )
            if of_film and not frames.is_dir():
                continue
            source = frames / f"{name}.png" if of_film else images / field_of(row, "data_id", place)
            choice = options_of({letter: field_of(row, key, place) for letter, key in OPTIONS.items()})
            prompt = letter_prompt(field_of(row, "question", place), choice, None, INSTRUCTIONS["en"])
            kind, answer = names.get(field_of(row, "question_type_id", place)), field_of(row, "answer", place)
            if kind is None or answer not in OPTIONS:
                raise wrong(
                    place, f"type {row['question_type_id']!r}, answer {answer!r}", "fetch the file again"
                )
            yield PictureQuestion(name, kind, prompt, answer, (picture_file(source, place),), place, row)

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether the answer is the letter."""
        return float(answer == question.target), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """Shares of pictures and films, and the file for the leaderboard."""
        figures: dict[str, list[float]] = {}
        for question, record in self.paired(records):
            figures.setdefault(question.row["data_type"], []).append(record.score or 0.0)
        lines = seed.upload({record.id: record.prediction for record in records})
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        scores = {name: Score.of(values) for name, values in sorted(figures.items())}
        return Outcome(scores, files={"seed-bench_upload.jsonl": text.encode()})
