"""How VQA benchmarks compare answers: one normal form of a short answer, and agreement with ten annotators.

The rule is that of the VQA challenge (visualqa.org/evaluation.html), as the TextVQA scorers of LLaVA and
Mini-Gemini have it, oddities included, which is what published numbers were counted with.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from gesso.core.errors import UsageError

__all__ = ["ANNOTATORS", "SHORT_ANSWER", "normalise", "soft_score"]

SHORT_ANSWER: Final = "Answer the question using a single word or phrase."
"""What LLaVA and Mini-Gemini are told behind a question that wants a short answer."""

ANNOTATORS: Final = 10
AGREEMENT: Final = 3
"""So many of the other annotators make an answer fully right."""

PUNCTUATION: Final = ';/[]"{}()=+\\_-><@`,?!'
ARTICLES: Final = frozenset(("a", "an", "the"))
NUMBERS: Final = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
DIGIT_COMMA: Final = re.compile(r"\d,+\d")
PERIOD: Final = re.compile(r"\.(?!\d)")
PERIODS_REMOVED: Final = 32
"""The original gives `re.UNICODE`, which is 32, where `re.sub` takes a count."""

# each is also accepted with one of its apostrophes left out; those with a capital I never match lowered text
CONTRACTED: Final = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've
somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll
that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've
we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's
who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've
you'll you're you've
"""


def normalise(answer: str) -> str:
    """The normal form of a short answer: small letters, digits for numbers, no articles or punctuation."""
    text = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    return _words(_without_punctuation(text))


def soft_score(prediction: str, answers: Sequence[str]) -> float:
    """How far the annotators agree with an answer, 0-1.

    For each annotator the other nine are asked: three who said the same make it fully right; the mean over
    the ten is the score.

    Raises:
        UsageError: there are not ten answers.
    """
    if len(answers) != ANNOTATORS:
        raise UsageError(
            f"{len(answers)} answers to a question; the VQA rule wants those of {ANNOTATORS} annotators"
        )
    given = [normalise(answer) for answer in answers]
    said = normalise(prediction)
    same = given.count(said)
    # an annotator who said it does not count towards the agreement of the others
    shares = [min(1.0, (same - (answer == said)) / AGREEMENT) for answer in given]
    return sum(shares) / ANNOTATORS if same else 0.0


def _without_punctuation(text: str) -> str:
    found = text
    everywhere = DIGIT_COMMA.search(text) is not None
    for mark in PUNCTUATION:
        beside_a_blank = f"{mark} " in text or f" {mark}" in text
        found = found.replace(mark, "" if beside_a_blank or everywhere else " ")
    return PERIOD.sub("", found, count=PERIODS_REMOVED)


def _words(text: str) -> str:
    words = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_contractions().get(word, word) for word in words if word not in ARTICLES)


@cache
def _contractions() -> dict[str, str]:
    """Forms with an apostrophe too few -> the right ones."""
    found = {
        "somebody'd": "somebodyd"
    }  # the one entry of the challenge's table that stands the wrong way round
    for right in CONTRACTED.split():
        for place, letter in enumerate(right):
            if letter == "'":
                found[right[:place] + right[place + 1 :]] = right
    return found
