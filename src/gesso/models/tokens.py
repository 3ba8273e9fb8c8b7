"""Turns rendered pieces into token ids, with a label for each id.

The rule is LLaVA's `tokenizer_image_token` (haotian-liu/LLaVA at c121f04): the text between two pictures is
tokenised as one run, each run as if it stood alone, and the beginning-of-sequence token is kept once.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Final

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError
from gesso.models.base import AUDIO_INDEX, IMAGE_INDEX
from gesso.models.rendering import Piece

__all__ = ["PromptTokenizer"]

PLACES: Final = {"picture": IMAGE_INDEX, "sound": AUDIO_INDEX}
"""The id that stands for a piece without text."""

NEVER: Final = r"(?!)"
"""Pattern that matches nothing."""


class PromptTokenizer:
    """Tokenises prompts that hold pictures, with the ids that sentencepiece gives LLaVA.

    Control tokens count only in markup: a user who writes `</s>` sends those four letters. A run in which
    that happens is cut at its markup's control tokens, and the rest is tokenised without them.

    Args:
        tokenizer: the language model's tokenizer, as it is now; later changes to it have no effect here.

    Raises:
        CheckpointError: it is none of the tokenizers library.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise CheckpointError(f"{type(tokenizer).__name__} gives no text positions; "
                                  "load the tokenizer with AutoTokenizer.from_pretrained")  # fmt: skip
        self._backend = _copy(backend)
        # what a tokenizer writes before a text, mostly <s> or nothing; behind it some write an end token
        letter = self._backend.encode("a")
        self._start = letter.ids[: letter.special_tokens_mask.index(0)]
        special = (token.content for token in backend.get_added_tokens_decoder().values() if token.special)
        # longest first, as the expression takes the first that fits: "<|end|>" must win over "<|"
        control = sorted(special, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, control)) or NEVER)
        # a blank gets lost at the beginning of a run, with some tokenizers also after each control token
        self._lost_first = re.compile(r"\A(?= )" if self._swallows_blank("") else NEVER)
        after = bool(control) and self._swallows_blank(control[0])
        self._lost_later = re.compile(r"\A(?= )" if after else NEVER)
        lost = [self._lost_first.pattern, *(f"{re.escape(token)}(?= )" for token in control if after)]
        self._lost = re.compile("|".join(lost))

    def prompt(self, prompt: str, picture: str = "<image>") -> tuple[int, ...]:
        """Token ids of a finished prompt, in which `picture` stands for pictures and control tokens count."""
        ids = [*self._start]
        for index, run in enumerate(prompt.split(picture)):
            run_ids, _ = self._encode(self._backend, self._lost, run)
            ids.extend([IMAGE_INDEX, *run_ids] if index else run_ids)
        return tuple(ids)

    def pieces(self, pieces: Iterable[Piece]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Token ids of rendered pieces, and for each whether it is supervised."""
        ids, supervised = [*self._start], [False] * len(self._start)
        for place, group in groupby(pieces, key=lambda piece: PLACES.get(piece.kind)):
            run = list(group)
            run_ids, marks = self._run(run) if place is None else ([place] * len(run), [False] * len(run))
            ids.extend(run_ids)
            supervised.extend(marks)
        return tuple(ids), tuple(supervised)

    def _run(self, pieces: Sequence[Piece]) -> tuple[list[int], list[bool]]:
        """Ids of the text between two pictures, and which of them begin in supervised text."""
        if any(piece.kind == "words" and self._control.search(piece.text) for piece in pieces):
            ids, starts = self._encode_literally(pieces)
        else:
            text = "".join(piece.text for piece in pieces)
            ids, starts = self._encode(self._backend, self._lost, text)
        # one byte a letter, so that a token's place in the text finds whether it is learned
        marks = b"".join((b"\1" if piece.supervised else b"\0") * len(piece.text) for piece in pieces)
        return ids, [marks[start] == 1 for start in starts]

    def _encode(self, backend: Tokenizer, lost: re.Pattern[str], text: str) -> tuple[list[int], list[int]]:
        """Ids of a text, and where in it each begins; blanks that follow `lost` are doubled first."""
        places = [match.end() for match in lost.finditer(text)]
        for count, place in enumerate(places):
            text = f"{text[: place + count]} {text[place + count :]}"
        encoding = backend.encode(text, add_special_tokens=False)
        starts = [start for start, _ in encoding.offsets]
        # back to places in the text as it came: each doubled blank moved what follows by one
        for place in places:
            starts = [start - (start > place) for start in starts]
        return encoding.ids, starts

    def _encode_literally(self, pieces: Sequence[Piece]) -> tuple[list[int], list[int]]:
        """Like `_encode`, with control tokens taken from the markup alone."""
        ids: list[int] = []
        starts: list[int] = []
        for begin, text, control in self._stretches(pieces):
            if control is not None:
                ids.append(control)
                starts.append(begin)
                continue
            # a run begins with sentencepiece's blank; behind a control token some tokenizers add none
            backend, lost = self._literal_later if begin else self._literal_first
            stretch_ids, stretch_starts = self._encode(backend, lost, text)
            ids.extend(stretch_ids)
            starts.extend(begin + start for start in stretch_starts)
        return ids, starts

    def _stretches(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, str, int | None]]:
        """(position, text, id) of each control token in the markup and (position, text, None) in between."""
        text = "".join(piece.text for piece in pieces)
        begin = end = 0
        for piece in pieces:
            # in the template's own text only: what a user writes is letters, also where it spells </s>
            found = self._control.finditer(text, end, end + len(piece.text)) if piece.kind == "markup" else ()
            for match in found:
                if match.start() > begin:
                    yield begin, text[begin : match.start()], None
                yield match.start(), match[0], self._backend.token_to_id(match[0])
                begin = match.end()
            end += len(piece.text)
        if begin < len(text):
            yield begin, text[begin:], None

    def _swallows_blank(self, before: str) -> bool:
        """Whether a blank after this text gets lost.

        Where a stretch of text begins, sentencepiece always adds a blank; the tokenizers library adds one
        only if there is none yet, so that a blank of the text itself disappears.
        """
        without, with_blank = (
            self._backend.encode(before + text, add_special_tokens=False).ids for text in ("a", " a")
        )
        return bool(without == with_blank)

    @cached_property
    def _literal_first(self) -> tuple[Tokenizer, re.Pattern[str]]:
        """The tokenizer again, reading control tokens as letters, and where it loses a blank."""
        literal = _copy(self._backend)
        literal.encode_special_tokens = True
        return literal, self._lost_first

    @cached_property
    def _literal_later(self) -> tuple[Tokenizer, re.Pattern[str]]:
        """The same for text behind a control token, where some tokenizers add no blank."""
        literal = _copy(self._literal_first[0])
        # a switch of the object, not of its JSON, so the copy has to be told again
        literal.encode_special_tokens = True
        if isinstance(literal.pre_tokenizer, Metaspace) and literal.pre_tokenizer.prepend_scheme == "first":
            literal.pre_tokenizer.prepend_scheme = "never"
        return literal, self._lost_later


def _copy(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, free of the truncation and padding that earlier calls may have left on it."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
