"""Painting in the storybook world: pictures of fresh scenes, looked at by a judge.

A picture is painted from the true canvas program of its scene, so the painter alone is measured, and not a
planner before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import count as numbers
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, runtime_checkable

from PIL import Image

from gesso.canvas.canvas import Canvas, GlobalDescription
from gesso.canvas.parse import read_canvas
from gesso.core.digests import weights_digest
from gesso.core.errors import UnknownNameError, UnsupportedError
from gesso.evaluate.judge import Judge, judge_folder
from gesso.evaluate.task import Model, Record, Sample
from gesso.evaluate.tasks.fresh import groups, require_fresh, things_in
from gesso.evaluate.tasks.judge import seen_in, true_of
from gesso.storybook.compose import canvas_program
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scene_at
from gesso.storybook.tell import describe
from gesso.storybook.words import words_of

if TYPE_CHECKING:  # diffusers is an extra, and without it there is no painter to evaluate
    from gesso.diffusion.settings import PaintSettings

__all__ = ["GUIDANCES", "PaintSample", "Painted", "Paints", "StorybookPaint", "plain_canvas"]

PLAIN: Final = "none"
GUIDANCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "attention-decomposition": "attention-decomposition",
        "attention-scores": "attention-scores",
        "gradient": "gradient",
        "joined": "none",
        "multidiffusion": "multidiffusion",
        PLAIN: "none",
    }
)
"""Choice of the task -> guidance of the painter.

"none" and "joined" differ in what is told: all that the scene holds and where, as one text without regions,
or the regions' texts side by side, which say nothing about places.
"""

TOGETHER: Final = 4
"""Pictures of one round at most; an interrupted run paints its last round again."""

STOPS: Final[Mapping[str, str]] = MappingProxyType({"en": ". ", "zh": "。"})


class Painted(Protocol):
    """A picture and what belongs to it."""

    @property
    def image(self) -> Image.Image:
        """The picture."""
        ...


@runtime_checkable
class Paints(Protocol):
    """What paints canvases, such as the engine of mini-sdxl."""

    @property
    def defaults(self) -> "PaintSettings":
        """How it paints unless told otherwise."""
        ...

    def paint(self, canvas: Canvas, settings: "PaintSettings | None" = None) -> Sequence[Painted]:
        """As many pictures of a canvas as the settings have in a batch."""
        ...


@dataclass(frozen=True, slots=True)
class PaintSample(Sample):
    """A scene and its canvas, and the seed of its noise, which is the same for every guidance."""

    scene: Scene
    canvas: Canvas
    noise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookPaint:
    """Pictures from canvases; the score is the share of things seen at their place in kind and colour.

    Figures: the same of kind, colour, pattern (with its second colour) and all of them ("exact"); "stray" is
    the share of empty places where something is seen. Everything is a mean over pictures, by the number of
    their things and in all.

    Attributes:
        split: "test" (new scenes), "novel" (also unseen pairs of kind and colour) or "val".
        language: of the canvas's texts, "en" or "zh".
        guidance: one of `GUIDANCES`.
        steps: steps of the sampler; None takes the model's own number.
        scale: guidance scale; None takes the model's own.
        judge: folder of the judge; None takes the one that comes with the package.
    """

    name: ClassVar[str] = "storybook-paint"
    split: str = "test"
    language: str = "en"
    guidance: str = "attention-scores"
    steps: int | None = None
    scale: float | None = None
    judge: str | None = None

    def __post_init__(self) -> None:
        """Refuse training data and unknown names."""
        require_fresh(self.split)
        words_of(self.language)
        if self.guidance not in GUIDANCES:
            raise UnknownNameError("region guidance", self.guidance, GUIDANCES)

    def settings(self) -> dict[str, Any]:
        """All choices by name; of the judge, what its weights are."""
        return {**asdict(self), "judge": weights_digest(judge_folder(self.judge))}

    def check(self, model: Model, count: int) -> None:
        """Refuse models that do not paint, settings they do not take, and a missing judge."""
        self._painting(self._painter(model), 0)
        _judge(self.judge)

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[PaintSample]]:
        """The first `count` scenes, few at a time: each has a canvas of its own and is painted alone."""
        samples = islice((self._sample(seed, number) for number in numbers()), count)
        return groups(samples, min(batch, TOGETHER))

    def ask(self, model: Model, samples: Sequence[PaintSample], batch: int) -> list[Record]:
        """Paint the pictures and judge them."""
        painter, scenes = self._painter(model), [sample.scene for sample in samples]
        scores = _judge(self.judge).score([self.paint(painter, sample) for sample in samples], scenes)
        records = []
        for sample, score in zip(samples, scores, strict=True):
            figures = score.figures()
            right = figures.pop("right")
            records.append(Record.of(sample, seen_in(sample.scene, score), right, figures))
        return records

    def paint(self, painter: Paints, sample: PaintSample) -> Image.Image:
        """The picture of one sample."""
        (painted,) = painter.paint(sample.canvas, self._painting(painter, sample.noise))
        return painted.image

    def _painting(self, painter: Paints, seed: int) -> "PaintSettings":
        own = painter.defaults
        return replace(
            own,
            batch=1,
            guidance=GUIDANCES[self.guidance],
            seed=seed,
            steps=own.steps if self.steps is None else self.steps,
            guidance_scale=own.guidance_scale if self.scale is None else self.scale,
        )

    def _painter(self, model: Model) -> Paints:
        engine = getattr(model, "engine", model)
        if not isinstance(engine, Paints):
            raise UnsupportedError(f"{self.name} is for painters, which {model.name} is not; "
                                   "evaluate mini-sdxl, or a folder of `gesso train mini/sdxl`")  # fmt: skip
        return engine

    def _sample(self, seed: int, number: int) -> PaintSample:
        scene = scene_at(self.split, seed, number)
        program = canvas_program(scene, self.language)
        canvas = read_canvas(program).canvas
        told = program
        if self.guidance == PLAIN:
            told = describe(scene, self.language)
            canvas = plain_canvas(told, canvas, self.language)
        # not of language and guidance: scores of the two are compared picture by picture
        noise = blake2b(f"{self.name}/{seed}/{number}".encode(), digest_size=6).digest()
        seed = int.from_bytes(noise, "big")
        return PaintSample(str(number), things_in(scene), told, true_of(scene), scene, canvas, seed)


def plain_canvas(description: str, canvas: Canvas, language: str) -> Canvas:
    """A canvas without regions that says a scene's whole description, as painters learned such texts.

    Args:
        description: of `storybook.tell.describe`; tells of every thing where it is.
        canvas: the scene's own; the colour of its background is kept.
        language: of the description.
    """
    opening, *sentences = filter(None, description.split(STOPS[language]))
    # the last sentence where tags stand, which are told behind the others: empty tags would add a dot
    ground = GlobalDescription(opening, tuple(sentences[:-1]), sentences[-1], canvas.background.colour)
    return Canvas(ground)


@lru_cache(maxsize=1)
def _judge(folder: str | None) -> Judge:
    return Judge.load(folder)
