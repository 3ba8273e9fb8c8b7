"""Turns rendered pieces into token ids, with a label for each id.

The rule is LLaVA's `tokenizer_image_token` (haotian-liu/LLaVA at c121f04): the text between two pictures is
tokenised as one run, each run as if it stood alone, and the beginning-of-sequence token is kept once.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import CheckpointError
from gesso.models.base import IMAGE_INDEX
from gesso.models.rendering import Piece

__all__ = ["PromptTokenizer"]


class PromptTokenizer:
    """Tokenises prompts that hold pictures, exactly as a sentencepiece-based LLaVA does.

    Control tokens count only in markup: a user who writes `</s>` sends those four letters. A run in which
    that happens is cut at its markup's control tokens, and the rest is tokenised without them.

    Args:
        tokenizer: the language model's tokenizer; one of the tokenizers library.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise CheckpointError(f"{type(tokenizer).__name__} gives no text positions; "
                                  "load the tokenizer with AutoTokenizer.from_pretrained")  # fmt: skip
        self._backend = backend
        self._start = tuple(backend.encode("").ids)
        control = sorted(t.content for t in backend.get_added_tokens_decoder().values() if t.special)
        self._control = re.compile("|".join(map(re.escape, control)) or r"(?!)")
        # sentencepiece puts a blank before every run; the tokenizers library leaves it out if one is there
        alone, after_blank = (backend.encode(text, add_special_tokens=False).ids for text in ("a", " a"))
        self._swallows_blank = alone == after_blank

    def prompt(self, prompt: str, picture: str = "<image>") -> tuple[int, ...]:
        """Token ids of a finished prompt, in which `picture` stands for pictures and control tokens count."""
        ids = list(self._start)
        for index, run in enumerate(prompt.split(picture)):
            ids.extend([IMAGE_INDEX, *self._run(run)[0]] if index else self._run(run)[0])
        return tuple(ids)

    def pieces(self, pieces: Iterable[Piece]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Token ids of rendered pieces, and for each whether it is supervised."""
        ids, supervised = list(self._start), [False] * len(self._start)
        for is_picture, group in groupby(pieces, key=lambda piece: piece.kind == "picture"):
            for run_ids, run_supervised in self._group(is_picture, list(group)):
                ids.extend(run_ids)
                supervised.extend(run_supervised)
        return tuple(ids), tuple(supervised)

    def _group(self, is_picture: bool, pieces: list[Piece]) -> Iterator[tuple[list[int], list[bool]]]:
        if is_picture:
            yield [IMAGE_INDEX] * len(pieces), [False] * len(pieces)
            return
        text = "".join(piece.text for piece in pieces)
        marks = b"".join((b"\1" if piece.supervised else b"\0") * len(piece.text) for piece in pieces)
        plain = any(piece.kind == "words" and self._control.search(piece.text) for piece in pieces)
        ids, starts = self._careful(pieces) if plain else self._run(text)
        yield ids, [marks[start] == 1 for start in starts]

    def _run(self, text: str) -> tuple[list[int], list[int]]:
        return self._with_blank(self._backend, text)

    def _with_blank(self, backend: Tokenizer, text: str) -> tuple[list[int], list[int]]:
        """Ids of a text and where in it each begins."""
        added = int(self._swallows_blank and text.startswith(" "))
        encoding = backend.encode(" " * added + text, add_special_tokens=False)
        return encoding.ids, [max(start - added, 0) for start, _ in encoding.offsets]

    def _careful(self, pieces: Sequence[Piece]) -> tuple[list[int], list[int]]:
        """Like `_run`, with control tokens taken from the markup alone."""
        ids: list[int] = []
        starts: list[int] = []
        for begin, text, control in self._stretches(pieces):
            if control is not None:
                ids.append(control)
                starts.append(begin)
                continue
            stretch_ids, stretch_starts = self._with_blank(self._literal, text)
            ids.extend(stretch_ids)
            starts.extend(begin + start for start in stretch_starts)
        return ids, starts

    def _stretches(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, str, int | None]]:
        """(position, text, id) of each control token in the markup and (position, text, None) in between."""
        text = "".join(piece.text for piece in pieces)
        begin = end = 0
        for piece in pieces:
            found = self._control.finditer(text, end, end + len(piece.text)) if piece.kind == "markup" else ()
            for match in found:
                if match.start() > begin:
                    yield begin, text[begin : match.start()], None
                yield match.start(), match[0], self._backend.token_to_id(match[0])
                begin = match.end()
            end += len(piece.text)
        if begin < len(text):
            yield begin, text[begin:], None

    @cached_property
    def _literal(self) -> Tokenizer:
        """The tokenizer again, reading control tokens as letters."""
        literal = Tokenizer.from_str(self._backend.to_str())
        literal.encode_special_tokens = True
        return literal
