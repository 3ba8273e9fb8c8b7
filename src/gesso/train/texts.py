"""The minis' tokenizer and the texts their language model learns first."""

import copy
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from gesso.core.messages import Message, assistant, user
from gesso.storybook.ask import conversation, questions
from gesso.storybook.compose import canvas_program, edit
from gesso.storybook.scene import SIGN_CHARACTERS, Scene
from gesso.storybook.splits import scenes
from gesso.storybook.tell import caption, describe

__all__ = ["as_clip_inputs", "clip_tokenizer", "text_conversations", "train_tokenizer"]

PLANNING: Final = 0.15  # share of scenes whose canvas program is written
QUESTIONS: Final = 12  # behind each of the others

SPECIAL: Final = ("<unk>", "<s>", "</s>", "<pad>", "<image>")
# Role names stay whole and digits stand alone. So do capitals without a small letter behind them (signs,
# which stand in quotes), but not behind a blank: there all letters are one word with the blank. Chinese
# merges freely. Models are trained with this pattern; to change it is to train them anew.
SPLIT: Final = r"USER|ASSISTANT|\d|[A-Z](?![a-z])| ?[A-Za-z]+|[一-鿿]+|\s+(?!\S)|\s|[^\sA-Za-z\d一-鿿]+"


def train_tokenizer(vocabulary: int, *, seed: int, count: int = 4000) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on the texts of `count` training scenes, in both languages."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(seed, count), trainer)
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
        clean_up_tokenization_spaces=False,
    )


def text_conversations(scene: Scene, rng: Random, language: str) -> list[list[Message]]:
    """Conversations about one scene without its picture: reading, editing and planning.

    All of them begin with the scene's description and can be answered from it alone. What the language model
    learns here, to find a fact in its context, it needs again when the context holds a picture instead.
    """
    if rng.random() < PLANNING:
        told = describe(scene, language, signs=True)  # a program writes signs out, so they must be known
        return [[user(told), assistant(canvas_program(scene, language))]]
    story = describe(scene, language)
    change = edit(scene, rng, language)
    tasks = [(q.question, q.answer) for q in questions(scene, rng, QUESTIONS, language)]
    tasks.insert(rng.randrange(2), (change.instruction, describe(change.scene, language)))
    return [[user(f"{story}\n{task}"), assistant(answer)] for task, answer in tasks]


def clip_tokenizer(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A copy of a tokenizer whose end token has the highest id.

    transformers' CLIP text tower reads a text at its end token, but where that has id 2, as in the minis, at
    the largest id (a rule kept for old configs). With the highest id, both rules find the end.
    """
    copied = copy.deepcopy(tokenizer)  # the language model's tokenizer keeps its own end token
    copied.add_special_tokens({"eos_token": "<|endoftext|>"})
    return copied


def as_clip_inputs(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], longest: int
) -> tuple[Tensor, Tensor]:
    """Texts as a CLIP text tower takes them: `<s> text <|endoftext|>`, padded; ids and mask, both [B, L].

    Texts that do not fit are cut, with the end token kept, as CLIP does.
    """
    # cut here: `truncation=True` would stay switched on in the tokenizer, and be saved with it
    rows = [row[: longest - 1] for row in tokenizer(list(texts))["input_ids"]]
    batch = tokenizer.pad(
        {"input_ids": [[*row, tokenizer.eos_token_id] for row in rows]}, return_tensors="pt"
    )
    return batch["input_ids"], batch["attention_mask"]


def _corpus(seed: int, count: int) -> Iterator[str]:
    rng = Random(seed)
    for scene in islice(scenes("train", seed), count):
        for language in ("en", "zh"):
            yield caption(scene, language)
            yield describe(scene, language)
            yield from (f"{q.question} {q.answer}" for q in questions(scene, rng, 8, language))
            yield canvas_program(scene, language)
            yield edit(scene, rng, language).instruction
            yield from (q.question for q in conversation(scene, rng, "detail", language))
    yield from SIGN_CHARACTERS
    # the words of the chat template, often enough to become tokens
    yield "USER: ASSISTANT: \n" * 100
