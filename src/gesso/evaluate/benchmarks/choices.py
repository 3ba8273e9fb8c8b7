"""Multiple choice: options of a row, prompts, circular rounds, and the letter that an answer means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import ascii_uppercase
from typing import Any, Final

__all__ = [
    "CIRCLE", "INSTRUCTIONS", "Choice", "is_nothing", "letter_prompt", "options_of", "read_choice", "rounds",
    "select_prompt",
]  # fmt: skip

INSTRUCTIONS: Final = {
    "en": "Answer with the option's letter from the given choices directly.",
    "cn": "请直接回答选项字母。",
}
"""What LLaVA and Mini-Gemini are told behind the options, by language."""

CIRCLE: Final = 1_000_000
"""MMBench's files hold rotated copies of a question under its index plus multiples of this."""

NOTHING: Final = ("", "nan", "none")
ALL_LETTERS: Final = "ABCDEFGHI"
# what stands around a letter that is meant as one, in answers of a sentence
MARKS: Final = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
REFUSALS: Final = ("sorry, i can't help with images of people yet.", "i can't process this file.",
                   "cannot determine the answer", "without more information")  # fmt: skip
LONG: Final = 5
"""From so many words on an "A" may be the article."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to ask a question.

    Attributes:
        options: texts in the order in which they are shown.
        letters: of each, the letter that it has in the file.
    """

    options: tuple[str, ...]
    letters: tuple[str, ...]

    def original(self, shown: str) -> str:
        """The letter in the file of the option that is shown under a letter; "" if there is none."""
        place = ascii_uppercase.find(shown) if len(shown) == 1 else -1
        return self.letters[place] if 0 <= place < len(self.letters) else ""


def options_of(row: Mapping[str, Any], letters: str = "ABCD") -> Choice:
    """The options of a row, up to the first that is empty."""
    filled = list(takewhile(lambda letter: not is_nothing(row.get(letter)), letters))
    return Choice(tuple(str(row[letter]) for letter in filled), tuple(filled))


def rounds(choice: Choice, *, circular: bool = True) -> list[Choice]:
    """The question as it stands and, if `circular`, with the options rotated by one, two, ..."""
    turns = range(len(choice.options) if circular else 1)
    turned = ((*choice.options[n:], *choice.options[:n]) for n in turns)
    letters = ((*choice.letters[n:], *choice.letters[:n]) for n in turns)
    return [Choice(*pair) for pair in zip(turned, letters, strict=True)]


def letter_prompt(question: str, choice: Choice, hint: Any = None, instruction: str | None = None) -> str:
    """LLaVA's and Mini-Gemini's form: hint, question, one option a line, and the instruction."""
    lines = [question] if is_nothing(hint) else [str(hint), question]
    lines += [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, choice.options, strict=False)]
    return "\n".join([*lines, instruction] if instruction else lines)


def select_prompt(question: str, choice: Choice, hint: Any = None) -> str:
    """VLMEvalKit's form, in which OpenCompass's leaderboard asks."""
    lines = [] if is_nothing(hint) else [f"Hint: {hint}"]
    lines.append(f"Question: {question}")
    if choice.options:
        lines.append("Options:")
        lines += [f"{a}. {b}" for a, b in zip(ascii_uppercase, choice.options, strict=False)]
        lines.append("Please select the correct answer from the options above. ")
    return "\n".join(lines) + ("\n" if choice.options else "")


def read_choice(answer: str, options: Sequence[str]) -> str:
    """The letter that an answer means, "" if that cannot be told without a judge.

    A letter that stands as a word of its own is meant if it is the only one; else the option whose text the
    answer holds is, if it is the only one. This follows VLMEvalKit's matching without a model.
    """
    letters = ascii_uppercase[: len(options)]
    if any(refusal in answer.lower() for refusal in REFUSALS):
        return ""
    words = answer.translate(MARKS).split()
    named = [letter for letter in letters if letter in words]
    if len(named) == 1:
        return "" if named == ["A"] and len(words) > LONG and not _as_mark(answer, "A") else named[0]
    held = [a for a, text in zip(letters, options, strict=True) if text.lower() in answer.lower()]
    # long answers that name an option in passing are left to a judge
    short = len(answer) <= 2 * sum(map(len, options))
    return held[0] if not named and short and len(held) == 1 else ""


def is_nothing(value: Any) -> bool:
    """Whether a cell is empty, as pandas and the original's converters write that."""
    return value is None or value != value or str(value).strip().lower() in NOTHING


def _as_mark(answer: str, letter: str) -> bool:
    """Whether a letter stands with a sign that marks it as one of a list: "(A)", "A." or "A:"."""
    return re.search(rf"\({letter}\)|(?<!\w){letter}[.:)]", answer) is not None
