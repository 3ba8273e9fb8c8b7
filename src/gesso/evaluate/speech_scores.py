"""Errors of transcripts, counted as speech recognition counts them: in words, in Chinese in characters."""

import re
import unicodedata
from typing import Any, Final

from gesso.core.errors import MissingExtraError

__all__ = ["UNITS", "count_errors", "normalise_transcript"]

UNITS: Final = {"zh": "characters"}
"""What is counted, by language; words in all others."""

LOOSE_APOSTROPHE: Final = re.compile(r"(?<!\w)'|'(?!\w)")


def normalise_transcript(text: str, language: str) -> str:
    """A transcript without capitals and punctuation; of Chinese also without spaces.

    Letters of full width become plain ones (Unicode's NFKC). An apostrophe inside a word stays.
    """
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    words = "".join(each if _counts(each) else " " for each in plain)
    parts = LOOSE_APOSTROPHE.sub(" ", words).split()
    return ("" if language in UNITS else " ").join(parts)


def count_errors(prediction: str, target: str, language: str) -> tuple[int, int]:
    """Substitutions, insertions and deletions that turn the target into the prediction, and its length.

    Both are normalised; a target that nothing is left of counts each unit of the prediction as an error.

    Raises:
        MissingExtraError: jiwer is not installed.
    """
    said, wanted = (normalise_transcript(text, language) for text in (prediction, target))
    if not wanted:
        return len(said if language in UNITS else said.split()), 0
    jiwer = _jiwer()
    process = jiwer.process_characters if language in UNITS else jiwer.process_words
    found = process(wanted, said)
    errors = found.substitutions + found.insertions + found.deletions
    return int(errors), int(found.hits + found.substitutions + found.deletions)


def _counts(character: str) -> bool:
    # accents that stand alone are marks (Mn) of the letter before them
    return character.isalnum() or character == "'" or unicodedata.category(character) == "Mn"


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtraError("jiwer", "audio") from error
    return jiwer
