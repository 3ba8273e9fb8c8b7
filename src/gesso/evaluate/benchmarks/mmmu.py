"""MMMU (arXiv 2311.16502): college questions in thirty subjects of six domains."""

from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Final

from gesso.core.errors import UsageError
from gesso.evaluate.benchmarks.choices import INSTRUCTIONS
from gesso.evaluate.benchmarks.vqa import SHORT_ANSWER

__all__ = [
    "CHOICE",
    "DOMAINS",
    "SUBJECTS",
    "MmmuQuestion",
    "example_weighted",
    "question_of",
    "shares",
    "subject_of",
]

CHOICE: Final = "multiple-choice"

DOMAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "Art and Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy",
        "Public_Health",
    ),
    "Humanities and Social Science": ("History", "Literature", "Sociology", "Psychology"),
    "Tech and Engineering": (
        "Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics", "Energy_and_Power",
        "Materials", "Mechanical_Engineering",
    ),
}  # fmt: skip
SUBJECTS: Final = tuple(subject for subjects in DOMAINS.values() for subject in subjects)


@dataclass(frozen=True, slots=True)
class MmmuQuestion:
    """A question as it is asked.

    Attributes:
        prompt: the whole text.
        options: letter -> text; empty for an open question.
        answer: the letter or the text, or several; None where it is not public.
    """

    prompt: str
    options: Mapping[str, str]
    answer: str | list[str] | None


def question_of(row: Mapping[str, Any]) -> MmmuQuestion:
    """The question of a row: question, options (a list, or Python's text of one), answer, question_type.

    Raises:
        UsageError: the options or answers are no list.
    """
    asked, answer = row["question"], _answer(row.get("answer"))
    if row["question_type"] != CHOICE:
        return MmmuQuestion(f"{asked}\n{SHORT_ANSWER}", {}, answer)
    texts = [str(text) for text in _listed(row["options"])]
    options = dict(zip(ascii_uppercase, texts, strict=False))
    lines = "".join(f"({letter}) {text}\n" for letter, text in options.items())
    return MmmuQuestion(f"{asked}\n{lines}\n{INSTRUCTIONS['en']}", options, answer)


def subject_of(name: str) -> str:
    """The subject in an id such as "validation_Art_Theory_3"."""
    return "_".join(name.split("_")[1:-1])


def shares(hits: Mapping[str, bool]) -> dict[str, tuple[float, int]]:
    """Shares of right answers with their counts: each domain, followed by its subjects, and "Overall".

    Args:
        hits: by question id.
    """
    found: dict[str, tuple[float, int]] = {}
    for domain, subjects in DOMAINS.items():
        by_subject = {
            name: [hit for key, hit in hits.items() if subject_of(key) == name] for name in subjects
        }
        found[domain] = example_weighted(
            {name: _share(values) for name, values in by_subject.items() if values}
        )
        found |= {name: _share(values) for name, values in by_subject.items() if values}
    found["Overall"] = example_weighted({name: found[name] for name in SUBJECTS if name in found})
    return found


def example_weighted(parts: Mapping[str, tuple[float, int]]) -> tuple[float, int]:
    """The share over all questions of some parts, each a share and a count; (0, 0) of nothing."""
    count = sum(number for _, number in parts.values())
    return (sum(share * number for share, number in parts.values()) / count, count) if count else (0.0, 0)


def _share(values: list[bool]) -> tuple[float, int]:
    return sum(values) / len(values), len(values)


def _answer(value: Any) -> str | list[str] | None:
    if value in (None, "", "?"):  # the test set has "?"
        return None
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return [str(each) for each in _listed(value)]
    return value if isinstance(value, str) else [str(each) for each in value]


def _listed(value: Any) -> list[Any]:
    """A list, also where it stands as text; the text is read, never run."""
    try:
        found = literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError) as error:
        raise UsageError(f"{value!r} is no list of texts; MMMU writes them as ['a', 'b']") from error
    if not isinstance(found, list | tuple):
        raise UsageError(f"{value!r} is no list of texts; MMMU writes them as ['a', 'b']")
    return list(found)
