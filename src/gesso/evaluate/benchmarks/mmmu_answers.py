"""How MMMU reads and judges answers, by the rule of its official scorer, oddities included."""

import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final

__all__ = [
    "choice_right",
    "key_phrases",
    "normal_forms",
    "numbers_in",
    "open_right",
    "read_choice",
    "read_open",
]

Value = str | float

STRIPPED: Final = ",.!?;:'"
"""Signs that are taken off both ends of an answer, each kind in turn."""

WORDY: Final = 5
"""Answers of more words than this are searched for the texts of options."""

SENTENCES: Final = re.compile(r"\.\s(?=[A-Z])|\n")
INDICATORS: Final = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
"""An answer is looked for behind these; in the last part also behind "="."""

NUMBERS: Final = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
"""Numbers with commas, in scientific notation, and plain ones."""


def read_choice(answer: str, options: Mapping[str, str], rng: Random) -> str:
    """The letter that an answer means; one at random if it names none.

    Letters in brackets come before letters that stand alone, those before texts of options (in answers of
    more than five words). Of several the one that is named last is meant.

    Args:
        answer: what the model said.
        options: letter -> text.
        rng: draws where nothing is named.
    """
    text = answer
    for sign in STRIPPED:
        text = text.strip(sign)
    text = f" {text} "
    for form in ("({})", " {} "):
        places = {
            letter: text.rfind(form.format(letter)) for letter in options if form.format(letter) in text
        }
        if places:
            return _last(places)
    lowered = text.lower()
    if len(text.split()) > WORDY:
        held = {letter: lowered.rfind(option.lower()) for letter, option in options.items()}
        held = {letter: place for letter, place in held.items() if place >= 0}
        if held:
            return _last(held)
    return rng.choice(list(options))


def read_open(answer: str) -> list[Value]:
    """Everything that an answer to an open question may be taken to say: phrases and numbers, each once."""
    phrases = key_phrases(answer)
    said: list[str] = [*phrases, *(number for phrase in phrases for number in numbers_in(phrase))]
    return list(dict.fromkeys(form for text in said for form in normal_forms(text)))


def key_phrases(answer: str) -> list[str]:
    """The shortest phrase behind an indicator in each part of an answer, or else the whole answer."""
    # in small letters no capital follows a stop any more, so only line breaks part it; the original does
    # the same
    text = answer.strip().strip(".").lower()
    parts = SENTENCES.split(text)
    found = []
    for number, part in enumerate(parts, start=1):
        indicators = (*INDICATORS, "=") if number == len(parts) else INDICATORS
        behind = [part.split(indicator)[-1].strip() for indicator in indicators if indicator in part]
        shortest = _shortest(behind)
        if shortest and shortest not in tuple(STRIPPED):
            found.append(shortest)
    return found or [text]


def numbers_in(text: str) -> list[str]:
    """All numbers of a text as they stand there."""
    return [number for pattern in NUMBERS for number in pattern.findall(text)]


def normal_forms(text: str) -> list[Value]:
    """A number, rounded to two decimals; else the text in small letters, one alone with a blank beside it."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        return [round(number, 2)]
    lowered = text.lower()
    # a bare letter would be found inside any word
    return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def choice_right(answer: str | Sequence[str], said: str) -> bool:
    """Whether a letter is right; of several right answers any will do."""
    return said == answer if isinstance(answer, str) else said in answer


def open_right(answer: str | Sequence[str], said: Iterable[Value]) -> bool:
    """Whether anything said is right: a number that equals one, a text that holds one."""
    answers = [answer] if isinstance(answer, str) else answer
    right = [form for each in answers for form in normal_forms(each)]
    texts = [form for form in right if isinstance(form, str)]
    return any(
        any(text in value for text in texts) if isinstance(value, str) else value in right for value in said
    )


def _last(places: Mapping[str, int]) -> str:
    """The letter with the highest place, the first of equals."""
    return max(places, key=lambda letter: places[letter])


def _shortest(phrases: Sequence[str]) -> str:
    """The shortest phrase, the first of equals; an empty one gives way to the next, as in the original."""
    shortest = ""
    for phrase in phrases:
        if not shortest or len(phrase) < len(shortest):
            shortest = phrase
    return shortest


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
