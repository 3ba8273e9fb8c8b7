"""ScienceQA (arXiv 2209.09513): school questions with choices, about half of them with a picture."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gesso.core.errors import UnknownNameError

__all__ = [
    "FAILED",
    "FORMATS",
    "LETTERS",
    "chosen",
    "conversation",
    "expected_answer",
    "question",
    "read_letter",
]

LETTERS: Final = "ABCDE"
FAILED: Final = "FAILED"
"""What stands for an answer that names no letter."""

FORMATS: Final = ("CQM-A", "QCM-A", "QCM-LEA", "QCM-ALE", "QCML-A", "QCM-LEPA")
"""Orders of Context, Question, options (M), Lecture, Explanation and Answer; LLaVA asks in CQM-A."""

NAMED: Final = re.compile(r"The answer is ([A-Z]).")

Problem = Mapping[str, Any]
"""An entry of problems.json: question, choices, answer (an index), hint, image, lecture, solution."""


def question(problem: Problem, layout: str = "CQM-A") -> str:
    """What is asked.

    Raises:
        UnknownNameError: there is no such layout.
    """
    if layout not in FORMATS:
        raise UnknownNameError("layout of ScienceQA", layout, FORMATS)
    lines = {
        "C": f"Context: {problem['hint'] or 'N/A'}",
        "Q": f"Question: {problem['question']}",
        "M": "Options: " + " ".join(f"({a}) {b}" for a, b in zip(LETTERS, problem["choices"], strict=False)),
        "L": _lecture(problem),
    }
    return _tidy("\n".join(lines[part] for part in layout.partition("-")[0] if lines[part]))


def expected_answer(problem: Problem, layout: str = "CQM-A") -> str:
    """What is answered in the layout, with `Answer:` before it unless the layout has names of its own."""
    parts = layout.partition("-")[2]
    letter, lecture, solution = LETTERS[problem["answer"]], problem["lecture"], problem["solution"]
    if parts == "LEPA":
        named = (("LECTURE", lecture), ("SOLUTION", solution))
        lines = [*(f"{name}: {text}" for name, text in named if text), "###", f"ANSWER: {letter}."]
        return _tidy("\n".join(lines))
    answer = f"The answer is {letter}."
    told = " ".join(text for text in (lecture, solution) if text)
    texts = {"A": answer, "LEA": f"{told} {answer}", "ALE": f"{answer} BECAUSE: {told}"}
    return _tidy(f"Answer: {texts[parts]}")


def conversation(pid: str, problem: Problem, layout: str = "CQM-A") -> dict[str, Any]:
    """The problem as a record of LLaVA's JSON, with a picture if it has one."""
    asked, picture = question(problem, layout), problem["image"]
    answer = expected_answer(problem, layout).removeprefix("Answer: ")
    turns = [
        {"from": "human", "value": f"{asked}\n<image>" if picture else asked},
        {"from": "gpt", "value": answer},
    ]
    return {"id": pid, **({"image": f"{pid}/{picture}"} if picture else {}), "conversations": turns}


def read_letter(answer: str) -> str:
    """The letter that an answer names, or `FAILED`.

    That is an answer of a letter alone, one that begins with a letter, a stop and a blank, or one that says
    "The answer is X" once and goes on.
    """
    if answer in tuple(LETTERS):
        return answer
    if answer[1:3] == ". ":
        return answer[0]
    named = NAMED.findall(answer)
    return named[0] if len(named) == 1 else FAILED


def chosen(letter: str, choices: Sequence[str]) -> int:
    """Index of the choice that a letter names; -1 if there is none."""
    return LETTERS[: len(choices)].find(letter) if len(letter) == 1 else -1


def _lecture(problem: Problem) -> str:
    return f"BECAUSE: {problem['lecture']}" if problem["lecture"] else ""


def _tidy(text: str) -> str:
    return text.replace("  ", " ").strip()
