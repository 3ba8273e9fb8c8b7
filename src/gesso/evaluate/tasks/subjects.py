"""Several given subjects in the regions of one canvas: is each in its own region, and in no other?"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import count as numbers
from itertools import islice
from statistics import fmean
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from PIL import Image

from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.core.digests import weights_digest
from gesso.core.errors import UnknownNameError, UnsupportedError
from gesso.evaluate.confusion import cell
from gesso.evaluate.judge import Judge, Verdict, judge_folder
from gesso.evaluate.task import Model, Record, Sample
from gesso.evaluate.tasks.fresh import groups, require_fresh
from gesso.evaluate.tasks.subject import Personalizes, kept, look_at_scene, personalizer_of, settings_for
from gesso.storybook.compose import canvas_program
from gesso.storybook.judging import crop
from gesso.storybook.subjects import SubjectGroup, subject_group
from gesso.storybook.words import words_of

__all__ = ["ADAPTERS", "PersonalizesCanvases", "StorybookSubjects", "SubjectsSample"]

ADAPTERS: Final = ("moma", "words", "full-words")
"""What tells the painter who stands where: references; the same canvas's words without them, which tell the
kinds alone; or words that tell colours and patterns, too."""

FULL: Final = "full-words"
TOGETHER: Final = 4


@runtime_checkable
class PersonalizesCanvases(Personalizes, Protocol):
    """What paints several given subjects in one picture, such as the engine of mini-moma."""

    def paint_canvas(self, canvas: Canvas, seen: Sequence[Any], settings: Any, *, strength: float) -> Any:
        """Pictures of a canvas with subjects, each given as the number of its region and what was seen."""
        ...


@dataclass(frozen=True, slots=True)
class SubjectsSample(Sample):
    """Subjects with the canvas that is painted, and the seed of its noise, the same for every adapter."""

    group: SubjectGroup
    canvas: Canvas
    noise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookSubjects:
    """Pictures of two or three given subjects; the score is the share of subjects that the judge sees in
    their own region and in none of the others.

    Seen is a subject by its kind, colour, pattern and second colour. Figures: "own", the share of subjects
    seen in their own regions; "others", the share of other regions in which one is seen; "kind", the share of
    regions with the right kind. The report has a confusion matrix for two and for three subjects: in which
    share of pictures subject i is seen in region j, both in reading order.

    Attributes:
        split: "test", "novel" (with unseen pairs of kind and colour) or "val".
        adapter: one of `ADAPTERS`.
        strength: how much references count.
        steps: steps of the sampler; None takes the model's own number.
        scale: guidance scale; None takes the model's own.
        judge: folder of the judge; None takes the one that comes with the package.
    """

    name: ClassVar[str] = "storybook-subjects"
    split: str = "test"
    adapter: str = "moma"
    strength: float = 1.0
    steps: int | None = None
    scale: float | None = None
    judge: str | None = None

    def __post_init__(self) -> None:
        """Refuse training data and unknown names."""
        require_fresh(self.split)
        if self.adapter not in ADAPTERS:
            raise UnknownNameError("adapter", self.adapter, ADAPTERS)

    def settings(self) -> dict[str, Any]:
        """All choices by name; of the judge, what its weights are."""
        return {**asdict(self), "judge": weights_digest(judge_folder(self.judge))}

    def check(self, model: Model, count: int) -> None:
        """Refuse models that paint no subjects into canvases, and a missing judge."""
        settings_for(self._painter(model), 0, self.steps, self.scale)
        _judge(self.judge)

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[SubjectsSample]]:
        """The first `count` groups, few at a time."""
        samples = islice((self._sample(seed, number) for number in numbers()), count)
        return groups(samples, min(batch, TOGETHER))

    def ask(self, model: Model, samples: Sequence[SubjectsSample], batch: int) -> list[Record]:
        """Paint the pictures and judge them."""
        painter = self._painter(model)
        return [self._record(sample, self.paint(painter, sample)) for sample in samples]

    def paint(self, painter: PersonalizesCanvases, sample: SubjectsSample) -> Image.Image:
        """The picture of one sample."""
        settings = settings_for(painter, sample.noise, self.steps, self.scale)
        if self.adapter == "moma":
            nouns = [words_of("en").kinds[thing.kind] for thing in sample.group.subjects]
            known = zip(sample.group.references, nouns, strict=True)
            seen = [(number, look_at_scene(painter, scene, noun, settings.size[0])[0])
                    for number, (scene, noun) in enumerate(known, 1)]  # fmt: skip
            (painted,) = painter.paint_canvas(sample.canvas, seen, settings, strength=self.strength)
        else:
            (painted,) = painter.engine.paint(sample.canvas, settings)
        found: Image.Image = painted.image
        return found

    def _record(self, sample: SubjectsSample, picture: Image.Image) -> Record:
        wanted = sample.group.subjects
        verdicts = _judge(self.judge).verdicts([crop(picture, thing.box) for thing in wanted])
        seen = [[kept(thing, verdict) for verdict in verdicts] for thing in wanted]
        places = range(len(wanted))
        own = [seen[i][i] for i in places]
        others = [seen[i][j] for i in places for j in places if i != j]
        alone = [seen[i][i] and sum(seen[i]) == 1 for i in places]
        kinds = [verdict.kind == thing.kind for thing, verdict in zip(wanted, verdicts, strict=True)]
        figures = {"own": fmean(own), "others": fmean(others), "kind": fmean(kinds)}
        title = f"subjects in regions, of {len(wanted)}"
        cells = {cell(title, i, j): float(seen[i][j]) for i in places for j in places}
        return Record.of(sample, "; ".join(map(str, verdicts)), fmean(alone), figures | cells)

    def _painter(self, model: Model) -> PersonalizesCanvases:
        engine = personalizer_of(model, self.name)
        if not isinstance(engine, PersonalizesCanvases):
            raise UnsupportedError(f"{self.name} paints canvases, which {model.name} does not; evaluate it "
                                   "on storybook-subject")  # fmt: skip
        return engine

    def _sample(self, seed: int, number: int) -> SubjectsSample:
        group = subject_group(self.split, seed, number)
        told = canvas_program(group.target, looks=self.adapter == FULL)
        canvas = read_canvas(told).canvas
        # not of the adapter: its choices are compared picture by picture
        noise = blake2b(f"{self.name}/{seed}/{number}".encode(), digest_size=6).digest()
        target = "; ".join(str(Verdict.of(thing)) for thing in group.subjects)
        kind = f"{len(group.subjects)} subjects"
        return SubjectsSample(str(number), kind, told, target, group, canvas, int.from_bytes(noise, "big"))


@lru_cache(maxsize=1)
def _judge(folder: str | None) -> Judge:
    return Judge.load(folder)
