"""The evaluation: ask what is not answered yet, log it, sum up."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from gesso.core.errors import GessoError, UsageError
from gesso.evaluate.confusion import with_matrices
from gesso.evaluate.log import SampleLog
from gesso.evaluate.provenance import made_by
from gesso.evaluate.report import Report, summarise
from gesso.evaluate.task import Model, Record, Sample, Task

__all__ = ["REPORT_NAME", "Plan", "evaluate"]

REPORT_NAME: Final = "report.json"

S = TypeVar("S", bound=Sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which samples of a task are asked, and how many at once.

    Attributes:
        count: how many samples; a larger count begins with the same ones.
        seed: which samples.
        batch: how many inputs the model gets at once; no score depends on it.
    """

    count: int = 1000
    seed: int = 0
    batch: int = 32

    def __post_init__(self) -> None:
        """Refuse to ask nothing."""
        for name, value in (("count", self.count), ("batch", self.batch)):
            if value < 1:
                raise UsageError(f"{name} is {value}; it must be at least 1")


def evaluate(
    model: Model,
    task: Task[S],
    plan: Plan,
    *,
    log: Path | None = None,
    weights: str = "",
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Score a model on a task.

    Args:
        model: what is evaluated.
        task: the benchmark.
        plan: which samples of it.
        log: folder of the log and the report. Answers that its log already has are not asked again, so an
            interrupted evaluation goes on where it was and a larger count adds to a smaller one.
        weights: what tells the model's weights from others under its name, such as `weights_digest` of its
            folder; a log of other weights is not gone on with.
        progress: told after each batch how many samples are done.

    Raises:
        UsageError: the task needs another count, or the log was made under other settings.
        UnsupportedError: the task is not for this sort of model.
        GessoError: the model refuses a sample, which is named; answers so far are in the log.
    """
    # before the log is made, which would hold the settings of an evaluation that cannot be
    task.check(model, plan.count)
    of = {"task": task.name, "model": model.name, "weights": weights, "seed": plan.seed}
    settings = {**of, **task.settings()}
    store = SampleLog(log, settings, made_by()) if log is not None else None
    # this run's own answers are added; the log keeps those of earlier runs, also where more were asked
    answered = dict(store.records) if store else {}
    records: list[Record] = []
    done = 0
    for samples in task.rounds(plan.seed, plan.count, plan.batch):
        missing = [sample for sample in samples if sample.key not in answered]
        new = _ask(model, task, missing, plan.batch) if missing else []
        if store and new:
            store.add(new)
        answered |= {record.key: record for record in new}
        records += [answered[sample.key] for sample in samples]
        # by id: a retrieval asks about each picture twice
        done += len({sample.id for sample in samples})
        if progress:
            progress(done)
    # only tasks whose figures are no means have these
    whole, parts = summarise(records, getattr(task, "rates", None))
    scores, matrices = with_matrices(parts)
    of_all = whole.n, whole.score, whole.stderr
    report = Report(task.name, model.name, task.split, plan.seed, *of_all, scores, matrices)
    if store:
        _write_report(store, report, settings)
    return report


def _ask(model: Model, task: Task[S], samples: Sequence[S], batch: int) -> list[Record]:
    """Ask about some samples; where the model refuses, find out which one it was."""
    try:
        return task.ask(model, samples, batch)
    except GessoError as error:
        # one by one, to tell which of them it was; rounds before this one are in the log
        if len(samples) > 1:
            for sample in samples:
                _ask(model, task, [sample], batch)
        names = " to ".join(dict.fromkeys(sample.id for sample in (samples[0], samples[-1])))
        raise GessoError(f"{model.name} gave no answer to sample {names}: {error}") from error


def _write_report(store: SampleLog, report: Report, settings: dict[str, Any]) -> None:
    values = {**report.to_dict(), "settings": settings, "made_by": store.makers}
    text = json.dumps(values, ensure_ascii=False, indent=2)
    (store.path.parent / REPORT_NAME).write_text(text + "\n", encoding="utf-8")
