"""Short conversations in which a planner learns to look a thing's place up, before it learns to edit.

In a whole edit one token in 300 asks for such a look back, and a small model that never needed it takes
thousands of steps to find it. Here one in 15 does.
"""

from random import Random
from typing import Final

from gesso.config.schema import DataSettings
from gesso.core.errors import UnsupportedError
from gesso.core.messages import Message, assistant, user
from gesso.storybook.compose import edit
from gesso.storybook.notes import edit_note, plan_note
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import wish

__all__ = ["StorybookLookups"]

REQUESTS: Final = 6
"""Edits that are asked for at most."""


class StorybookLookups:
    """A wish with its note, then edits of it, each answered by what it is about and where that is."""

    def __init__(self, data: DataSettings) -> None:
        self._data = data

    def __len__(self) -> int:
        """Different scenes."""
        return self._data.count

    def messages(self, example: int, number: int) -> list[Message]:
        """The conversation about scene `example`; `number` varies its words."""
        data = self._data
        rng = Random(f"lookups/{data.seed}/{number}/{example}")
        language = "zh" if rng.random() < data.chinese else "en"
        scene = scene_at("train", data.seed, example, counts=range(1, data.things + 1))
        asked = wish(scene, rng, language)
        messages = [user(asked.text), assistant(plan_note(asked, language))]
        for _ in range(REQUESTS):
            try:
                change = edit(scene, rng, language)
            except UnsupportedError:  # no edit keeps the scene in its split
                break
            if all(thing in change.scene.things for thing in scene.things):
                continue  # nothing that is there changes
            about, _, _ = edit_note(asked.things, scene, change.scene, language).partition(";")
            messages += [user(change.instruction), assistant(f"{about}\n")]
        return messages
