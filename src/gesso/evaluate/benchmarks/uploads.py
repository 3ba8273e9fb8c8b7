"""Answers in the forms in which the servers of VQA benchmarks take them."""

from collections.abc import Iterable, Mapping
from typing import Any

from gesso.evaluate.benchmarks.vqa import normalise

__all__ = ["gqa_answer", "gqa_upload", "mmvet_upload", "vizwiz_upload", "vqav2_upload"]

Answers = Iterable[tuple[Any, str]]
"""Pairs of question id and answer."""


def gqa_answer(answer: str) -> str:
    """An answer as GQA compares it: small letters, no stops behind it."""
    return answer.rstrip(".").lower()


def gqa_upload(answers: Answers) -> list[dict[str, Any]]:
    """Predictions as GQA's scorer and server read them."""
    return [{"questionId": name, "prediction": gqa_answer(answer)} for name, answer in answers]


def vqav2_upload(answers: Answers, questions: Iterable[Any]) -> list[dict[str, Any]]:
    """Predictions for all questions of a split in their order; what was not asked is answered by nothing."""
    given: Mapping[Any, str] = dict(answers)
    return [
        {"question_id": name, "answer": normalise(given[name]) if name in given else ""} for name in questions
    ]


def vizwiz_upload(answers: Answers) -> list[dict[str, Any]]:
    """Predictions by picture file, as VizWiz takes them."""
    return [{"image": name, "answer": normalise(answer)} for name, answer in answers]


def mmvet_upload(answers: Answers) -> dict[str, str]:
    """Predictions as MM-Vet's grader reads them; the ids are numbers or what stands behind "v1_"."""
    return {f"v1_{name}": answer for name, answer in answers}
