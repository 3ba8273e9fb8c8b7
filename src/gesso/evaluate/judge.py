"""Judging painted pictures: is every thing of the scene there, in its kind and colour, at its place?

A classifier trained on true renders alone (`gesso train mini/judge`) looks at the square of every thing of
the scene, and at the locations where nothing should be. What it says is compared here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import ResNetForImageClassification

from gesso.core.errors import CheckpointError, UsageError
from gesso.models.checkpoints import read_json
from gesso.storybook.judging import JUDGED, NONE, NOTHING, Box, crop, empty_boxes
from gesso.storybook.scene import PATTERNS, Scene, Thing

__all__ = [
    "SHIPPED", "Judge", "PictureScore", "ThingScore", "Verdict", "compare", "judge_folder", "looked_at",
    "read_verdicts",
]  # fmt: skip

SHIPPED: Final = "mini-judge"
"""The judge that comes with the package. It is no model for users, so the catalogue does not list it."""

PLAIN: Final = PATTERNS[0]
MINIS: Final = Path(__file__).parents[1] / "minis"
TOGETHER: Final = 64


class Verdict(NamedTuple):
    """What the judge sees in one square; of nothing, the rest means nothing."""

    kind: str
    colour: str
    pattern: str
    second_colour: str

    @classmethod
    def of(cls, thing: Thing) -> Self:
        """The right one about a thing."""
        return cls(thing.kind, thing.colour, thing.pattern, thing.second_colour or NONE)

    def __str__(self) -> str:
        """What is seen, as logs have it."""
        if self.kind == NOTHING:
            return NOTHING
        second = "" if self.pattern == PLAIN else f" {self.second_colour}"
        return f"{self.colour} {self.kind} {self.pattern}{second}"


@dataclass(frozen=True, slots=True)
class ThingScore:
    """Which facts of one thing are seen at its place.

    Attributes:
        seen: what is there instead, or as it should be.
        kind: the kind is right, so the thing is where it should be.
        colour: the main colour is right.
        pattern: the pattern is right, and its colour too.
    """

    seen: Verdict
    kind: bool
    colour: bool
    pattern: bool

    @property
    def right(self) -> bool:
        """Kind and colour, at its place."""
        return self.kind and self.colour

    @property
    def exact(self) -> bool:
        """The pattern and its colour too."""
        return self.right and self.pattern


@dataclass(frozen=True, slots=True)
class PictureScore:
    """How a picture fits its scene.

    Attributes:
        things: one for each of the scene's things, in their order.
        empty: locations that should be empty.
        stray: how many of them show a thing.
    """

    things: tuple[ThingScore, ...]
    empty: int
    stray: int

    @property
    def right(self) -> float:
        """Share of things right in kind, colour and place."""
        return fmean(thing.right for thing in self.things)

    def figures(self) -> dict[str, float]:
        """All shares by name; "stray" only where some location should be empty."""
        shares = {
            name: fmean(getattr(thing, name) for thing in self.things)
            for name in ("right", "exact", "kind", "colour", "pattern")
        }
        return shares | ({"stray": self.stray / self.empty} if self.empty else {})


def looked_at(scene: Scene) -> list[Box]:
    """The squares a judge looks at: those of the things, in their order, then the empty locations."""
    return [*(thing.box for thing in scene.things), *empty_boxes(scene)]


def read_verdicts(logits: Tensor, labels: Mapping[int, str]) -> list[Verdict]:
    """The likeliest answers.

    Args:
        logits: [N, L] of N squares.
        labels: what each of the L stands for, such as "kind=cat".

    Raises:
        CheckpointError: the labels are not those of a judge.
    """
    answers: dict[str, list[tuple[int, str]]] = {what: [] for what in JUDGED}
    for number, label in labels.items():
        what, _, answer = label.partition("=")
        if what not in answers or answer not in JUDGED[what]:
            raise CheckpointError(f"label {label!r} is none of a judge of the storybook; "
                                  "give a model made by the recipe mini/judge")  # fmt: skip
        answers[what].append((int(number), answer))
    if lacking := [what for what, found in answers.items() if not found]:
        raise CheckpointError(f"a judge has labels for {', '.join(lacking)}, too; "
                              "give a model made by the recipe mini/judge")  # fmt: skip
    said = []
    for found in answers.values():
        columns = [number for number, _ in found]
        said.append([found[best][1] for best in logits[:, columns].argmax(dim=1).tolist()])
    return [Verdict(*row) for row in zip(*said, strict=True)]


def compare(scene: Scene, verdicts: Sequence[Verdict]) -> PictureScore:
    """How well a picture fits its scene, from the verdicts about the squares of `looked_at`."""
    count = len(scene.things)
    if len(verdicts) != len(looked_at(scene)):
        raise UsageError(f"{len(verdicts)} verdicts came; this scene has {len(looked_at(scene))} squares")
    things = tuple(_thing_score(*pair) for pair in zip(scene.things, verdicts[:count], strict=True))
    rest = verdicts[count:]
    return PictureScore(things, len(rest), sum(verdict.kind != NOTHING for verdict in rest))


def _thing_score(thing: Thing, verdict: Verdict) -> ThingScore:
    # of a plain thing, any second colour will do
    second = thing.second_colour in (None, verdict.second_colour)
    return ThingScore(
        seen=verdict,
        kind=verdict.kind == thing.kind,
        # of what is not there, the colour is not right by chance
        colour=verdict.kind != NOTHING and verdict.colour == thing.colour,
        pattern=verdict.kind != NOTHING and verdict.pattern == thing.pattern and second,
    )


def judge_folder(name: str | Path | None = None) -> Path:
    """The folder of a judge: the one that comes with the package unless another is given.

    Raises:
        CheckpointError: there is no judge.
    """
    own = name is None or str(name) == SHIPPED
    folder = MINIS / SHIPPED if own else Path(str(name))
    if (folder / "config.json").is_file() and read_json(folder / "config.json").get("model_type") == "resnet":
        return folder
    if own:
        raise CheckpointError(f"{SHIPPED} is not part of this installation ({folder}); "
                              "train one with `gesso train mini/judge` and give its folder")  # fmt: skip
    raise CheckpointError(f"{folder} holds no judge; train one with: gesso train mini/judge")


class Judge:
    """A classifier of crops that scores pictures against their scenes.

    Args:
        model: with the labels of `gesso.storybook.judging`.
        name: what it is called in reports.

    Raises:
        CheckpointError: it has other labels.
    """

    def __init__(self, model: ResNetForImageClassification, name: str = "judge") -> None:
        self.model, self.name = model.eval(), name
        self._labels = {int(number): label for number, label in (model.config.id2label or {}).items()}
        read_verdicts(torch.zeros(1, len(self._labels)), self._labels)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> "Judge":
        """The judge in a folder, such as `runs/mini/judge/final`, by default the one of the package.

        Raises:
            CheckpointError: there is none.
        """
        model = ResNetForImageClassification.from_pretrained(judge_folder(folder), dtype=torch.float32)
        return cls(model, str(folder or SHIPPED))

    def score(self, pictures: Sequence[Image.Image], scenes: Sequence[Scene]) -> list[PictureScore]:
        """Score pictures, each against its scene."""
        if len(pictures) != len(scenes):
            raise UsageError(f"{len(pictures)} pictures and {len(scenes)} scenes came; give one for each")
        squares = [looked_at(scene) for scene in scenes]
        crops = [
            crop(picture.convert("RGB"), box)
            for picture, boxes in zip(pictures, squares, strict=True)
            for box in boxes
        ]
        verdicts = iter(self.verdicts(crops))
        return [
            compare(scene, [next(verdicts) for _ in boxes])
            for scene, boxes in zip(scenes, squares, strict=True)
        ]

    @torch.no_grad()
    def verdicts(self, crops: Sequence[Image.Image]) -> list[Verdict]:
        """What the judge sees in crops of `gesso.storybook.judging.crop`."""
        found: list[Verdict] = []
        for start in range(0, len(crops), TOGETHER):
            pixels = torch.from_numpy(np.stack([np.asarray(one) for one in crops[start : start + TOGETHER]]))
            # [N, S, S, 3] -> [N, 3, S, S]
            logits = self.model(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).logits
            found += read_verdicts(logits, self._labels)
        return found
