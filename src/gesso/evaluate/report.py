"""Scores of a whole evaluation: mean, standard error and count, in all and by kind of question."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from gesso.evaluate.confusion import Matrix
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record

__all__ = ["Report", "report_table", "summarise"]


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        task: name of the task.
        model: name of the model.
        split: the data it was drawn from.
        seed: which samples of it.
        n: number of samples.
        score: mean over the samples, 0-1.
        stderr: its standard error.
        scores: the same by kind of question, then further figures by name.
        matrices: confusion matrices by title, of tasks that have some.
    """

    task: str
    model: str
    split: str
    seed: int
    n: int
    score: float
    stderr: float
    scores: Mapping[str, Score]
    matrices: Mapping[str, Matrix] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; no matrices where there are none."""
        values = asdict(self)
        if not self.matrices:
            del values["matrices"]
        return values


def summarise(
    records: Iterable[Record], rates: Mapping[str, tuple[str, str]] | None = None
) -> tuple[Score, dict[str, Score]]:
    """The score over all samples, and the scores by kind, followed by those of the extra figures.

    Records that share an id are one sample, whose score is their mean: they are not independent, so counting
    them one by one would make the standard error too small.

    Args:
        records: what was answered.
        rates: figures that are no means: name -> the extra figures that are divided, over all samples.
    """
    samples: dict[str, list[float]] = {}
    kinds: dict[str, list[float]] = {}
    extras: dict[str, list[float]] = {}
    for record in records:
        # by kind, records count one by one: within a kind each sample has but one
        samples.setdefault(record.id, []).append(record.score)
        kinds.setdefault(record.kind, []).append(record.score)
        for name, value in record.extras.items():
            extras.setdefault(name, []).append(value)
    whole = Score.of([sum(scores) / len(scores) for scores in samples.values()])
    ratios = {
        name: Score.rate(extras[part], extras[over])
        for name, (part, over) in (rates or {}).items()
        if part in extras and over in extras
    }
    used = {name for pair in (rates or {}).values() for name in pair}
    parts = [*sorted(kinds.items()), *sorted((k, v) for k, v in extras.items() if k not in used)]
    return whole, {name: Score.of(values) for name, values in parts} | ratios


def report_table(report: Report) -> Table:
    """The report for people."""
    table = Table(title=f"{report.model}: {report.task}, split {report.split}, seed {report.seed}")
    table.add_column("kind")
    for column in ("score", "± stderr", "n"):
        table.add_column(column, justify="right")
    for name, part in report.scores.items():
        table.add_row(name, f"{part.score:.4f}", f"{part.stderr:.4f}", str(part.n))
    table.add_section()
    table.add_row("all", f"{report.score:.4f}", f"{report.stderr:.4f}", str(report.n), style="bold")
    return table
