"""TextVQA (arXiv 1904.08920): questions about text in pictures, with or without OCR tokens."""

import re
from collections.abc import Sequence
from typing import Final

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.vqa import SHORT_ANSWER, normalise, soft_score

__all__ = ["answer_scores", "exact_score", "prompt", "question_of"]

TOKENS: Final = "Reference OCR token: "
OLD_LAYOUT: Final = re.compile(r"Question: (.*?) Short answer:", re.DOTALL)


def prompt(question: str, read: Sequence[str] | None = None) -> str:
    """What LLaVA and Mini-Gemini are asked; `read` are the OCR tokens, None leaves their line out."""
    lines = [question] if read is None else [question, TOKENS + ", ".join(read)]
    return "\n".join((*lines, SHORT_ANSWER))


def question_of(prompt: str) -> str:
    """The question in a prompt of LLaVA's question files, in small letters.

    Raises:
        UsageError: the prompt has none of the three layouts.
    """
    lines = prompt.split("\n")
    old = OLD_LAYOUT.search(prompt) if prompt.startswith("OCR tokens: ") else None
    if old:
        return old[1].lower()
    if TOKENS in prompt and len(lines) == 3:
        # the tokens stand before or behind the question
        return lines[1 if prompt.startswith(TOKENS) else 0].lower()
    if TOKENS not in prompt and len(lines) == 2:
        return lines[0].lower()
    raise UsageError(f"prompt {prompt!r} is not laid out as LLaVA's TextVQA files are: a question, a line of "
                     "OCR tokens or none, and the instruction; or the older form in one line")  # fmt: skip


def answer_scores(answers: Sequence[str]) -> dict[str, float]:
    """The score of each answer that an annotator gave, by its normal form."""
    return {normal: soft_score(normal, answers) for normal in map(normalise, answers)}


def exact_score(prediction: str, answers: Sequence[str]) -> float:
    """1 if any annotator said it, else 0: the measure of ST-VQA."""
    return float(normalise(prediction) in map(normalise, answers))
