"""What a painted thing is: a small classifier of crops, to judge pictures by.

It learns from true renders alone, so a painter cannot have taught it its own mistakes. The crops are moved,
blurred and tinted a little, for painted pictures are never as clean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import cos, pi, sin
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification

from gesso.config.schema import Recipe
from gesso.storybook.judging import (
    CROP_SIDE,
    JUDGED,
    UNJUDGED,
    Box,
    Labels,
    crop,
    empty_boxes,
    labels_of,
    overlap,
)
from gesso.storybook.scene import Scene, Thing
from gesso.train.objectives.sizes import sizes_of
from gesso.train.pictures import PictureStore

__all__ = ["JudgeBatch", "JudgeObjective", "roughened"]

NAMES: Final = tuple(f"{what}={answer}" for what, answers in JUDGED.items() for answer in answers)
EMPTY: Final = 0.2  # share of crops that show nothing
BESIDE: Final = 0.5  # share of those that lie beside a thing
MOVED: Final = 0.08  # crops of things are moved and scaled by up to this share of their side
FAR: Final = (0.65, 1.0)  # by this they are moved to show nothing
ELSE: Final = 0.35  # share of a crop of nothing that another thing may cover
TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class JudgeBatch:
    """Crops [B, 3, 64, 64], -1..1, and the right answers [B, 4]."""

    pixels: Tensor
    labels: Tensor


class JudgeObjective:
    """A ResNet that names kind, colour, pattern and second colour of what a crop shows (arXiv 1512.03385)."""

    def __init__(self, recipe: Recipe) -> None:
        self.data = recipe.data
        config = ResNetConfig(
            **sizes_of(recipe, "judge", ResNetConfig),
            id2label=dict(enumerate(NAMES)),
            label2id={name: number for number, name in enumerate(NAMES)},
        )
        self.model = ResNetForImageClassification(config)
        self.module: nn.Module = self.model
        self.pictures = PictureStore.of(recipe.data, _patch(recipe.data.size))

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """One part."""
        return {"judge": self.module}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> JudgeBatch:
        """One crop of each picture."""
        crops, labels = [], []
        for index in examples:
            rng = Random(f"{self.data.seed}/{number}/{index}")
            box, right = _look(self.pictures.scene(index), rng)
            crops.append(np.asarray(roughened(crop(Image.fromarray(self.pictures.pixels(index)), box), rng)))
            labels.append(right)
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)  # [B, S, S, 3] -> [B, 3, S, S]
        return JudgeBatch(pixels.float() / 127.5 - 1, torch.tensor(labels))

    def loss(self, batch: JudgeBatch) -> tuple[Tensor, dict[str, float]]:
        """Sum over the questions of their mean cross-entropy; figures are shares of right answers."""
        logits = self.model(batch.pixels).logits.float()
        losses, figures = [], {}
        parts = logits.split([len(answers) for answers in JUDGED.values()], dim=1)
        for number, (what, each) in enumerate(zip(JUDGED, parts, strict=True)):
            right = batch.labels[:, number]
            asked = right != UNJUDGED
            count = asked.sum().clamp(min=1)
            error = functional.cross_entropy(each, right, ignore_index=UNJUDGED, reduction="sum")
            losses.append(error / count)
            figures[what] = float(((each.argmax(1) == right) & asked).sum() / count)
        return torch.stack(losses).sum(), {"tokens": len(logits), **figures}

    def show(self, example: int) -> str:
        """The square that is looked at, and what is to be said."""
        box, labels = _look(self.pictures.scene(example), Random(f"{self.data.seed}/0/{example}"))
        corners = ", ".join(f"{value:.2f}" for value in box)
        answers = [
            names[label] for names, label in zip(JUDGED.values(), labels, strict=True) if label != UNJUDGED
        ]
        return f"picture {example} within ({corners}): [green]{' '.join(answers)}[/green]"

    def save(self, folder: Path) -> None:
        """A ResNet folder whose labels are "kind=cat" and so on."""
        self.model.save_pretrained(folder)


def roughened(picture: Image.Image, rng: Random) -> Image.Image:
    """A crop in slightly other light, blurred, with noise or JPEG's traces, as painted pictures may be."""
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.92, 1.08))
    picture = ImageEnhance.Contrast(picture).enhance(rng.uniform(0.92, 1.08))
    if rng.random() < 0.5:
        coarse = round(CROP_SIDE / rng.uniform(1.2, 2.2))
        small = picture.resize((coarse, coarse), Image.Resampling.BILINEAR)
        picture = small.resize(picture.size, Image.Resampling.BICUBIC)
    if rng.random() < 0.25:
        file = BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(40, 90))
        picture = Image.open(file).convert("RGB")
    if rng.random() < 0.25:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(2, 8), (*picture.size, 3))
        rough = np.clip(np.asarray(picture) + noise, 0, 255)
        picture = Image.fromarray(rough.astype(np.uint8))
    return picture


def _look(scene: Scene, rng: Random) -> tuple[Box, Labels]:
    """A square of a scene, and what a judge should say of it."""
    if rng.random() < EMPTY:
        box = _beside(scene, rng) if rng.random() < BESIDE else None
        squares = [box] if box else empty_boxes(scene)
        if squares:
            return _moved(rng.choice(squares), rng), labels_of(None)
    thing: Thing = rng.choice(scene.things)
    return _moved(thing.box, rng), labels_of(thing)


def _moved(box: Box, rng: Random) -> Box:
    """A square moved and scaled a little."""
    x0, y0, x1, y1 = box
    side = x1 - x0
    half = side / 2 * (1 + rng.uniform(-MOVED, MOVED))
    x, y = ((a + b) / 2 + rng.uniform(-MOVED, MOVED) * side for a, b in ((x0, x1), (y0, y1)))
    return x - half, y - half, x + half, y + half


def _beside(scene: Scene, rng: Random) -> Box | None:
    """A square so far from its thing that it does not show it; None if none was found that is free."""
    for _ in range(TRIES):
        thing = rng.choice(scene.things)
        x0, y0, x1, y1 = thing.box
        angle, far = rng.uniform(0, 2 * pi), rng.uniform(*FAR) * (x1 - x0)
        dx, dy = cos(angle) * far, sin(angle) * far
        box = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        others = (other.box for other in scene.things)
        if min(box) >= 0 and max(box) <= 1 and all(overlap(box, other) <= ELSE for other in others):
            return box
    return None


def _patch(size: int) -> int:
    """The patch of the autoencoder's recipe, so that both share their pictures; any that divides will do."""
    return next(patch for patch in (4, 2, 1) if size % patch == 0)
