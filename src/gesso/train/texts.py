"""The minis' tokenizer and the texts their language model learns first."""

import copy
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from gesso.core.messages import Message, assistant, user
from gesso.storybook.ask import conversation, questions
from gesso.storybook.compose import canvas_program, edit
from gesso.storybook.scene import SIGN_CHARACTERS, Scene
from gesso.storybook.splits import scenes
from gesso.storybook.tell import caption, describe

__all__ = ["clip_tokenizer", "text_conversations", "train_tokenizer"]

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
            # its own expression is GPT-2's, which keeps digits and capitals together; ours has cut already
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        # all 256 bytes, so that no text of any script is unknown
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(seed, count), trainer)
    bos = tokenizer.token_to_id("<s>")
    # a beginning and no end: the end of an answer is learned, and written by the chat template
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
        # decoding gives back the text as it was, also " ." and " 's"
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
    # first or second: `pack` leaves out what does not fit, and an edit is the longest task
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
    # signs are a hundred times rarer than words, yet every capital and digit must be a token
    yield from SIGN_CHARACTERS
    # the words of the chat template, often enough to become tokens
    yield "USER: ASSISTANT: \n" * 100
