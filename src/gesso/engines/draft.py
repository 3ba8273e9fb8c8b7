"""Guesses at what comes next, looked up in what was written before; the model verifies many in one pass.

An edited canvas repeats most of the last one. So while a reply follows the one before it, that one's next
tokens are proposed. Where it departs, the place that ends most like the reply does now is searched, there and
in the reply itself. What is proposed changes how fast a reply is made, never what it says.

Source of the idea: prompt lookup decoding (apoorvumang/prompt-lookup-decoding), a form of speculative
decoding (arXiv 2211.17192) whose draft is certain; following the last reply in step is gesso's own.
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["ReplyDraft"]

LONGEST: Final = 32
"""Tokens that are compared to find the likeliest place."""

SHORTEST: Final = 2
"""Tokens that must agree for a place in the reply itself."""

FIRST: Final = 16
MOST: Final = 128
"""Tokens of a proposal: at first, and at most. It doubles while all of it comes true."""


class ReplyDraft:
    """Proposes the next tokens of a reply.

    Args:
        previous: the tokens of the reply before it; may be empty.
    """

    def __init__(self, previous: Sequence[int] = ()) -> None:
        self._previous = list(previous)
        self._made: list[int] = []
        self._at = 0  # what is expected next, in the previous reply
        self._in_step = True
        self._length = FIRST

    def propose(self, room: int) -> list[int]:
        """At most `room` tokens that may well come next; none where nothing is alike."""
        length = min(self._length, room)
        if length < 1:
            return []
        if ahead := self._previous[self._at : self._at + length]:
            return ahead
        begin = self._again()
        return [] if begin is None else self._made[begin : begin + length]

    def take(self, token: int) -> None:
        """Go on with the token that did come."""
        self._made.append(token)
        if self._previous[self._at : self._at + 1] == [token]:
            self._at += 1
            self._in_step = True
        elif self._in_step:  # one token exchanged for another: both replies go on behind it
            self._at += 1
            self._in_step = False
        else:
            self._at = self._nearest()

    def judge(self, proposed: int, right: int) -> None:
        """Learn how many of the tokens proposed came true."""
        if right == proposed:
            self._length = min(2 * self._length, MOST)
        elif right < proposed // 2:
            self._length = max(self._length // 2, FIRST)

    def _nearest(self) -> int:
        """Where the previous reply goes on after what ends most like this one; the nearest of several."""
        last = self._made[-1]
        places = [place + 1 for place, token in enumerate(self._previous) if token == last]
        return max(places, key=self._likelihood, default=self._at)

    def _likelihood(self, place: int) -> tuple[int, int]:
        """The larger, the likelier it is that the reply goes on here."""
        return self._agreeing(place), -abs(place - self._at)

    def _again(self) -> int | None:
        """The last place in the reply itself that ends as it ends now."""
        made = self._made
        places = range(len(made) - 1, SHORTEST - 1, -1)
        return next((place for place in places if made[place - SHORTEST : place] == made[-SHORTEST:]), None)

    def _agreeing(self, place: int) -> int:
        """How many tokens before a place of the previous reply are the last ones of this one."""
        longest = min(LONGEST, place, len(self._made))
        pairs = ((self._previous[place - size], self._made[-size]) for size in range(1, longest + 1))
        return next((size for size, (a, b) in enumerate(pairs) if a != b), longest)
