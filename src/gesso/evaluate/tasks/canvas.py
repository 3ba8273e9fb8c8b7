"""Planning in the storybook world: canvases for wishes, and edits of canvases.

Half of the samples are wishes, half are edits. An edit is asked behind its wish and the true program, so that
it is judged by itself, whatever the model would have planned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count as numbers
from itertools import islice
from random import Random
from typing import Any, ClassVar, Final

from gesso.core.errors import CanvasError, UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Message
from gesso.core.sampling import Sampling
from gesso.engines.plan import Planner
from gesso.engines.plan_local import LocalWriter
from gesso.engines.plan_turns import Turn
from gesso.evaluate.canvas_match import score_edit, score_plan
from gesso.evaluate.task import Model, Record, Sample, answering
from gesso.evaluate.tasks.fresh import groups, require_fresh, things_in
from gesso.models.omost.prompts import history_messages
from gesso.storybook.compose import Edit, canvas_program, edit, order_after
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scene_at
from gesso.storybook.wish import wish, wish_order
from gesso.storybook.words import words_of

__all__ = ["CanvasSample", "StorybookCanvas", "StorybookCanvasFree"]

KINDS: Final = ("plan", "edit")
GREEDY: Final = Sampling(temperature=0.0, max_new_tokens=2048)
"""How replies are decoded; models with a smaller context take what fits."""

_DECODING: Final = {"temperature": GREEDY.temperature, "max_new_tokens": GREEDY.max_new_tokens}


@dataclass(frozen=True, slots=True)
class CanvasSample(Sample):
    """A wish, or an edit behind a wish and its program.

    Attributes:
        turns: what was said before.
        scene: what the wish is for.
        change: the edit, None for a wish.
    """

    turns: tuple[Turn, ...]
    scene: Scene
    change: Edit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookCanvas:
    """Plans and edits as users get them: from a planner with its grammar and repairs, else from chat.

    Attributes:
        split: "test" (new scenes), "novel" (also unseen pairs of kind and colour) or "val".
        language: "en" or "zh".
        kinds: "plan", "edit" or both, in turn.
    """

    name: ClassVar[str] = "storybook-canvas"
    split: str = "test"
    language: str = "en"
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        """Refuse training data and what the storybook does not have."""
        require_fresh(self.split)
        words_of(self.language)
        for kind in self.kinds:
            if kind not in KINDS:
                raise UnknownNameError("kind of canvas sample", kind, KINDS)
        if not self.kinds:
            raise UsageError("no kinds of sample; ask for plan, edit or both")

    def settings(self) -> dict[str, Any]:
        """All choices, and how replies are decoded."""
        return {**asdict(self), "kinds": self._kinds, **_DECODING}

    def check(self, model: Model, count: int) -> None:
        """Refuse a model that neither plans nor answers."""
        if _planner(model) is None:
            answering(model, self.name).batch([])  # a model may have the method and refuse

    def rounds(self, seed: int, count: int, batch: int) -> Iterator[Sequence[CanvasSample]]:
        """The first `count` samples, `batch` at a time."""
        return groups(islice((self._sample(seed, number) for number in numbers()), count), batch)

    def ask(self, model: Model, samples: Sequence[CanvasSample], batch: int) -> list[Record]:
        """Ask for canvases, read the replies and compare them with the scenes."""
        planner = _planner(model)
        replies = self._answers(model, samples) if planner is None else self._plans(planner, samples)
        return [self._record(sample, reply) for sample, reply in zip(samples, replies, strict=True)]

    def _plans(self, planner: Planner, samples: Sequence[CanvasSample]) -> list[str]:
        return [_reply(planner, sample) for sample in samples]

    def _answers(self, model: Model, samples: Sequence[CanvasSample]) -> list[str]:
        conversations = [_messages(sample, None) for sample in samples]
        answers = answering(model, self.name).batch(conversations, **_DECODING)
        return [answer.text for answer in answers]

    @property
    def _kinds(self) -> list[str]:
        return [kind for kind in KINDS if kind in self.kinds]

    def _sample(self, seed: int, number: int) -> CanvasSample:
        kinds = self._kinds
        scene = scene_at(self.split, seed, number)
        rng = Random(f"storybook-canvas/{seed}/{number}/{self.language}")
        order = wish_order(scene, rng)
        asked = wish(scene, rng, self.language, order).text
        name, program = str(number), canvas_program(scene, self.language, order)
        if kinds[number % len(kinds)] == "plan":
            return CanvasSample(name, f"plan: {things_in(scene)}", asked, program, (), scene, None)
        change = edit(scene, rng, self.language)
        target = canvas_program(change.scene, self.language, order_after(order, scene, change.scene))
        turns = (Turn(asked, program),)
        return CanvasSample(name, f"edit: {change.kind}", change.instruction, target, turns, scene, change)

    def _record(self, sample: CanvasSample, reply: str) -> Record:
        if sample.change is None:
            score = score_plan(reply, sample.scene)
        else:
            score = score_edit(reply, sample.scene, sample.change, self.language)
        return Record.of(sample, reply, score.score, score.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorybookCanvasFree(StorybookCanvas):
    """The same, but the language model writes freely, without grammar or second try: what it has learned."""

    name: ClassVar[str] = "storybook-canvas-free"

    def _plans(self, planner: Planner, samples: Sequence[CanvasSample]) -> list[str]:
        if not isinstance(planner.writer, LocalWriter):
            raise UnsupportedError(f"{self.name} asks a language model in memory; this planner is elsewhere. "
                                   "Evaluate it on storybook-canvas")  # fmt: skip
        conversations = [_messages(sample, planner.settings.system) for sample in samples]
        return [answer.text for answer in planner.writer.chat.batch(conversations, GREEDY)]


def _planner(model: Model) -> Planner | None:
    """The planner of a model that `gesso.load` gave, if it is one."""
    engine = getattr(model, "engine", model)
    return engine if isinstance(engine, Planner) else None


def _reply(planner: Planner, sample: CanvasSample) -> str:
    """What the planner's canvas was read from; the reason, if there is none."""
    try:
        return planner.plan(sample.prompt, history=sample.turns, sampling=GREEDY).reply
    except CanvasError as error:
        return f"no canvas: {error}"


def _messages(sample: CanvasSample, system: str | None) -> list[Message]:
    return history_messages([(turn.wish, turn.reply) for turn in sample.turns], sample.prompt, system)
