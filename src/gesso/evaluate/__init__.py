"""Evaluation: tasks with their scorers, resumable runs, and scores with count, standard error and seed."""

from gesso.evaluate.report import Report, report_table
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.score import Score
from gesso.evaluate.task import TASKS, Answers, Embeds, Record, Sample, Task

__all__ = [
    "TASKS",
    "Answers",
    "Embeds",
    "Plan",
    "Record",
    "Report",
    "Sample",
    "Score",
    "Task",
    "evaluate",
    "report_table",
]
