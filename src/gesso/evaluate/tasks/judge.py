"""Whether the judge of painted pictures can be trusted: it looks at true renders of fresh scenes.

It is not told what it should see, so a share of right answers says both how often it sees what is there and
how seldom it takes one thing for another. Every scene is also judged by the picture of another one, which
must score low.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count as numbers
from itertools import islice
from typing import Any, ClassVar, Final

from gesso.core.errors import UnsupportedError, UsageError
from gesso.evaluate.judge import Judge, PictureScore, Verdict
from gesso.evaluate.task import Model, Record, Sample
from gesso.evaluate.tasks.fresh import groups, require_fresh, things_in
from gesso.storybook.draw import LARGEST_SIZE, SMALLEST_SIZE, draw
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scene_at

__all__ = ["JudgeSample", "StorybookJudge", "seen_in", "true_of"]

OF_ANOTHER: Final = ("right", "kind")
"""Figures that are given of the picture of another scene, too."""


@dataclass(frozen=True, slots=True)
class JudgeSample(Sample):
    """A scene, and another one whose picture it is judged by, too."""

    scene: Scene
    other: Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookJudge:
    """True renders, one a sample; the score is the share of things whose kind and colour are seen.

    Figures: the same of kind, colour, pattern (with its second colour) and all of them ("exact"); "stray" is
    the share of empty places where something is seen; "other: ..." are those of the picture of another scene.

    Attributes:
        split: "test" (new scenes), "novel" (also unseen pairs of kind and colour) or "val".
        size: side of the pictures in pixels.
    """

    name: ClassVar[str] = "storybook-judge"
    split: str = "test"
    size: int = 128

    def __post_init__(self) -> None:
        """Refuse training data, and what the storybook does not have."""
        require_fresh(self.split)
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise UsageError(f"size is {self.size}; pictures are {SMALLEST_SIZE} to {LARGEST_SIZE} pixels")

    def settings(self) -> dict[str, Any]:
        """All choices by name."""
        return asdict(self)

    def check(self, model: Model, count: int) -> None:
        """Refuse all but judges."""
        self._judge(model)

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[JudgeSample]]:
        """The first `count` scenes, `batch` at a time."""
        return groups(islice((self._sample(seed, number) for number in numbers()), count), batch)

    def ask(self, model: Model, samples: Sequence[JudgeSample], batch: int) -> list[Record]:
        """Draw both pictures of each sample and judge them."""
        judge, scenes = self._judge(model), [sample.scene for sample in samples]
        own = judge.score([draw(scene, self.size) for scene in scenes], scenes)
        others = judge.score([draw(sample.other, self.size) for sample in samples], scenes)
        return [self._record(*row) for row in zip(samples, own, others, strict=True)]

    def _judge(self, model: Model) -> Judge:
        if not isinstance(model, Judge):
            raise UnsupportedError(f"{self.name} is for judges of pictures, which {model.name} is not; "
                                   "use mini-judge, or a folder of `gesso train mini/judge`")  # fmt: skip
        return model

    def _sample(self, seed: int, number: int) -> JudgeSample:
        scene, other = (scene_at(self.split, seed, place) for place in (number, number + 1))
        name = str(number)
        return JudgeSample(
            name, things_in(scene), f"picture of scene {scene.seed}", true_of(scene), scene, other
        )

    def _record(self, sample: JudgeSample, own: PictureScore, other: PictureScore) -> Record:
        figures = own.figures()
        score = figures.pop("right")
        figures |= {f"other: {name}": other.figures()[name] for name in OF_ANOTHER}
        return Record.of(sample, seen_in(sample.scene, own), score, figures)


def true_of(scene: Scene) -> str:
    """What is to be seen of a scene, as `seen_in` tells what is seen."""
    return "; ".join(f"{thing.location}: {Verdict.of(thing)}" for thing in scene.things)


def seen_in(scene: Scene, score: PictureScore) -> str:
    """What the judge sees where the things of a scene should be, and how many things too much."""
    pairs = zip(scene.things, score.things, strict=True)
    seen = "; ".join(f"{thing.location}: {found.seen}" for thing, found in pairs)
    return f"{seen}; stray: {score.stray}" if score.stray else seen
