"""MathVista (arXiv 2310.02255): mathematics in pictures; answers are extracted, typed and compared.

Extraction tries what needs no language model first. Where that fails the official protocol asks GPT-4 with
`EXTRACTION`, a prompt of five examples.
"""

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final

from gesso.core.errors import UsageError

__all__ = [
    "EXTRACTION", "accuracy", "extraction_prompt", "gained", "is_right", "query", "quick_answer", "scores",
    "typed_answer",
]  # fmt: skip

CHOICE: Final = "multi_choice"
GROUPS: Final = (
    "question_type",
    "answer_type",
    "language",
    "source",
    "category",
    "task",
    "context",
    "grade",
    "skills",
)
OF_PROBLEM: Final = ("question_type", "answer_type")
"""Groups that stand in a problem itself; the others stand in its metadata."""

QUOTED: Final = re.compile(r'The answer is "(.*)"\.')
BRACKETED: Final = re.compile(r"\(([a-zA-Z])\)")

HINTS: Final = {
    CHOICE: "provide the correct option letter, e.g., A, B, C, D, at the end.",
    "integer": "an integer answer and provide the final value, e.g., 1, 2, 3, at the end.",
    "float 1": "a floating-point number with one decimal place and provide the final value, "
    "e.g., 1.2, 1.3, 1.4, at the end.",
    "float 2": "a floating-point number with two decimal places and provide the final value, "
    "e.g., 1.23, 1.34, 1.45, at the end.",
    "list": "a Python list as an answer and provide the final list, "
    "e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end.",
}  # fmt: skip

EXAMPLES: Final = (
    ("integer", "Which number is missing?", "The number missing in the sequence is 14.", "14"),
    (
        "float 1", "What is the fraction of females facing the camera?",
        "The fraction of females facing the camera is 0.6, which means that six out of ten females in "
        "the group are facing the camera.", "0.6",
    ),
    (
        "float 2",
        "How much money does Luca need to buy a sour apple candy and a butterscotch candy? (Unit: $)",
        "Luca needs $1.45 to buy a sour apple candy and a butterscotch candy.", "1.45",
    ),
    (
        "list", "Between which two years does the line  graph saw its maximum peak?",
        "The line graph saw its maximum peak between 2007 and 2008.", "[2007, 2008]",
    ),
    (
        CHOICE,
        "What fraction of the shape is blue?\nChoices:\n(A) 3/11\n(B) 8/11\n(C) 6/11\n(D) 3/5",
        "The correct answer is (B) 8/11.", "B",
    ),
)  # fmt: skip

Problem = Mapping[str, Any]
"""An entry of testmini.json: question, choices, unit, precision, question_type, answer_type, metadata."""


def query(problem: Problem) -> str:
    """What is asked: a hint at the form of the answer, the question, its unit, and its choices.

    Raises:
        UsageError: the answer is of a form that MathVista does not have.
    """
    unit = f" (Unit: {problem['unit']})" if problem["unit"] else ""
    lines = [_hint(_form(problem)), f"Question: {problem['question']}{unit}"]
    if problem["choices"]:
        lines.append("Choices:")
        lines += [f"({a}) {text}" for a, text in zip(ascii_uppercase, problem["choices"], strict=False)]
    return "\n".join(lines)


def quick_answer(response: str, problem: Problem, *, quoted: bool = False) -> str | None:
    """The answer in a response, None if a language model has to find it.

    Args:
        response: what the model said.
        problem: the problem.
        quoted: whether 'The answer is "B".' is read too, which the original does on request.
    """
    if not response:
        return ""
    if problem["question_type"] == CHOICE and response in problem["choices"]:
        return response
    convert = {"integer": int, "float": float}.get(problem["answer_type"])
    if convert is not None:
        try:
            return str(convert(response))
        except ValueError:
            pass
    named = QUOTED.search(response) if quoted else None
    return named[1] if named else None


def extraction_prompt(problem_query: str, response: str, examples: str | None = None) -> str:
    """What a language model is asked that is to find the answer in a response."""
    begin = EXTRACTION if examples is None else examples
    return f"{begin.strip()}\n\n{problem_query}\n\n{response}\n\nExtracted answer: "


def typed_answer(extraction: Any, problem: Problem) -> str | None:
    """An extracted answer in the problem's form: the text of a choice or of a number; None if it is none.

    A choice is found by its letter, else by the likest text. Free texts stay as they are.
    """
    if problem["question_type"] == CHOICE:
        return _choice(extraction, problem["choices"])
    try:
        match problem["answer_type"]:
            case "integer":
                return str(int(float(extraction)))
            case "float":
                return str(round(float(extraction), int(problem["precision"])))
            case "list":
                return str(extraction)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if extraction is None else str(extraction)


def is_right(prediction: str | None, answer: Any) -> bool:
    """Whether a typed answer equals the true one as text."""
    return prediction is not None and prediction == str(answer)


def scores(results: Mapping[str, Problem], hits: Mapping[str, bool]) -> dict[str, Any]:
    """Accuracy over all problems ("average") and by each group of the official table.

    Args:
        results: problems by pid.
        hits: by pid, whether its answer is right.
    """
    found: dict[str, Any] = {"average": accuracy(list(hits.values()))}
    for group in GROUPS:
        values: dict[str, list[bool]] = {}
        for pid, hit in hits.items():
            for value in _values(results[pid], group):
                values.setdefault(value, []).append(hit)
        found[group] = {value: accuracy(part) for value, part in values.items()}
    return found


def accuracy(hits: Sequence[bool]) -> dict[str, Any]:
    """Percent of right answers as text with two decimals, with both counts."""
    return {"accuracy": f"{100 * sum(hits) / len(hits):.2f}", "correct": sum(hits), "total": len(hits)}


def gained(found: Mapping[str, Any], chance: Mapping[str, Any]) -> dict[str, Any]:
    """Scores with `acc_gain`, the points by which they beat those of guessing, which are published."""
    whole = found["average"]
    made: dict[str, Any] = {"average": {**whole, "acc_gain": _gain(whole, chance["average"])}}
    for group, parts in found.items():
        if group != "average":
            base = chance[group]
            made[group] = {
                name: {**part, "acc_gain": str(_gain(part, base[name]))} for name, part in parts.items()
            }
    return made


def _gain(part: Mapping[str, Any], base: Mapping[str, Any]) -> float:
    return round(float(part["accuracy"]) - float(base["accuracy"]), 2)


def _values(problem: Problem, group: str) -> list[str]:
    value = problem[group] if group in OF_PROBLEM else problem["metadata"][group]
    return value if isinstance(value, list) else [value]


def _form(problem: Problem) -> str:
    if problem["question_type"] == CHOICE:
        return CHOICE
    kind = problem["answer_type"]
    return f"float {problem['precision'] or 0:g}" if kind == "float" else kind


def _hint(form: str) -> str:
    if form not in HINTS:
        raise UsageError(f"MathVista has no problem of the form {form!r}; it has {', '.join(HINTS)}")
    joint = "and" if form == CHOICE else "requiring"
    return f"Hint: Please answer the question {joint} {HINTS[form]}"


def _choice(extraction: Any, choices: Sequence[str]) -> str:
    said = str(extraction).strip()
    bracketed = BRACKETED.search(said)
    letter = bracketed[1].upper() if bracketed else said
    place = ascii_uppercase.find(letter) if len(letter) == 1 else -1
    if 0 <= place < len(choices):
        return choices[place]
    return min(choices, key=lambda text: _distance(letter, text))


def _distance(one: str, other: str) -> int:
    """Letters to put in, leave out or change to make one text of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for count, letter in enumerate(one, start=1):
        before, row[0] = row[0], count
        for place, wanted in enumerate(other, start=1):
            best = min(row[place] + 1, row[place - 1] + 1, before + (letter != wanted))
            before, row[place] = row[place], best
    return row[-1]


def _examples() -> str:
    begin = (
        "\nPlease read the following example. Then extract the answer from the model response "
        "and type it at the end of the prompt."
    )
    parts = [
        f"{_hint(form)}\nQuestion: {asked}\n\nModel response: {said}\n\nExtracted answer: {answer}\n"
        for form, asked, said, answer in EXAMPLES
    ]
    return f"{begin}\n\n" + "\n".join(parts)


EXTRACTION: Final = _examples()
"""The examples before each extraction, as the official protocol has them."""
