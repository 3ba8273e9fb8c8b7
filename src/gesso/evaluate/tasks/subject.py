"""Painting given subjects in the storybook world: is it still this subject, and where it was wanted?"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from importlib import import_module
from itertools import count as numbers
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from gesso.canvas.vocabulary import LOCATIONS
from gesso.core.digests import weights_digest
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.engines.folders import folder_of
from gesso.evaluate.judge import Judge, Verdict, judge_folder
from gesso.evaluate.likeness import Likeness
from gesso.evaluate.task import Model, Record, Sample
from gesso.evaluate.tasks.fresh import groups, require_fresh
from gesso.storybook.draw import draw_with_map
from gesso.storybook.judging import crop
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.subjects import SubjectPair, subject_pair
from gesso.storybook.where import place_seen

if TYPE_CHECKING:  # diffusers is an extra, and without it there is no painter to evaluate
    from gesso.diffusion.settings import PaintSettings

__all__ = [
    "ADAPTERS",
    "Adapts",
    "Personalizes",
    "StorybookSubject",
    "SubjectSample",
    "kept",
    "look_at_scene",
    "personalizer_of",
    "settings_for",
    "swap_background",
]

ADAPTERS: Final = ("moma", "ip-adapter", "background-swap")
"""What puts the subject into the picture: the model, an IP-Adapter on the same painter, or scissors."""

TOGETHER: Final = 4


@runtime_checkable
class Personalizes(Protocol):
    """What paints given subjects, such as the engine of mini-moma."""

    engine: Any

    def look(self, image: Image.Image, mask: Image.Image, noun: str) -> Any:
        """Look at a reference."""
        ...

    def paint(self, seen: Any, prompt: str, settings: "PaintSettings", *, strength: float) -> Sequence[Any]:
        """Pictures of what was seen."""
        ...


@runtime_checkable
class Adapts(Personalizes, Protocol):
    """One that says which adapter it has, and where that is from."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class SubjectSample(Sample):
    """A pair of scenes with one subject, and the seed of the new picture's noise."""

    pair: SubjectPair
    noise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookSubject:
    """Pictures of given subjects; the score is the share in which subject and context are both right.

    Figures: "subject", some square of the picture shows the kind in its colour, pattern and second colour;
    "context", the kind stands where the prompt has it, in the place of the prompt; "located" and "place" are
    the halves of that, "kind" is the subject's kind alone, wherever it is. "clip-i", "clip-t" and "dino" are
    those of `gesso.evaluate.likeness`; what has no weights is left out, and named in `left_out`.

    Attributes:
        split: "test", "novel" (unseen pairs of kind and colour) or "val".
        adapter: one of `ADAPTERS`.
        adapter_from: file or folder of the IP-Adapter; None takes the one in the model's folder.
        strength: how much references count.
        steps: steps of the sampler; None takes the model's own number.
        scale: guidance scale; None takes the model's own.
        judge: folder of the judge; None takes the one that comes with the package.
        clip: name or folder of the CLIP for CLIP-I and CLIP-T.
        dino: folder of the DINO; None leaves the measure out.
    """

    name: ClassVar[str] = "storybook-subject"
    split: str = "test"
    adapter: str = "moma"
    adapter_from: str | None = None
    strength: float = 1.0
    steps: int | None = None
    scale: float | None = None
    judge: str | None = None
    clip: str = "mini-clip"
    dino: str | None = None

    def __post_init__(self) -> None:
        """Refuse training data and unknown names."""
        require_fresh(self.split)
        if self.adapter not in ADAPTERS:
            raise UnknownNameError("adapter", self.adapter, ADAPTERS)
        if self.adapter_from is not None and self.adapter != "ip-adapter":
            raise UsageError(f"adapter_from {self.adapter_from} came with the adapter {self.adapter}; it is "
                             "for ip-adapter, leave it out")  # fmt: skip

    @property
    def left_out(self) -> dict[str, str]:
        """Measures that have no weights -> how to give them some."""
        return {} if self.dino else {"dino": "give its weights with --dino FOLDER, such as dino-vits16"}

    def settings(self) -> dict[str, Any]:
        """All choices by name; of models, what their weights are."""
        of = {"clip": self.clip, "dino": self.dino}
        digests = {name: weights_digest(folder_of(each)) for name, each in of.items() if each}
        if self.adapter_from is not None:
            digests["adapter_from"] = weights_digest(Path(self.adapter_from).expanduser())
        digests["judge"] = weights_digest(judge_folder(self.judge))
        return {**asdict(self), **digests, "left_out": sorted(self.left_out)}

    def check(self, model: Model, count: int) -> None:
        """Refuse models that paint no subjects, missing adapters, and a missing judge."""
        self._painting(self._painter(model), 0)
        _judge(self.judge)
        _likeness(self.clip, self.dino)

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[SubjectSample]]:
        """The first `count` pairs, few at a time."""
        samples = islice((self._sample(seed, number) for number in numbers()), count)
        return groups(samples, min(batch, TOGETHER))

    def ask(self, model: Model, samples: Sequence[SubjectSample], batch: int) -> list[Record]:
        """Paint the pictures and judge them."""
        painter = self._painter(model)
        return [self._record(sample, *self.paint(painter, sample)) for sample in samples]

    def paint(self, painter: Personalizes, sample: SubjectSample) -> tuple[Image.Image, Image.Image]:
        """The picture of one sample, and its reference."""
        settings = self._painting(painter, sample.noise)
        seen, image, mask = look_at_scene(painter, sample.pair.reference, sample.pair.noun, settings.size[0])
        if self.adapter == "background-swap":
            # the painter's own picture of the words, with the reference's cut-out pasted over it
            (painted,) = painter.paint(seen, sample.pair.prompt, settings, strength=0.0)
            return swap_background(image, mask, painted.image), image
        (painted,) = painter.paint(seen, sample.pair.prompt, settings, strength=self.strength)
        return painted.image, image

    def _record(self, sample: SubjectSample, picture: Image.Image, reference: Image.Image) -> Record:
        wanted = sample.pair.subject
        # where it should be, where it was, and everywhere else
        boxes = [wanted.box, sample.pair.reference.things[0].box]
        boxes += [replace(wanted, location=each).box for each in LOCATIONS if each != wanted.location]
        verdicts = _judge(self.judge).verdicts([crop(picture, box) for box in boxes])
        place = place_seen(picture, wanted.box) == sample.pair.target.place
        located = verdicts[0].kind == wanted.kind
        figures = {
            "subject": any(kept(wanted, verdict) for verdict in verdicts),
            "context": located and place,
            "located": located,
            "place": place,
            "kind": any(verdict.kind == wanted.kind for verdict in verdicts),
        }
        right = figures["subject"] and figures["context"]
        extras = {name: float(value) for name, value in figures.items()}
        extras |= _likeness(self.clip, self.dino).figures(picture, reference, sample.pair.prompt)
        return Record.of(sample, str(verdicts[0]), float(right), extras)

    def _painter(self, model: Model) -> Personalizes:
        """What paints: the model, or an IP-Adapter on its painter with its settings."""
        own = personalizer_of(model, self.name)
        itself = isinstance(own, Adapts) and own.kind == "ip-adapter"
        if self.adapter != "ip-adapter":
            if itself:
                raise UnsupportedError(f"{model.name} is an IP-Adapter; choose --adapter ip-adapter")
            return own
        place = self.adapter_from
        if place is None and itself:
            return own
        if place is None:
            if not isinstance(own, Adapts):
                raise UsageError(f"{model.name} has no folder to find an IP-Adapter in; give --adapter-from")
            place = str(folder_of(own.name))
        return _ip_adapter(own.engine, place)

    def _painting(self, painter: Personalizes, seed: int) -> "PaintSettings":
        return settings_for(painter, seed, self.steps, self.scale)

    def _sample(self, seed: int, number: int) -> SubjectSample:
        pair = subject_pair(self.split, seed, number)
        noise = blake2b(f"{self.name}/{seed}/{number}".encode(), digest_size=6).digest()
        target = str(Verdict.of(pair.subject))
        kind = pair.subject.pattern
        return SubjectSample(str(number), kind, pair.prompt, target, pair, int.from_bytes(noise, "big"))


def settings_for(painter: Personalizes, seed: int, steps: int | None, scale: float | None) -> "PaintSettings":
    """A painter's own settings for one picture, with what a task has chosen."""
    own: PaintSettings = painter.engine.defaults
    return replace(
        own,
        batch=1,
        seed=seed,
        steps=own.steps if steps is None else steps,
        guidance_scale=own.guidance_scale if scale is None else scale,
    )


def look_at_scene(
    painter: Personalizes, scene: Scene, noun: str, side: int
) -> tuple[Any, Image.Image, Image.Image]:
    """What a painter sees of the one thing of a scene, the scene's picture, and the thing's true mask."""
    image, numbered = draw_with_map(scene, side)
    mask = Image.fromarray((numbered > 0).astype(np.uint8) * 255)
    return painter.look(image, mask, noun), image, mask


def swap_background(image: Image.Image, mask: Image.Image, behind: Image.Image) -> Image.Image:
    """A reference's subject cut out and laid over another picture, where it was."""
    swapped = behind.convert("RGB").resize(image.size)
    swapped.paste(image, mask=mask)
    return swapped


def kept(wanted: Thing, verdict: Verdict) -> bool:
    """Whether a square shows the subject in its looks; of a plain thing any second colour will do."""
    same = (verdict.kind, verdict.colour, verdict.pattern) == (wanted.kind, wanted.colour, wanted.pattern)
    return same and wanted.second_colour in (None, verdict.second_colour)


def personalizer_of(model: Model, task: str) -> Personalizes:
    """What paints given subjects inside a model.

    Raises:
        UnsupportedError: nothing does.
    """
    engine = getattr(model, "engine", model)
    if not isinstance(engine, Personalizes):
        raise UnsupportedError(f"{task} is for models that paint given subjects, which {model.name} is not; "
                               "evaluate mini-moma, or a folder of `gesso train mini/moma`")  # fmt: skip
    return engine


@lru_cache(maxsize=1)
def _ip_adapter(engine: Any, place: str) -> Personalizes:
    # needs diffusers, an extra, which a model that paints has brought in already
    builders: Any = import_module("gesso.engines.personalize_build")
    found: Personalizes = builders.ip_adapter_beside(engine, Path(place).expanduser())
    return found


@lru_cache(maxsize=1)
def _likeness(clip: str, dino: str | None) -> Likeness:
    return Likeness.load(clip, dino)


@lru_cache(maxsize=1)
def _judge(folder: str | None) -> Judge:
    return Judge.load(folder)
