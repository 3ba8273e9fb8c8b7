"""What a planner notes before it writes the program of a storybook canvas, worked out step by step.

Every step needs one look back: at the wish, at the canvas before, at its note, or at the note itself.

    Plan: red fish left of yellow ball on the right: in the center; yellow ball on the right
    Plan: the ball on the right; yellow ball on the right, now on the right a big ball; red fish
"""

from collections.abc import Mapping, Sequence
from typing import Final

from gesso.canvas.notes import note_line
from gesso.storybook.refer import reference
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.wish import Wish
from gesso.storybook.words import Words, words_of

__all__ = ["edit_note", "plan_note"]

NOW: Final[Mapping[str, str]] = {"en": "now", "zh": "变成"}
GONE: Final[Mapping[str, str]] = {"en": "gone", "zh": "去掉"}
NEW: Final[Mapping[str, str]] = {"en": "new", "zh": "新加"}


def plan_note(wish: Wish, language: str = "en") -> str:
    """Where each thing of a wish goes; of one that is placed from another, how that follows."""
    words = words_of(language)
    items = []
    for thing in wish.things:
        name = _name(thing, words)
        if thing in wish.relations:
            way, other = wish.relations[thing]
            name += f" {way} of {_name(other, words)} {other.location}:"
        items.append(f"{name} {thing.location}")
    return note_line(items)


def edit_note(order: Sequence[Thing], before: Scene, after: Scene, language: str = "en") -> str:
    """Which thing changes, where each thing was, and what becomes of the one that changes.

    Args:
        order: the things of `before`, in the order of its program.
        before: the scene that is edited.
        after: the scene it becomes.
        language: of both programs.
    """
    words = words_of(language)
    new = [thing for thing in after.things if thing not in before.things]
    changed = len(after.things) == len(before.things)
    # what is asked for comes first, in the words of the request: its place is then a match of one name
    items = [
        f"{reference(before, thing, language)} {thing.location}"
        for thing in order
        if thing not in after.things
    ]
    for thing in order:
        item = f"{_name(thing, words)} {thing.location}"
        if thing not in after.things:
            item += f", {NOW[language]} {_told(new.pop(), words)}" if changed else f", {GONE[language]}"
        items.append(item)
    return note_line([*items, *(f"{NEW[language]} {_told(thing, words)}" for thing in new)])


def _name(thing: Thing, words: Words) -> str:
    """A thing in short, as `canvas_note` names its region."""
    return f"{thing.colour} {words.kinds[thing.kind]}"


def _told(thing: Thing, words: Words) -> str:
    """Where a thing is, as programs say it, and what it looks like."""
    return f"{thing.location} {words.phrase(thing)}"
