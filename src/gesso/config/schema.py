"""What a training recipe says, one frozen dataclass per concern.

Each field is explained by the text below it; unknown keys and unusable values are refused by `config.load`.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gesso.core.errors import ConfigError

__all__ = [
    "AutoencoderSettings",
    "DataSettings",
    "DiffusionSettings",
    "DreamboothSettings",
    "LoraSettings",
    "ModelSettings",
    "OptimSettings",
    "PreferenceSettings",
    "Recipe",
    "RunSettings",
]

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
    detail: str | None = None
    """Folder of the high-resolution tower of a new Mini-Gemini: an OpenCLIP ConvNeXt, or what a recipe with
    the objective "signs" trained."""
    high: int | None = None
    """Side of a Mini-Gemini's high-resolution picture, in pixels; none keeps that of `init`."""
    grid: int | None = None
    """A Mini-Gemini's low-resolution picture is cut into so many views along each side (HD models: 2); none
    keeps that of `init`, and does not cut for a new one."""
    overview: bool | None = None
    """Whether a Mini-Gemini sees the whole picture in one more view (HD models do); none keeps `init`'s."""
    audio: str | None = None
    """Folder of a Megrez whose audio encoder replaces that of `init`."""
    autoencoder: str | None = None
    """Folder of the autoencoder whose latents a UNet learns (diffusion)."""
    text_encoder: str | None = None
    """Folder of a CLIP with its tokenizer, whose text side is a UNet's first text encoder (diffusion)."""
    text_encoder_2: str | None = None
    """Folder of the second text encoder, made by a recipe with the same tokenizer; a painter without one is
    of SD 1.5's shape (diffusion)."""
    features: str | None = None
    """Folder of the first stage, which tells how a subject will look (subject-attention), or of an adapter
    that is to learn on (ip-adapter, too)."""
    tokenizer: str | None = None
    """Folder of the tokenizer; none trains one on the recipe's own texts (language objective only)."""
    vocabulary: int = 2048
    """Entries of a newly trained tokenizer."""
    shape: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Sizes of a new model, by part ("text", "vision", "language", "judge", "autoencoder", "unet"): arguments
    of its transformers config or of its diffusers class."""
    projector: str = "mlp2x_gelu"
    """Type of a new projector."""
    template: str | None = None
    """Conversation template; none keeps that of `init`, and gives a new chat model "storybook"."""
    aspect: Literal["square", "pad"] | None = None
    """How pictures become squares; none keeps that of `init`, and pads for a new chat model."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention kernel while training; for tiny models on a CPU, eager is about twice as fast."""
    canvas_tokens: bool = False
    """Give the tokenizer one token for each fixed stretch of a canvas program (planning objective). Programs
    of the minis then take less than half the positions; their text stays the same."""

    def __post_init__(self) -> None:
        """Refuse vocabularies too small for a tokenizer."""
        _check_least("model", self, SMALLEST_VOCABULARY, "vocabulary")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where examples come from."""

    source: Literal[
        "storybook",
        "llava-json",
        "messages",
        "boxes",
        "subjects",
        "pictures",
        "storybook-speech",
        "storybook-lookups",
        "records",
    ] = "storybook"
    """The procedural world, also with speech, or for planners to look places up; a LLaVA JSON list with a
    folder of pictures; for planning and preferences JSONL of conversations or pairs (messages), or of
    captions with boxes (boxes), as `gesso.train.plans`, `pairs` and `boxes` describe them; JSONL of pictures
    with masks, labels and captions (subjects), as `gesso.train.subjects` does; a folder of pictures of one
    subject (pictures); Megrez's records.jsonl, as
    `gesso.train.records` does."""
    path: str | None = None
    """The file (all but storybook)."""
    images: str | None = None
    """Folder that paths in a file are relative to (llava-json, records; boxes take colours from it)."""
    more: dict[str, str] = field(default_factory=dict)
    """Further LLaVA JSON lists, each with its folder of pictures, that come to `path` (llava-json), such as
    the one of which Mini-Gemini learns to write prompts for a painter."""
    count: int = 100_000
    """Different storybook pictures; they repeat, with new texts, after that many."""
    seed: int = 1
    """Start of the storybook's stream of scenes."""
    things: int = 6
    """Most things of a storybook scene; few make an easy start."""
    signs: float = 0.15
    """Share of storybook things that carry a sign."""
    rare: float = 0.0
    """Share of storybook things that are of kinds no scene is sampled with, such as the moon (painters)."""
    offsets: bool = True
    """Whether storybook things may stand a little beside the places that words tell (painters). A painter
    told by words alone takes the possible places of one thing for several things."""
    read: bool = False
    """Whether every sign is asked about, before other questions."""
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
    spoken: int = 6_000
    """Storybook scenes that are spoken about (speech objectives); they repeat after that many."""
    speech_questions: int = 3
    """Most spoken questions about one of them."""
    speech_told: int = 1
    """Wishes and descriptions that are spoken about one of them, to be written down."""
    heard: float = 0.5
    """Share of examples with nothing but speech to be written down; the others ask about a picture."""
    edits: float = 0.5
    """Share of canvas conversations that go on with one or two edits (planning and preference objectives)."""
    loose: float = 0.0
    """Share of canvas conversations whose wish leaves things open (planning objective)."""
    notes: bool = False
    """Whether the storybook's canvas programs follow a line that works the plan out (planning and preference
    objectives). The grammar of planners with the storybook's template asks for it."""
    length: int = 256
    """Positions of one row; conversations are packed into it while they fit."""

    def __post_init__(self) -> None:
        """Refuse counts below their minimum, shares outside [0, 1] and a JSON source without a path."""
        _check_least("data", self, 1, "count", "size", "length", "spoken", "speech_questions")
        _check_least("data", self, 0, "questions", "speech_told")
        for name in ("chinese", "describe", "edits", "heard", "loose", "rare", "signs"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; it must be in [0, 1]")
        if self.source == "llava-json" and not (self.path and self.images):
            raise ConfigError("data.source llava-json needs data.path (the JSON) and data.images (a folder)")
        if self.more and self.source != "llava-json":
            raise ConfigError(f"data.more is for llava-json, not for {self.source}; leave it out")
        if self.source == "pictures" and not self.path:
            raise ConfigError("data.source pictures needs data.path (a folder)")
        if self.source in ("messages", "boxes", "records", "subjects") and not self.path:
            raise ConfigError(f"data.source {self.source} needs data.path (a JSONL file)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderSettings:
    """What an autoencoder's loss weighs beside the mean squared error, which counts 1."""

    crop: int = 64
    """Side of the pieces of pictures it learns from, in pixels."""
    principal: bool = False
    """Whether the encoder of a new model begins as the principal components of pictures."""
    edges: float = 1.0
    """Weight of the error of differences between neighbours at three scales: crisp stripes and dots."""
    kl: float = 3e-4
    """Weight of the divergence from a standard normal, a mean over the values of the latent. More of it
    leaves more noise in the latents, so that the decoder forgives what a UNet gets slightly wrong."""

    def __post_init__(self) -> None:
        """Refuse negative weights and pieces of nothing."""
        _check_least("autoencoder", self, 1, "crop")
        _check_least("autoencoder", self, 0, "edges", "kl")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionSettings:
    """How a UNet learns to paint."""

    prediction: Literal["epsilon", "v_prediction"] = "epsilon"
    """What it predicts: the noise, or the velocity of arXiv 2202.00512. Of a frozen painter it is as that was
    trained, and may be left out."""
    snr_gamma: float = 5.0
    """Noise levels weigh min(SNR, gamma) in the error of the clean latent (min-SNR, arXiv 2303.09556).

    0 weighs all levels alike in the error of what is predicted. For velocities that teaches where things go,
    which is decided under much noise: there min-SNR weighs less than a tenth.
    """
    things: float = 1.0
    """Additional weight of latent cells that show things, as a share of what every cell weighs."""
    regions: float = 0.75
    """Share of pictures told by canvas regions with their own texts; the rest has one text for all."""
    placed: float = 0.0
    """Share of pictures told by what is where, without its looks, as prompts about known subjects are: by
    regions, or by one text if they show one thing."""
    dropout: float = 0.1
    """Share of pictures without text, which guidance needs (arXiv 2207.12598)."""
    opening: bool = True
    """Whether prompts about a subject begin "photo of a <noun>.", as those of the published MoMA do."""
    follows: bool = True
    """Whether a subject counts where the painter attends to its noun, as in the published MoMA, or in all of
    the picture (subject-attention objective). While training, its true mask stands for that attention. A
    small painter attends beside the thing as well, so that the mask promises more than painting keeps. If in
    all of the picture, examples without text are without the reference as well."""
    window: int = 77
    """Ids of one window of text. A small world needs fewer than CLIP's 77; the model's tokenizers tell it."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what is saved; 0 saves the weights themselves."""

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 1] and windows without room for text."""
        _check_least("diffusion", self, 4, "window")
        _check_least("diffusion", self, 0, "snr_gamma", "things")
        for name in ("regions", "placed", "dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"diffusion.{name} is {getattr(self, name)}; it must be in [0, 1]")
        if not 0 <= self.average < 1:
            raise ConfigError(f"diffusion.average is {self.average}; it must be in [0, 1)")


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
    shard: Literal["none", "zero2", "fsdp"] = "none"
    """What several processes divide among them, instead of each keeping a whole copy: zero2 gradients and
    moments, fsdp the weights, too. For recipes with a language model, without Muon."""
    grouped: bool = False
    """Whether no batch mixes examples with and without pictures, and those of a step are of like length."""
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
class PreferenceSettings:
    """How a model learns from pairs of answers (DPO, arXiv 2305.18290), and how pairs are sampled."""

    beta: float = 0.1
    """How strongly the model is held to the one it starts as."""
    normalise: bool = False
    """Divide log-probabilities by the length of their answer (Tülu 3, arXiv 2411.15124, equation 6)."""
    sft: float = 0.0
    """Weight of the mean cross-entropy of the chosen answers, added to the loss."""
    samples: int = 8
    """Answers to one wish; the best is paired with a worse one. (Storybook only.)"""
    temperature: float = 1.0
    """Of these samples."""
    top_p: float = 1.0
    """Of these samples: the smallest set of tokens whose probability reaches this."""
    max_new_tokens: int = 1024
    """Longest sample, in tokens."""

    def __post_init__(self) -> None:
        """Refuse weights and shares out of range."""
        _check_least("preference", self, 2, "samples")
        _check_least("preference", self, 1, "max_new_tokens")
        for name, holds in (
            ("beta", self.beta > 0),
            ("sft", self.sft >= 0),
            ("temperature", self.temperature > 0),
            ("top_p", 0 < self.top_p <= 1),
        ):
            if not holds:
                raise ConfigError(f"preference.{name} is {getattr(self, name)}, which is out of range")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """Low-rank adapters on parts of a model (arXiv 2106.09685), merged into it when it is saved."""

    parts: tuple[str, ...]
    """Parts whose linear maps get adapters, such as "language"."""
    rank: int = 16
    """Rank of a change."""
    alpha: int = 16
    """A change counts alpha / rank."""
    dropout: float = 0.0
    """Share of an adapter's inputs left out while training."""
    targets: tuple[str, ...] = ()
    """Last names of the maps, such as "q_proj"; none adapts all linear maps of the parts."""
    train: tuple[str, ...] = ()
    """Regular expressions; weights of these parts whose names they occur in are trained as they are."""

    def __post_init__(self) -> None:
        """Refuse adapters of nothing."""
        _check_least("lora", self, 1, "rank")
        if not self.parts:
            raise ConfigError("lora.parts is empty; name a part, such as language")
        if not (self.alpha > 0 and 0 <= self.dropout < 1):
            raise ConfigError(f"lora.alpha is {self.alpha} and lora.dropout {self.dropout}; "
                              "alpha must be above 0, dropout in [0, 1)")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DreamboothSettings:
    """What pictures of a subject are called, and what keeps its class as it was (arXiv 2208.12242)."""

    prompt: str
    """The words for the subject, with a rare word in them, such as "a photo of sks dog"."""
    class_prompt: str | None = None
    """The words for its class, such as "a photo of a dog"; none trains on the subject's pictures alone."""
    prior: str = "runs/prior"
    """Folder of pictures of the class; what is missing of them is painted by the model as it was."""
    prior_count: int = 100
    """How many there are to be."""
    prior_weight: float = 1.0
    """Weight of their error beside that of the subject's."""
    prior_steps: int = 25
    """Steps of the sampler by which they are painted."""

    def __post_init__(self) -> None:
        """Refuse words of nothing and counts below their minimum."""
        if not self.prompt.strip():
            raise ConfigError("dreambooth.prompt is empty; give the words for the subject")
        _check_least("dreambooth", self, 1, "prior_count", "prior_steps")
        _check_least("dreambooth", self, 0, "prior_weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training run."""

    objective: Literal[
        "dense", "contrastive", "language", "vision-language", "planning", "preference",
        "text-facts", "text-distil", "autoencoder", "diffusion", "judge", "distil", "speech", "signs",
        "spelling", "subject-feature", "subject-attention", "ip-adapter", "dreambooth",
    ]  # fmt: skip
    """What is learned: what patches show, which text fits a picture, texts, answers about pictures, canvas
    programs, which of two answers is better; to see as another model does, to hear which words are spoken,
    what signs say; and for painting: which facts a text has told, what two text encoders tell,
    pictures from latents, latents from texts, what painted things are, how a given subject will look, how to
    paint it, and, as an IP-Adapter does, how to paint what a CLIP saw; one subject of which there are many
    pictures."""
    model: ModelSettings
    data: DataSettings
    run: RunSettings
    optim: OptimSettings = field(default_factory=OptimSettings)
    preference: PreferenceSettings | None = None
    """For the objective of that name only; none takes the defaults."""
    lora: LoraSettings | None = None
    """Adapters instead of whole weights, for chat models; none trains whole weights. DreamBooth always trains
    some, on parts "unet" and "text"; none takes the UNet's attention."""
    tune: dict[str, float] = field(default_factory=dict)
    """Learning rate by part of the model ("vision", "projector", "language"); 0 freezes the part."""
    freeze: tuple[str, ...] = ()
    """Regular expressions; weights in whose names one occurs stay as they are, such as "embed_tokens". Names
    begin with their part ("language.model.embed_tokens.weight")."""
    autoencoder: AutoencoderSettings | None = None
    """For the objective of that name only; none takes the defaults."""
    diffusion: DiffusionSettings | None = None
    """For the objective of that name only; none takes the defaults."""
    dreambooth: DreamboothSettings | None = None
    """For the objective of that name only, which needs them."""
    about: str = ""
    """One line for people."""


def _check_least(group: str, settings: object, least: int, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not value >= least:  # also refuses "not a number"
            raise ConfigError(f"{group}.{name} is {value}; it must be at least {least}")
