"""What a field of a canvas may hold; each check names the field, what came and what is allowed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from reprlib import Repr
from typing import Final

from gesso.canvas.limits import MAX_DETAILS, MAX_NAME, MAX_NUMBER, MAX_TEXT
from gesso.core.errors import CanvasError

__all__ = [
    "check_distance", "check_keys", "check_name", "check_subject", "check_text", "check_texts", "listed",
    "shown",
]  # fmt: skip

_SUBJECT: Final = re.compile(
    r"(?:[^\W_][\w '\-]*=)?[^\W_][\w .()+,'\-]*\.(?:png|jpg|jpeg|webp)", re.IGNORECASE
)

_SHORT: Final = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 4
_SHORT.maxlevel = 2


def shown(value: object) -> str:
    """A value as Python writes it, long ones cut in the middle."""
    return _SHORT.repr(value)


def check_text(field: str, value: object) -> None:
    """Refuse what is no string, too long, or not fit for a file."""
    if not isinstance(value, str):
        raise CanvasError(f"{field} is {shown(value)}, {_a(value)}; write one string in quotes")
    if len(value) > MAX_TEXT:
        raise CanvasError(f"{field} has {len(value)} characters; at most {MAX_TEXT} are read, so shorten it")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise CanvasError(f"{field} holds half a surrogate pair in {shown(value)}; write the letter itself")


def check_texts(field: str, value: object) -> None:
    """Refuse what is no tuple of strings, or has too many of them."""
    if not isinstance(value, tuple):
        raise CanvasError(f"{field} is {shown(value)}, {_a(value)}; give several strings")
    if len(value) > MAX_DETAILS:
        raise CanvasError(
            f"{field} has {len(value)} entries; at most {MAX_DETAILS} are read, so leave some out"
        )
    for index, text in enumerate(value):
        check_text(f"{field}[{index}]", text)


def check_name(field: str, value: object, options: Iterable[str]) -> None:
    """Refuse what is none of the names that a field may have."""
    if isinstance(value, str) and value in options:
        return
    near = get_close_matches(value, options, n=3) if isinstance(value, str) and len(value) < 100 else []
    hint = f"did you mean {' or '.join(near)}?" if near else f"use one of: {listed(options)}"
    raise CanvasError(f"{field} is {shown(value)}; {hint}")


def check_distance(field: str, value: object) -> None:
    """Refuse what is no positive number; infinity is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CanvasError(f"{field} is {shown(value)}, {_a(value)}; write a number above 0, such as 5.0")
    if not value > 0:
        raise CanvasError(f"{field} is {value!r}; write a number above 0, small for what is near")
    if isinstance(value, int) and value > MAX_NUMBER:
        raise CanvasError(f"{field} is above 1e300; write a smaller number, such as 100")


def check_subject(field: str, value: object) -> None:
    """Refuse what is no plain name of a picture file, with or without a noun before it.

    A name cannot leave the folder it is looked for in: it has no slash, colon or leading dot.
    """
    if not isinstance(value, str):
        raise CanvasError(f"{field} is {shown(value)}, {_a(value)}; write the name of a picture in quotes")
    if len(value) > MAX_NAME or _SUBJECT.fullmatch(value) is None:
        raise CanvasError(
            f"{field} is {shown(value)}; write the plain name of a .png, .jpg, .jpeg or .webp file, without "
            f"a folder, as cat.png, or with a noun, as cat=photo.png; at most {MAX_NAME} letters in all"
        )


def check_keys(
    what: str, data: object, known: Sequence[str], optional: Sequence[str] = ()
) -> Mapping[str, object]:
    """A mapping that has every required key and no unknown one."""
    if not isinstance(data, Mapping):
        raise CanvasError(
            f"{what} is {shown(data)}, {_a(data)}; give an object with the keys {', '.join(known)}"
        )
    unknown = [shown(key) for key in data if key not in known]
    missing = [key for key in known if key not in data and key not in optional]
    if unknown:
        raise CanvasError(f"{what} has the unknown key {unknown[0]}; it may have: {', '.join(known)}")
    if missing:
        raise CanvasError(f"{what} lacks the key {missing[0]!r}; add it")
    return data


def listed(options: Iterable[str]) -> str:
    """The names a field may have; many are cut short."""
    names = list(options)
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:6])}, ... ({len(names)} in all)"


def _a(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
