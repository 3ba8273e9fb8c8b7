"""What a judge is asked who grades answers of MM-Vet, and how its grade is read.

The scale and the rule of <AND> and <OR> are the benchmark's (arXiv 2308.02490, section 3.2); the words are
gesso's own, so grades are not those of the official grader, whoever the judge is.
"""

import re
from typing import Final

from gesso.core.errors import GessoError

__all__ = ["grade_of", "grading_prompt"]

NUMBER: Final = re.compile(r"(?<![\d.])(?:0(?:\.\d+)?|1(?:\.0+)?)(?![\d.]*\d)")

RULE: Final = """Grade an answer to a question about a picture that you cannot see.
Give a number from 0.0 (wrong) to 1.0 (right) in steps of 0.1.
Where the true answer has <AND>, all of its parts must be in the answer for 1.0; where it has <OR>, one is
enough.
Judge what is said, not how. Reply with the number alone."""


def grading_prompt(question: str, truth: str, answer: str) -> str:
    """What the judge is asked."""
    return f"{RULE}\n\nQuestion: {question}\nTrue answer: {truth}\nAnswer: {answer}\nGrade:"


def grade_of(reply: str) -> float:
    """The grade in a judge's reply, 0-1.

    Raises:
        GessoError: there is none.
    """
    found = NUMBER.findall(reply)
    if not found:
        raise GessoError(
            f"the judge replied {reply!r}, which holds no grade from 0.0 to 1.0; take another judge"
        )
    return float(found[-1])
