"""What a text has told so far: the dense targets that teach a painter's text encoder.

A UNet reads the states of single tokens, and must find in them which thing is meant, in which colours, how
large and where. So each token learns to say which thing was told last, as each patch of the tower learns to
say which thing it shows (`objectives.dense`); texts that fit pictures as wholes would teach this on a detour.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from rich.markup import escape
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, PreTrainedTokenizerBase

from gesso.canvas.prompts import as_sentence
from gesso.canvas.vocabulary import LOCATIONS
from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.storybook.scene import COLOURS, KINDS, PATTERNS, PLACES, SIZES, Scene, Thing
from gesso.storybook.splits import scene_at
from gesso.storybook.words import Words, words_of
from gesso.train.objectives.sizes import sizes_of
from gesso.train.prompts import Windows
from gesso.train.texts import clip_tokenizer

__all__ = ["FACTS", "TextFactsBatch", "TextFactsObjective", "story"]

FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "place": PLACES,
    "kind": KINDS,
    "colour": COLOURS,
    "pattern": PATTERNS,
    "second_colour": ("none", *COLOURS),
    "size": tuple(SIZES),
    "location": tuple(LOCATIONS),
}
"""What is told of a place and a thing, and what it can be."""

UNTOLD: Final = -100  # facts that a token has not been told are not learned
MARKS: Final = ("calm", "storybook", "clean")  # what the canvas programs of the storybook say of every thing
READ_LAYER: Final = -2  # the layer a UNet of SDXL's kind reads

Facts = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextFactsBatch:
    """Windows of ids [B, T], and the class of each fact at each token [B, T, 7]."""

    ids: Tensor
    facts: Tensor


class TextFactsObjective:
    """A CLIP text encoder whose tokens know what was told before them."""

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
        self.data = recipe.data
        # that of a CLIP has its end token already
        clip = tokenizer.eos_token_id == len(tokenizer) - 1
        self.tokenizer = tokenizer if clip else clip_tokenizer(tokenizer)
        self.encoder = CLIPTextModelWithProjection(_config(recipe, self.tokenizer))
        self.encoder.set_attn_implementation(recipe.model.attention)
        positions = self.encoder.config.max_position_embeddings
        if self.data.length > positions:
            raise ConfigError(f"data.length is {self.data.length}; the text encoder has {positions} "
                              "positions (model.shape.text.max_position_embeddings)")  # fmt: skip
        self.windows = Windows(self.tokenizer, self.data.length)
        width = self.encoder.config.hidden_size
        classes = sum(map(len, FACTS.values()))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))
        self.module: nn.Module = nn.ModuleDict({"encoder": self.encoder, "head": self.head})

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """One part."""
        return {"text": self.module}

    @property
    def examples(self) -> int:
        """Different scenes."""
        return self.data.count

    def batch(self, examples: list[int], number: int) -> TextFactsBatch:
        """One window of text about each scene."""
        rows = [self._row(index, number) for index in examples]
        return TextFactsBatch(*(torch.tensor(part) for part in zip(*rows, strict=True)))

    def loss(self, batch: TextFactsBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of all facts, in the states a UNet reads and in both pooled ones."""
        found = self.encoder.text_model(batch.ids, output_hidden_states=True)
        states = found.hidden_states[READ_LAYER]  # [B, T, D]
        ends = (batch.ids == self.tokenizer.eos_token_id).int().argmax(dim=1)
        at_end = batch.facts[torch.arange(len(ends)), ends]  # [B, 7]
        pooled = torch.cat([found.pooler_output, self.encoder.text_projection(found.pooler_output)])
        loss, right = self._error(states.flatten(0, 1), batch.facts.flatten(0, 1))
        pooled_loss, _ = self._error(pooled, at_end.repeat(2, 1))
        return loss + pooled_loss, {"tokens": batch.ids.numel(), "right": right}

    def show(self, example: int) -> str:
        """A text, with what each of its tokens has been told."""
        ids, facts = self._row(example, 0)
        lines = []
        for token, row in zip(ids[: ids.index(self.tokenizer.eos_token_id) + 1], facts, strict=False):
            known = [names[fact] for names, fact in zip(FACTS.values(), row, strict=True) if fact != UNTOLD]
            lines.append(f"{escape(repr(self.tokenizer.decode([token])))}: [green]{' '.join(known)}[/green]")
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """A CLIP text folder with its tokenizer; the head stays behind."""
        self.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _error(self, states: Tensor, facts: Tensor) -> tuple[Tensor, float]:
        """Mean cross-entropy from states [n, D], facts [n, 7]; and the share of facts that come out right."""
        logits = self.head(states).float().split([len(names) for names in FACTS.values()], dim=1)
        losses = [
            functional.cross_entropy(each, facts[:, number], ignore_index=UNTOLD, reduction="sum")
            for number, each in enumerate(logits)
        ]
        told = facts != UNTOLD
        with torch.no_grad():
            guesses = torch.stack([each.argmax(1) for each in logits], dim=1)
            right = float((guesses == facts)[told].float().mean())
        return torch.stack(losses).sum() / told.sum().clamp(min=1), right

    def _row(self, index: int, number: int) -> tuple[list[int], list[Facts]]:
        """A window of ids [T] and the facts at each [T, 7]."""
        rng = Random(f"{self.data.seed}/{number}/{index}")
        words = words_of("zh" if rng.random() < self.data.chinese else "en")
        scene = scene_at("train", self.data.seed, index, counts=range(1, self.data.things + 1))
        ids: list[int] = []
        facts = [_nothing()]
        for text, told in story(scene, rng, words):
            tokens = self.windows.ids(as_sentence(text))
            # the tokens of a sentence cannot know what it will have told; its last one does
            facts += [facts[-1] if told == facts[-1] else _nothing()] * (len(tokens) - 1) + [told]
            ids += tokens
        window = self.windows.window(ids)
        facts = facts[: self.data.length - 1]
        return window, facts + [facts[-1]] * (self.data.length - len(facts))


def story(scene: Scene, rng: Random, words: Words) -> list[tuple[str, Facts]]:
    """Sentences about a scene as painters get them, each with the facts told by its end.

    A region of the canvas, its background, or some sentences of the description.
    """
    place, things = words.places[scene.place], list(scene.reading_order)
    background = _facts(scene.place)
    form = rng.random()
    if form < 0.1:
        return [(place, background), ("storybook", background)]
    if form < 0.7:
        thing = rng.choice(things)
        told = _facts(scene.place, thing)
        marks = (words.kinds[thing.kind], *MARKS)
        return [(place, background), (words.phrase(thing), told), *((mark, told) for mark in marks)]
    chosen = sorted(rng.sample(range(len(things)), rng.randint(1, len(things))))
    sentences = [(_sentence(things[i], words), _facts(scene.place, things[i], located=True)) for i in chosen]
    return [(place, background), *sentences]


def _sentence(thing: Thing, words: Words) -> str:
    where, what = words.locations[thing.location], words.phrase(thing)
    return f"{where}是{what}" if words.language == "zh" else f"{where.capitalize()} is {what}"


def _nothing() -> Facts:
    return (UNTOLD,) * len(FACTS)


def _facts(place: str | None, thing: Thing | None = None, *, located: bool = False) -> Facts:
    """Classes of the facts, `UNTOLD` for what is not told."""
    values: dict[str, Any] = {"place": place}
    if thing is not None:
        values |= {name: getattr(thing, name) for name in ("kind", "colour", "pattern", "size")}
        values["second_colour"] = thing.second_colour or "none"
        values["location"] = thing.location if located else None
    found = ((names, values.get(name)) for name, names in FACTS.items())
    return tuple(UNTOLD if value is None else names.index(value) for names, value in found)


def _config(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> CLIPTextConfig:
    sizes = sizes_of(recipe, "text", CLIPTextConfig)
    return CLIPTextConfig(
        **{"projection_dim": sizes.get("hidden_size"), **sizes},
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
