"""What a planner says before a canvas program: the plan in one line, worked out step by step.

A program tells where a thing is before it tells what it is, so its writer has to know all of it beforehand.
In a note every step needs one look back: at the wish, at the canvas before, or at the note itself.

    Plan: yellow ball on the right; red fish left of yellow ball: in the center
    Plan: the ball: on the right, a small yellow ball, now in the center, a small yellow ball

Source of the idea: chain-of-thought prompting (arXiv 2201.11903).
"""

from collections.abc import Mapping
from typing import Final

from gesso.canvas.grammar import NOTE
from gesso.storybook.compose import Edit
from gesso.storybook.refer import reference
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.wish import Wish
from gesso.storybook.words import Words, words_of

__all__ = ["edit_note", "plan_note"]

BECOMES: Final[Mapping[str, str]] = {"en": "now", "zh": "变成"}
GONE: Final[Mapping[str, str]] = {"en": "gone", "zh": "去掉"}
NEW: Final[Mapping[str, str]] = {"en": "new", "zh": "新加"}


def plan_note(wish: Wish, language: str = "en") -> str:
    """Where each thing of a wish goes, in `Wish.plan_order`; one line with its end."""
    words = words_of(language)
    items = []
    for thing in wish.plan_order:
        name = _name(thing, words)
        if thing in wish.relations:
            way, other = wish.relations[thing]
            name += f" {way} of {_name(other, words)}:"
        items.append(f"{name} {thing.location}")
    return f"{NOTE}{'; '.join(items)}\n"


def edit_note(before: Scene, change: Edit, language: str = "en") -> str:
    """What an edit changes, as it was and as it will be; one line with its end.

    Args:
        before: the scene that is edited.
        change: the edit.
        language: of both.
    """
    words, after = words_of(language), change.scene
    old = next((thing for thing in before.things if thing not in after.things), None)
    new = next((thing for thing in after.things if thing not in before.things), None)
    if old is None and new is None:
        return f"{NOTE}{words.places[after.place]}\n"
    if old is None:
        name, was = NEW[language], ""
    else:
        name, was = str(reference(before, old, language)), f"{_told(old, words)}, "
    becomes = GONE[language] if new is None else _told(new, words)
    if old is not None and new is not None:
        becomes = f"{BECOMES[language]} {becomes}"
    return f"{NOTE}{name}: {was}{becomes}\n"


def _name(thing: Thing, words: Words) -> str:
    """What a thing is called in short: its colour and kind."""
    return f"{words.colours[thing.colour]}{'' if words.language == 'zh' else ' '}{words.kinds[thing.kind]}"


def _told(thing: Thing, words: Words) -> str:
    """Where a thing is, as programs say it, and what it looks like."""
    return f"{thing.location}, {words.phrase(thing)}"
