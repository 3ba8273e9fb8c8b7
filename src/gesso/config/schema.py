"""What a training recipe says, one frozen dataclass per concern.

Each field is explained by the text below it; unknown keys and unusable values are refused by `config.load`.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gesso.core.errors import ConfigError

__all__ = ["DataSettings", "ModelSettings", "OptimSettings", "Recipe", "RunSettings"]

# below this, a byte-level tokenizer has room for its 256 bytes and special tokens, but hardly a merge
SMALLEST_VOCABULARY: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What is trained, and where its weights come from."""

    init: str | None = None
    """Folder or catalogue name to start from; none builds a new model from `shape`."""
    vision: str | None = None
    """Folder or catalogue name of the vision tower (LLaVA pretraining)."""
    language: str | None = None
    """Folder or catalogue name of the language model (LLaVA pretraining)."""
    tokenizer: str | None = None
    """Folder of the tokenizer; none trains one on the recipe's own texts (language objective only)."""
    vocabulary: int = 2048
    """Entries of a newly trained tokenizer."""
    shape: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Sizes of a new model, by part ("text", "vision", "language"): arguments of its transformers config."""
    projector: str = "mlp2x_gelu"
    """Type of a new projector."""
    template: str | None = None
    """Conversation template; none keeps that of `init`, and gives a new chat model "storybook"."""
    aspect: Literal["square", "pad"] | None = None
    """How pictures become squares; none keeps that of `init`, and pads for a new chat model."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention kernel while training; for tiny models on a CPU, eager is about twice as fast."""

    def __post_init__(self) -> None:
        """Refuse vocabularies too small for a tokenizer."""
        _check_least("model", self, SMALLEST_VOCABULARY, "vocabulary")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where examples come from."""

    source: Literal["storybook", "llava-json"] = "storybook"
    """The procedural world, or a LLaVA JSON list with a folder of pictures."""
    path: str | None = None
    """The JSON file (llava-json)."""
    images: str | None = None
    """Folder the JSON's picture paths are relative to (llava-json)."""
    count: int = 100_000
    """Different storybook pictures; they repeat, with new texts, after that many."""
    seed: int = 1
    """Start of the storybook's stream of scenes."""
    things: int = 6
    """Most things of a storybook scene; few make an easy start."""
    size: int = 96
    """Side of storybook pictures, in pixels."""
    cache: str = "runs/cache"
    """Folder for drawn storybook pictures."""
    chinese: float = 0.2
    """Share of examples in Chinese."""
    questions: int = 12
    """Most questions behind one picture, besides the description; as many are taken as fit in `length`.
    With 0, every picture has its description only."""
    describe: float = 1.0
    """Share of pictures with a full description."""
    length: int = 256
    """Positions of one row; conversations are packed into it while they fit."""

    def __post_init__(self) -> None:
        """Refuse counts below their minimum, shares outside [0, 1] and a JSON source without a path."""
        _check_least("data", self, 1, "count", "size", "length")
        _check_least("data", self, 0, "questions")
        for name in ("chinese", "describe"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; it must be in [0, 1]")
        if self.source == "llava-json" and not (self.path and self.images):
            raise ConfigError("data.source llava-json needs data.path (the JSON) and data.images (a folder)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimSettings:
    """How weights move: AdamW (and Muon), linear warm-up, cosine decay."""

    lr: float = 1e-3
    """Peak learning rate of every part without a rate of its own in `tune`."""
    beta2: float = 0.98
    """Second moment's decay of AdamW; the first is 0.9."""
    muon: float = 0.0
    """Rate of Muon for the matrices inside stacks of layers, as a multiple of the part's rate; 0 leaves them
    to AdamW. Muon gives every direction of a matrix an equal step, and so learns weak signals sooner."""
    weight_decay: float = 0.0
    """Decoupled decay of matrices; vectors (norms, biases) never decay."""
    warmup: float = 0.03
    """Share of the steps in which the rate rises from 0."""
    final: float = 0.0
    """Rate at the end, as a share of the peak."""
    clip: float = 1.0
    """Largest gradient norm; 0 does not clip."""

    def __post_init__(self) -> None:
        """Refuse rates and shares that cannot train."""
        for name, holds in (
            ("lr", self.lr > 0),
            ("beta2", 0 < self.beta2 < 1),
            ("muon", self.muon >= 0),
            ("weight_decay", self.weight_decay >= 0),
            ("warmup", 0 <= self.warmup < 1),
            ("final", 0 <= self.final <= 1),
            ("clip", self.clip >= 0),
        ):
            if not holds:
                raise ConfigError(f"optim.{name} is {getattr(self, name)}, which is out of range")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How long a run takes and what it writes."""

    out: str
    """Folder of checkpoints, log and the finished model (under `final`)."""
    steps: int
    """Optimiser steps."""
    batch: int = 64
    """Examples of one micro-batch on one process."""
    accumulate: int = 1
    """Micro-batches of one step."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16 runs the forward pass under autocast; weights stay in float32."""
    threads: int = 0
    """Torch threads; 0 leaves torch's choice."""
    processes: int = 1
    """Processes that train side by side on a CPU, each on batches of its own; on two cores, two processes of
    one thread are faster than one of two. On GPUs, start one process each with torchrun instead."""
    workers: int = 0
    """Processes that prepare batches; 0 prepares them in the training process."""
    seed: int = 0
    """Seed of new weights and of the order of examples."""
    save_every: int = 500
    """Steps between checkpoints; the last two are kept."""
    log_every: int = 10
    """Steps between log lines."""
    checkpointing: bool = False
    """Recompute activations in the backward pass to save memory."""

    def __post_init__(self) -> None:
        """Refuse counts below their minimum."""
        _check_least("run", self, 1, "steps", "batch", "accumulate", "processes", "save_every", "log_every")
        _check_least("run", self, 0, "threads", "workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training run."""

    objective: Literal["dense", "contrastive", "language", "vision-language"]
    """What is learned: what patches show, which text fits a picture, texts, or answers about pictures."""
    model: ModelSettings
    data: DataSettings
    run: RunSettings
    optim: OptimSettings = field(default_factory=OptimSettings)
    tune: dict[str, float] = field(default_factory=dict)
    """Learning rate by part of the model ("vision", "projector", "language"); 0 freezes the part."""
    about: str = ""
    """One line for people."""


def _check_least(group: str, settings: object, least: int, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value < least:
            raise ConfigError(f"{group}.{name} is {value}; it must be at least {least}")
