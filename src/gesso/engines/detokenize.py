"""Text out of tokens, one at a time: whole characters only, and never a part of a stop text."""

from collections.abc import Sequence
from typing import Final

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from gesso.core.errors import UnsupportedError

__all__ = ["StopFilter", "TextStream", "backend_of"]

BROKEN: Final = "\ufffd"
"""What a tokenizer writes for bytes that are no character, or not one yet."""


class StopFilter:
    """Passes text on until a stop text turns up; holds back what may be the beginning of one.

    The outcome depends on the text alone, not on how it is cut into pieces: the stop text that is complete
    first counts, and of those that end together the longest.

    Args:
        stop: the stop texts; none of them is empty.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """Take the next piece; returns what is now certain to be part of the answer."""
        if not self._stop:
            return text
        text = self._held + text
        # (end, start): the first end wins, of equal ends the first start, which is the longest text
        found = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        kept = len(text) - self._overhang(text)
        self._held = text[kept:]
        return text[:kept]

    def flush(self) -> str:
        """What was held back, once it is known that nothing follows."""
        held, self._held = self._held, ""
        return held

    def _overhang(self, text: str) -> int:
        """Length of the longest end of the text that begins a stop text."""
        # one letter less than the longest stop text: all of it would have been found
        longest = min(len(text), max(map(len, self._stop)) - 1)
        ends = (size for size in range(longest, 0, -1) if any(s.startswith(text[-size:]) for s in self._stop))
        return next(ends, 0)


class TextStream:
    """The text of a growing row of tokens; special tokens and incomplete characters are left out.

    Each step decodes the tokens since the last whole character, and those before it that are their context.
    (The tokenizers library's own stream raises an error at bytes that never become a character.)

    Args:
        backend: the tokenizer, as `backend_of` gives it.
        stop: texts at which the row ends.
    """

    def __init__(self, backend: Tokenizer, stop: Sequence[str]) -> None:
        self._backend = backend
        self._filter = StopFilter(stop)
        self._window: list[int] = []
        self._passed = 0  # so many tokens of the window have been passed on; they give the rest its context

    @property
    def stopped(self) -> bool:
        """Whether a stop text was met."""
        return self._filter.stopped

    def push(self, token: int) -> str:
        """Take the next token; returns the text that is now certain, often empty."""
        self._window.append(token)
        text = self._unpassed()
        # the next token may complete the character; one that never does waits for the end
        if not text or text.endswith(BROKEN):
            return ""
        # keeps what was just passed on: sentencepiece writes a word's blank only behind another word
        self._window = self._window[self._passed :]
        self._passed = len(self._window)
        return self._filter.push(text)

    def flush(self) -> str:
        """What was held back for a stop text that did not come; bytes of half a character are lost."""
        text = self._filter.push(self._unpassed().rstrip(BROKEN))
        self._passed = len(self._window)
        return text + self._filter.flush()

    def _unpassed(self) -> str:
        """The text of the window's tokens that were not passed on yet."""
        before = self._backend.decode(self._window[: self._passed], skip_special_tokens=True)
        # decoded with its context and cut by letters: a token alone may read differently
        return self._backend.decode(self._window, skip_special_tokens=True)[len(before) :]


def backend_of(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """The `tokenizers` object behind a tokenizer of transformers.

    Raises:
        UnsupportedError: the tokenizer has none.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise UnsupportedError(f"{type(tokenizer).__name__} is not backed by the tokenizers library, as "
                               "streaming needs; use the checkpoint's tokenizer.json instead")  # fmt: skip
    return backend
