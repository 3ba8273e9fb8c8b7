"""Pairs of answers sampled from a model over storybook wishes, scored by how well their canvases match.

Each process writes a file of its own below `run.out`. Beside the pair a line holds the wish's "number" and
the "scores" of both answers; a wish whose answers were all equally good leaves a line without a pair, so that
it is not asked again.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from accelerate import PartialState
from rich.console import Console
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gesso.canvas.parse import read_canvas
from gesso.config.schema import PreferenceSettings, Recipe
from gesso.core.digests import weights_digest
from gesso.core.errors import CanvasError, TrainingError
from gesso.core.messages import Message, assistant
from gesso.core.progress import progress_bar
from gesso.core.sampling import Sampling
from gesso.engines.generate import generate
from gesso.engines.text_chat import TextChat
from gesso.models.base import Encoded
from gesso.storybook.match import match_edit, match_plan
from gesso.train.pairs import Pair
from gesso.train.planners import ConversationEncoder, planner_folder
from gesso.train.plans import StorybookPlans, Task

__all__ = ["SampledPairs", "answer_score", "choose_pair"]

WISHES: Final = 8
"""Wishes that are asked together, and written down together."""

LEAST: Final = 32
"""Tokens of room below which a wish is not asked."""

HEADER: Final = "pairs.json"


class SampledPairs:
    """Pairs sampled from a model over storybook wishes; made when they are first counted, and kept on disk.

    Several processes share the work. An interrupted stage goes on with the wishes that are missing.

    Args:
        recipe: its data settings say which wishes.
        settings: how answers are sampled.
        model: what answers.
        tokenizer: of the model.
        encoder: lays out the wishes.
    """

    def __init__(
        self,
        recipe: Recipe,
        settings: PreferenceSettings,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        encoder: ConversationEncoder,
    ) -> None:
        self._recipe, self._settings, self._folder = recipe, settings, Path(recipe.run.out)
        self._source = StorybookPlans(recipe.data)
        self._model, self._tokenizer, self._encoder = model, tokenizer, encoder
        self._pairs: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        """Pairs found; fewer than wishes, where all answers to one are equally good.

        Raises:
            TrainingError: no wish gave a pair, or the pairs there are were made under other settings.
        """
        if self._pairs is None:
            self._pairs = self._complete()
        return len(self._pairs)

    def pair(self, index: int) -> Pair:
        """One of them."""
        len(self)
        return _as_pair((self._pairs or [])[index])

    def first(self) -> Pair:
        """The first pair that sampling finds; nothing is written."""
        wishes = range(self._recipe.data.count)
        batches = (self._sample(wishes[start : start + WISHES]) for start in range(0, len(wishes), WISHES))
        found = (line for lines in batches for line in lines if "chosen" in line)
        line = next(found, None)
        if line is None:
            raise TrainingError(_no_pairs(len(wishes)))
        return _as_pair(line)

    def _complete(self) -> list[dict[str, Any]]:
        """Ask what is missing of this process's share, wait for the others, and read all."""
        state = PartialState()
        if self._recipe.run.threads:
            torch.set_num_threads(self._recipe.run.threads)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._check_header(state.is_main_process)
        done = {line["number"] for line in _lines(self._folder)}
        missing = [
            number
            for number in range(state.process_index, self._recipe.data.count, state.num_processes)
            if number not in done
        ]
        part = self._folder / f"pairs-{state.process_index}.jsonl"
        _drop_cut_line(part)
        with progress_bar(Console(stderr=True), hidden=not (state.is_main_process and missing)) as progress:
            for start in progress.track(range(0, len(missing), WISHES), description="sampling pairs"):
                _append(part, self._sample(missing[start : start + WISHES]))
        state.wait_for_everyone()
        wanted = (line for line in _lines(self._folder) if line["number"] < self._recipe.data.count)
        pairs = sorted((line for line in wanted if "chosen" in line), key=lambda line: int(line["number"]))
        if not pairs:
            raise TrainingError(_no_pairs(self._recipe.data.count))
        return pairs

    def _sample(self, wishes: Sequence[int]) -> list[dict[str, Any]]:
        """Several answers to each wish, as the lines to write down."""
        tasks = [self._source.task(wish, 0) for wish in wishes]
        prompts = [self._encoder.prompt(task.messages()[:-1]) for task in tasks]
        self._model.to(PartialState().device)
        answers = self._answers(wishes, prompts)
        return [
            {"number": wish, **choose_pair(task, texts, Random(wish))}
            for wish, task, texts in zip(wishes, tasks, answers, strict=True)
        ]

    @torch.inference_mode()
    def _answers(self, wishes: Sequence[int], prompts: Sequence[Encoded]) -> list[list[str]]:
        """The different answers to each prompt; none to one that leaves no room for them."""
        chat, count = TextChat(self._model), self._settings.samples
        rooms = [self._encoder.longest - len(prompt.ids) for prompt in prompts]
        asked = [place for place, room in enumerate(rooms) if room >= LEAST for _ in range(count)]
        embedded = [chat.embed(prompt) for prompt in prompts]  # [L, D] each
        samplings = [
            self._sampling(wishes[place], number % count, rooms[place]) for number, place in enumerate(asked)
        ]
        asking = [embedded[place] for place in asked]
        made = generate(chat, self._tokenizer, asking, samplings, max_batch=max(1, len(asked)))
        texts: list[dict[str, None]] = [{} for _ in prompts]
        for place, answer in zip(asked, made, strict=True):
            # one that was cut off lacks the end token, which training would add
            if answer.finish_reason == "stop":
                texts[place][answer.text] = None
        return [list(different) for different in texts]

    def _sampling(self, wish: int, number: int, room: int) -> Sampling:
        """Each sample has a seed of its own, so that it does not depend on what is sampled beside it."""
        settings = self._settings
        return Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_new_tokens=min(settings.max_new_tokens, room),
            seed=Random(f"{self._recipe.data.seed}/{wish}/{number}").getrandbits(62),
        )

    def _check_header(self, writes: bool) -> None:
        """Refuse to go on with pairs of other settings or another start."""
        settings = json.loads(json.dumps(_made_under(self._recipe, self._settings)))
        path = self._folder / HEADER
        there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else settings
        changed = [name for name in settings if there.get(name) != settings[name]]
        if changed:
            raise TrainingError(f"the pairs in {self._folder} were sampled with another {changed[0]}; "
                                "delete them, or choose another run.out")  # fmt: skip
        if writes:
            path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def choose_pair(task: Task, texts: Sequence[str], rng: Random) -> dict[str, Any]:
    """The best of several answers and a worse one, with their scores; where none is worse, the score alone.

    Args:
        task: what was asked; its last request is what the texts answer.
        texts: the answers, none of them twice.
        rng: chooses among the worse ones.
    """
    scored = [(answer_score(text, task), text) for text in texts]
    best = max(scored, key=lambda item: item[0], default=(0.0, ""))
    worse = [item for item in scored if item[0] < best[0]]
    if not worse:
        return {"scores": [best[0]]}
    other = rng.choice(worse)
    return {
        "prompt": [message.to_openai() for message in task.messages()[:-1]],
        "chosen": [assistant(best[1]).to_openai()],
        "rejected": [assistant(other[1]).to_openai()],
        "scores": [best[0], other[0]],
    }


def answer_score(text: str, task: Task) -> float:
    """How well a text answers a task's last request: 0 if it is no canvas, else the share that matches."""
    try:
        canvas = read_canvas(text).canvas
    except CanvasError:
        return 0.0
    if not task.edits:
        return match_plan(canvas, task.scene).agreement
    before, after = (read_canvas(program).canvas for program in task.programs[-2:])
    return match_edit(canvas, before, after, task.edits[-1].kind).agreement


def _made_under(recipe: Recipe, settings: PreferenceSettings) -> dict[str, Any]:
    """All that sampled pairs depend on; how many wishes there are is not part of it."""
    data = recipe.data
    return {
        "start": weights_digest(planner_folder(recipe)),
        "wishes": [data.seed, data.things, data.chinese, data.edits, data.length, data.notes],
        "sampling": [settings.samples, settings.temperature, settings.top_p, settings.max_new_tokens],
        "template": recipe.model.template,
    }


def _append(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The complete lines of all processes' parts."""
    for path in sorted(folder.glob("pairs-*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            yield json.loads(line)


def _drop_cut_line(path: Path) -> None:
    """Remove a last line that was cut short when a run was killed."""
    if path.is_file():
        data = path.read_bytes()
        path.write_bytes(data[: data.rfind(b"\n") + 1])


def _as_pair(line: dict[str, Any]) -> Pair:
    prompt = [Message.from_openai(message) for message in line["prompt"]]
    return Pair(prompt, *(Message.from_openai(line[name][0]) for name in ("chosen", "rejected")))


def _no_pairs(wishes: int) -> str:
    return (f"none of {wishes} wishes gave answers of different quality; raise data.count or "
            "preference.samples or .temperature, or be content with the model")  # fmt: skip
