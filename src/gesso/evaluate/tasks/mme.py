"""MME: two questions about each picture, in fourteen subtasks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from gesso.evaluate.benchmarks.mme import COGNITION, PERCEPTION, read_answer
from gesso.evaluate.benchmarks.vqa import SHORT_ANSWER
from gesso.evaluate.report import Outcome
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record
from gesso.evaluate.tasks.official import wrong
from gesso.evaluate.tasks.picture_questions import SHORT, Graded, PictureBenchmark, PictureQuestion

__all__ = ["Mme"]

RELEASE: Final = "MME_Benchmark_release_version"
YES_NO: Final = "Please answer yes or no."
ENDINGS: Final = (".jpg", ".png", ".jpeg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mme(PictureBenchmark):
    """MME: `data` is the folder of the subtasks, or that of MME_Benchmark_release_version.

    The prompts are LLaVA's and Mini-Gemini's: "Please answer yes or no." gives way to the instruction for
    short answers. The score is the total of all subtasks.
    """

    name: ClassVar[str] = "mme"
    tokens: ClassVar[int] = SHORT
    split: ClassVar[str] = "release"

    def questions(self) -> Iterator[PictureQuestion]:
        """All questions, subtask by subtask in the order of the paper."""
        root = Path(self.data)
        root = root / RELEASE if (root / RELEASE).is_dir() else root
        present = [root / name for name in (*PERCEPTION, *COGNITION) if (root / name).is_dir()]
        if not present:
            raise wrong(self.data, "it has no folder of an MME subtask (existence, count, ...)",
                        f"give {RELEASE} with --data")  # fmt: skip
        for folder in present:
            # some subtasks keep pictures and questions in folders of their own
            texts = folder / "questions_answers_YN"
            for path in sorted((texts if texts.is_dir() else folder).glob("*.txt")):
                yield from _questions(folder.name, path, _picture(folder, path))

    def grade(self, question: PictureQuestion, answer: str) -> Graded:
        """Whether yes and no are right."""
        return float(read_answer(answer) == question.target.lower()), {}

    def conclude(self, records: Sequence[Record]) -> Outcome:
        """Scores of subtasks, their sums, and the files for the official calculation."""
        parts = {name: [r for r in records if r.kind == name] for name in (*PERCEPTION, *COGNITION)}
        figures = {f"{name}: acc + acc+": _subtask(rows) for name, rows in parts.items() if rows}
        for name, subtasks in (("perception", PERCEPTION), ("cognition", COGNITION), ("total", tuple(parts))):
            known = [figures[key] for key in (f"{each}: acc + acc+" for each in subtasks) if key in figures]
            if known:
                error = sum(score.stderr**2 for score in known) ** 0.5
                figures[name] = Score.rounded(sum(s.score for s in known), error, sum(s.n for s in known))
        return Outcome(figures, headline="total", files=self._files(records))

    def _files(self, records: Sequence[Record]) -> Mapping[str, bytes]:
        lines: dict[str, list[str]] = {}
        for question, record in self.paired(records):
            said = " ".join(record.prediction.split())  # a line break or tab would end the row
            row = (str(question.row["picture"]), str(question.row["asked"]), record.target, said)
            lines.setdefault(f"{record.kind}.txt", []).append("\t".join(row) + "\n")
        return {name: "".join(rows).encode() for name, rows in lines.items()}


def _questions(subtask: str, path: Path, picture: Path) -> Iterator[PictureQuestion]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place = f"{path}, line {number}"
        if not line.strip():
            continue
        asked, tab, answer = line.rpartition("\t")
        if not tab or answer.strip() not in ("Yes", "No"):
            raise wrong(place, f"{line!r} is no question, tab, and Yes or No", "fetch the file again")
        bare = asked.strip().removesuffix(YES_NO).strip()
        name = f"{subtask}/{path.stem}-{number}"
        row = {"picture": picture.name, "asked": asked.strip()}
        yield PictureQuestion(
            name, subtask, f"{bare}\n{SHORT_ANSWER}", answer.strip(), (picture,), place, row
        )


def _picture(folder: Path, path: Path) -> Path:
    for place in (folder / "images", folder):
        for ending in ENDINGS:
            if (place / f"{path.stem}{ending}").is_file():
                return place / f"{path.stem}{ending}"
    raise wrong(str(path), f"its picture {path.stem} ({', '.join(ENDINGS)}) is neither in {folder} nor in "
                "images/ there", "unpack the official pictures there")  # fmt: skip


def _subtask(records: Sequence[Record]) -> Score:
    """Acc + acc+ of a subtask in percent: a mean over pictures, of two answers each."""
    pictures: dict[str, list[float]] = {}
    for record in records:
        pictures.setdefault(record.id.rpartition("-")[0], []).append(record.score or 0.0)
    # pictures of an official file have two questions; a run that was cut short may end with one
    values = [100 * (sum(hits) / len(hits) + float(all(hits))) for hits in pictures.values()]
    return Score.of(values)
