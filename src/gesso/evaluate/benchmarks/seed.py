"""SEED-Bench (arXiv 2307.16125): multiple choice; the answer must be the letter and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["shares", "upload"]

Question = Mapping[str, Any]
"""An entry of SEED-Bench.json: question_id, question_type_id, data_type, answer."""


def shares(
    questions: Iterable[Question], answers: Mapping[str, str], types: Mapping[str, int]
) -> dict[str, float]:
    """Shares of right answers by type of question, then "total", "image" and "video", where there are any.

    Args:
        questions: those that were asked.
        answers: by question id; a missing one is wrong.
        types: name of a type -> its number.
    """
    right: dict[str, list[bool]] = {name: [] for name in (*types, "total", "image", "video")}
    names = {number: name for name, number in types.items()}
    for question in questions:
        hit = answers.get(question["question_id"]) == question["answer"]
        for name in (names[question["question_type_id"]], "total", question["data_type"]):
            right[name].append(hit)
    return {name: sum(hits) / len(hits) for name, hits in right.items() if hits}


def upload(answers: Mapping[str, str]) -> list[dict[str, str]]:
    """Predictions as the leaderboard takes them, one line each."""
    return [{"question_id": name, "prediction": answer} for name, answer in answers.items()]
