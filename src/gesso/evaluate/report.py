"""Scores of a whole evaluation: mean, standard error and count, in all and by kind of question."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from gesso.evaluate.confusion import Matrix
from gesso.evaluate.score import Score
from gesso.evaluate.task import Record

__all__ = ["ALL", "Outcome", "Published", "Report", "report_table", "summarise"]

ALL = "all"
"""Name of the score over all samples."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a model's publishers report of a figure.

    Attributes:
        figure: name of the figure in the report.
        value: theirs, in the report's unit.
        tolerance: how far a score of all samples may lie from it and still agree.
        source: where it stands.
    """

    figure: str
    value: float
    tolerance: float
    source: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task makes of all its records, beside means.

    Attributes:
        figures: further figures by name.
        headline: name of the figure that takes the place of the mean as the score of the task.
        files: name -> content of files for a benchmark's server or scorer.
        published: figures of the model's publishers.
        notes: what a reader of the score has to know, such as who gives it.
    """

    figures: Mapping[str, Score] = field(default_factory=dict)
    headline: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        task: name of the task.
        model: name of the model.
        split: the data it was drawn from.
        seed: which samples of it.
        n: number of samples.
        score: mean over the samples, 0-1, or the benchmark's own figure; None where somebody else gives it.
        stderr: its standard error.
        scores: the same by kind of question, then further figures by name.
        matrices: confusion matrices by title, of tasks that have some.
        published: figures of the model's publishers.
        notes: what a reader of the score has to know.
    """

    task: str
    model: str
    split: str
    seed: int
    n: int
    score: float | None
    stderr: float | None
    scores: Mapping[str, Score]
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()
    matrices: Mapping[str, Matrix] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; what there is none of is left out."""
        optional = ("published", "notes", "matrices")
        return {name: value for name, value in asdict(self).items() if value or name not in optional}


def summarise(
    records: Iterable[Record], rates: Mapping[str, tuple[str, str]] | None = None
) -> tuple[Score | None, dict[str, Score]]:
    """The score over all samples, and the scores by kind, followed by those of the extra figures.

    Records that share an id are one sample, whose score is their mean: they are not independent, so counting
    them one by one would make the standard error too small. Where a record has no score, neither the whole
    nor its kind has one.

    Args:
        records: what was answered.
        rates: figures that are no means: name -> the extra figures that are divided, over all samples.
    """
    samples: dict[str, list[float]] = {}
    kinds: dict[str, list[float]] = {}
    extras: dict[str, list[float]] = {}
    open_kinds: set[str] = set()
    for record in records:
        if record.score is None:
            open_kinds.add(record.kind)
        else:
            # by kind, records count one by one: within a kind each sample has but one
            samples.setdefault(record.id, []).append(record.score)
            kinds.setdefault(record.kind, []).append(record.score)
        for name, value in record.extras.items():
            extras.setdefault(name, []).append(value)
    means = [sum(scores) / len(scores) for scores in samples.values()]
    whole = None if open_kinds else Score.of(means)
    ratios = {
        name: Score.rate(extras[part], extras[over])
        for name, (part, over) in (rates or {}).items()
        if part in extras and over in extras
    }
    used = {name for pair in (rates or {}).values() for name in pair}
    scored = {kind: scores for kind, scores in kinds.items() if kind not in open_kinds}
    parts = [*sorted(scored.items()), *sorted((k, v) for k, v in extras.items() if k not in used)]
    return whole, {name: Score.of(values) for name, values in parts} | ratios


def report_table(report: Report) -> Table:
    """The report for people."""
    table = Table(title=f"{report.model}: {report.task}, split {report.split}, seed {report.seed}")
    table.add_column("kind")
    for column in ("score", "± stderr", "n", *(["published"] if report.published else [])):
        table.add_column(column, justify="right")
    theirs = {each.figure: f"{each.value:.4f} ± {each.tolerance:g}" for each in report.published}
    for name, part in report.scores.items():
        figures = (f"{part.score:.4f}", f"{part.stderr:.4f}", str(part.n))
        table.add_row(name, *figures, *([theirs.get(name, "")] if theirs else []))
    table.add_section()
    whole = ("open", "") if report.score is None else (f"{report.score:.4f}", f"{report.stderr:.4f}")
    table.add_row(ALL, *whole, str(report.n), *([theirs.get(ALL, "")] if theirs else []), style="bold")
    return table
