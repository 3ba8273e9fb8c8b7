"""Tiny judges of pictures, which know a few true renders by heart, and scripted painters for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from transformers import ResNetConfig, ResNetForImageClassification

from gesso.canvas.canvas import Canvas
from gesso.diffusion.settings import PaintSettings
from gesso.evaluate.judge import looked_at
from gesso.evaluate.tasks.paint import PaintSample
from gesso.storybook.draw import draw
from gesso.storybook.judging import CROP_SIDE, JUDGED, UNJUDGED, crop, empty_boxes, labels_of
from gesso.storybook.scene import Scene

LABELS = dict(enumerate(f"{what}={answer}" for what, answers in JUDGED.items() for answer in answers))
SIDE = 128
STEPS = 50


def tiny_judge(seed: int = 0) -> ResNetForImageClassification:
    torch.manual_seed(seed)
    return ResNetForImageClassification(
        ResNetConfig(
            layer_type="basic", embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1],
            num_labels=len(LABELS), id2label=LABELS, label2id={name: n for n, name in LABELS.items()},
        )
    )  # fmt: skip


def judge_of(scenes: Iterable[Scene], folder: Path) -> str:
    """The folder of a judge that knows the true renders of these scenes by heart."""
    crops: list[Image.Image] = []
    labels = []
    for scene in scenes:
        picture = draw(scene, SIDE)
        crops += [crop(picture, box) for box in looked_at(scene)]
        labels += [labels_of(thing) for thing in [*scene.things, *[None] * len(empty_boxes(scene))]]
    model = tiny_judge()
    learn(model, crops, torch.tensor(labels))
    model.save_pretrained(folder)
    return str(folder)


def learn(model: ResNetForImageClassification, crops: list[Image.Image], labels: torch.Tensor) -> None:
    rows = [torch.frombuffer(bytearray(one.tobytes()), dtype=torch.uint8) for one in crops]
    # [N, S * S * 3] -> [N, S, S, 3] -> [N, 3, S, S]
    pixels = torch.stack(rows).view(-1, CROP_SIDE, CROP_SIDE, 3).permute(0, 3, 1, 2).float() / 127.5 - 1
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    # down to nothing, so that what batch norms remember fits the last weights
    rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=STEPS)
    model.train()
    for _ in range(STEPS):
        parts = model(pixels).logits.split([len(names) for names in JUDGED.values()], dim=1)
        losses = [
            torch.nn.functional.cross_entropy(part, labels[:, n], ignore_index=UNJUDGED)
            for n, part in enumerate(parts)
        ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
        rate.step()


@dataclass(frozen=True)
class Picture:
    image: Image.Image


@dataclass
class ScriptedPainter:
    """Paints true renders of the scenes whose canvases it knows, and remembers how it was asked."""

    scenes: dict[Canvas, Scene]
    defaults: PaintSettings = field(default_factory=lambda: PaintSettings(size=(SIDE, SIDE), steps=9))
    asked: list[PaintSettings] = field(default_factory=list)

    @classmethod
    def of(cls, samples: Sequence[PaintSample], *, shifted: int = 0) -> "ScriptedPainter":
        """A painter that has been told the scenes, or takes each for one that comes later."""
        scenes = [sample.scene for sample in samples]
        turned = scenes[shifted:] + scenes[:shifted]
        return cls({sample.canvas: scene for sample, scene in zip(samples, turned, strict=True)})

    def paint(self, canvas: Canvas, settings: PaintSettings | None = None) -> list[Picture]:
        assert settings is not None
        self.asked.append(settings)
        return [Picture(draw(self.scenes[canvas], settings.size[0]))]


@dataclass(frozen=True)
class Loaded:
    """What `gesso.load` gives: a name and an engine."""

    engine: object
    name: str = "loaded"
