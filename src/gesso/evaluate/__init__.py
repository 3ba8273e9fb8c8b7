"""Evaluation: tasks with their scorers, resumable runs, and scores with count, standard error and seed."""

from gesso.evaluate.provenance import weights_digest
from gesso.evaluate.report import Report, Score, report_table
from gesso.evaluate.run import evaluate
from gesso.evaluate.task import TASKS, Answers, Embeds, Record, Sample, Task

__all__ = [
    "TASKS",
    "Answers",
    "Embeds",
    "Record",
    "Report",
    "Sample",
    "Score",
    "Task",
    "evaluate",
    "report_table",
    "weights_digest",
]
