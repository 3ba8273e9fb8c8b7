"""Conversations in which canvases are planned and edited: from the storybook, or from files."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from gesso.config.schema import DataSettings
from gesso.core.errors import GessoError, TrainingError, UnsupportedError
from gesso.core.messages import Message, Text, assistant, user
from gesso.storybook.compose import Edit, canvas_program, edit, order_after
from gesso.storybook.loose_wish import loose_wish
from gesso.storybook.notes import edit_note, plan_note
from gesso.storybook.scene import KINDS, Scene
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import wish, wish_order
from gesso.train.boxes import read_boxes
from gesso.train.lookups import StorybookLookups

__all__ = [
    "NOUNS",
    "BoxFile",
    "JsonLines",
    "MessageFile",
    "PlanSource",
    "StorybookPlans",
    "Task",
    "plan_source",
]

MOST_EDITS: Final = 2
FEW: Final = 3
"""Most things of a loose wish."""
STRANGE: Final = 0.3
"""Share of wishes that name a thing the storybook does not know, as a share of those that are loose."""

NOUNS: Final = (
    "moon", "sun", "star", "cloud", "horse", "cow", "pig", "sheep", "fox", "bear", "lion", "frog", "duck",
    "owl", "bee", "apple", "pear", "cake", "lamp", "chair", "table", "clock", "book", "drum", "bell", "key",
    "shoe", "coat", "train", "bus", "bike", "plane", "bridge", "tower", "tent", "dragon", "dinosaur", "ghost",
    "king", "queen", "girl", "boy", "heart", "crown", "box", "bottle", "guitar", "pencil", "truck", "penguin",
)  # fmt: skip
"""Things of other worlds: a planner should write down what it is told."""


class PlanSource(Protocol):
    """A numbered collection of conversations."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def messages(self, example: int, number: int) -> list[Message]:
        """A conversation, user and assistant in turn; `number` (of the micro-batch) varies its words."""
        ...


def plan_source(data: DataSettings) -> PlanSource:
    """The conversations that a recipe's data settings name."""
    match data.source:
        case "messages":
            return MessageFile(Path(str(data.path)))
        case "boxes":
            return BoxFile(Path(str(data.path)), Path(data.images) if data.images else None)
        case "storybook-lookups":
            return StorybookLookups(data)
        case _:
            return StorybookPlans(data)


class Task:
    """A wish for a scene of the storybook and edits of it, all in one language.

    Args:
        scene: what the wish is for.
        rng: source of all choices.
        language: "en" or "zh".
        edits: how many edits follow; fewer where the scene allows no more.
        loose: whether the wish leaves things open, see `loose_wish`.
        notes: whether programs follow notes, see `gesso.storybook.notes`.
    """

    def __init__(
        self,
        scene: Scene,
        rng: Random,
        language: str,
        edits: int,
        *,
        loose: bool = False,
        notes: bool = False,
    ) -> None:
        self.scene, self.language = scene, language
        self.wish = (loose_wish if loose else wish)(scene, rng, language, wish_order(scene, rng))
        # programs keep the order of the wish: there is nothing to sort, and edits leave more as it is
        self.orders = [self.wish.things]
        self._notes = notes
        self.edits: list[Edit] = []
        for _ in range(edits):
            try:
                self.edits.append(edit(self.scenes[-1], rng, language))
            except UnsupportedError:  # no edit keeps the scene in its split
                break
            self.orders.append(order_after(self.orders[-1], *self.scenes[-2:]))

    @property
    def scenes(self) -> list[Scene]:
        """The scene after the wish and after each edit."""
        return [self.scene, *(change.scene for change in self.edits)]

    @property
    def programs(self) -> list[str]:
        """The canvas program of each of them."""
        pairs = zip(self.scenes, self.orders, strict=True)
        return [canvas_program(scene, self.language, order) for scene, order in pairs]

    @property
    def notes(self) -> list[str]:
        """What stands before each program."""
        if not self._notes:
            return ["" for _ in self.scenes]
        steps = zip(self.orders, self.scenes, self.scenes[1:], strict=False)
        return [plan_note(self.wish, self.language), *(edit_note(*step, self.language) for step in steps)]

    def messages(self) -> list[Message]:
        """The conversation: each request with the program that answers it."""
        requests = [self.wish.text, *(change.instruction for change in self.edits)]
        turns = [
            (user(request), assistant(note + program))
            for request, note, program in zip(requests, self.notes, self.programs, strict=True)
        ]
        return [message for turn in turns for message in turn]


class StorybookPlans:
    """Wishes for training scenes with programs, some with edits; in new words when a scene comes round."""

    def __init__(self, data: DataSettings) -> None:
        self._data = data

    def __len__(self) -> int:
        """Different scenes."""
        return self._data.count

    def task(self, example: int, number: int) -> Task:
        """What is asked about scene `example` in micro-batch `number`."""
        data = self._data
        rng = Random(f"{data.seed}/{number}/{example}")
        language = "zh" if rng.random() < data.chinese else "en"
        edits = rng.randint(1, MOST_EDITS) if rng.random() < data.edits else 0
        loose = rng.random() < data.loose
        most = min(FEW, data.things) if loose else data.things
        scene = scene_at("train", data.seed, example, counts=range(1, most + 1))
        return Task(scene, rng, language, edits, loose=loose, notes=data.notes)

    def messages(self, example: int, number: int) -> list[Message]:
        """A wish with its program, and perhaps edits."""
        messages = self.task(example, number).messages()
        rng = Random(f"noun/{self._data.seed}/{number}/{example}")
        return _renamed(messages, rng) if rng.random() < STRANGE * self._data.loose else messages


def _renamed(messages: list[Message], rng: Random) -> list[Message]:
    """The same conversation about a thing that the storybook does not know, in wish and programs alike."""
    first = messages[0].text
    known = [kind for kind in KINDS if re.search(rf"\b{kind}\b", first)]
    if not known:  # a wish in Chinese
        return messages
    old, new = rf"\b{rng.choice(known)}\b", rng.choice(NOUNS)
    return [Message(each.role, (Text(re.sub(old, new, each.text)),)) for each in messages]


class JsonLines:
    """The objects of a JSONL file, parsed when they are asked for.

    Args:
        path: the file, in UTF-8.

    Raises:
        TrainingError: it cannot be read, or is empty.
    """

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: no UTF-8
            raise TrainingError(f"cannot read {path}: {error}; give a JSONL file") from error
        # not splitlines: texts may hold U+2028 and the like
        self._lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not self._lines:
            raise TrainingError(f"{path} has no lines; give a JSONL file with one JSON object a line")
        self._path = path

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._lines)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One object.

        Raises:
            TrainingError: its line holds something else.
        """
        try:
            value = json.loads(self._lines[index][1])
        except ValueError as error:
            raise self.wrong(index, f"no JSON, {error}") from error
        if not isinstance(value, dict):
            raise self.wrong(index, f"{type(value).__name__}; it must be an object")
        return value

    def wrong(self, index: int, problem: object) -> TrainingError:
        """An error that names the line."""
        return TrainingError(f"{self._path}, line {self._lines[index][0]}: {problem}")

    def conversation(self, index: int, name: str) -> list[Message]:
        """A field of an object that holds OpenAI chat messages.

        Raises:
            TrainingError: it is missing, empty, or holds something else.
        """
        listed = self[index].get(name)
        if not isinstance(listed, list) or not listed:
            raise self.wrong(index, f"{name} is {type(listed).__name__}; it must be a list of chat messages")
        try:
            return [Message.from_openai(message) for message in listed]
        except (GessoError, AttributeError, TypeError) as error:
            raise self.wrong(index, error) from error


class MessageFile:
    """JSONL of conversations, {"messages": [{"role": ..., "content": ...}, ...]}, as TRL takes them."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def __len__(self) -> int:
        """Lines."""
        return len(self._lines)

    def messages(self, example: int, number: int) -> list[Message]:
        """The conversation of a line, the same in every micro-batch."""
        messages = self._lines.conversation(example, "messages")
        if messages[-1].role != "assistant":
            raise self._lines.wrong(example, "the last message is not the assistant's; it must be an answer")
        return messages


class BoxFile:
    """JSONL of captions with boxes; see `gesso.train.boxes`."""

    def __init__(self, path: Path, images: Path | None) -> None:
        self._lines, self._images = JsonLines(path), images

    def __len__(self) -> int:
        """Lines."""
        return len(self._lines)

    def messages(self, example: int, number: int) -> list[Message]:
        """The caption with the canvas program of its boxes, the same in every micro-batch."""
        try:
            caption, canvas = read_boxes(self._lines[example], self._images)
        except GessoError as error:
            raise self._lines.wrong(example, error) from error
        return [user(caption), assistant(canvas.to_source(fenced=True))]
