"""How large a canvas, and a text it is read from, may be.

What a model writes is read under these bounds, so no reply can take much time or memory. A reply of a
planner has at most some 4096 tokens, which is about 16 000 characters and 30 regions: far below all of them.
"""

from typing import Final

__all__ = [
    "MAX_BRACKETS",
    "MAX_CALLS",
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "MAX_DETAILS",
    "MAX_NAME",
    "MAX_NUMBER",
    "MAX_REGIONS",
    "MAX_SOURCE",
    "MAX_STATEMENTS",
    "MAX_TEXT",
    "MAX_TOKENS",
]

MAX_REGIONS: Final = 128
"""Regions of one canvas."""

MAX_DETAILS: Final = 256
"""Detailed descriptions of one region, and entries of any list in a program."""

MAX_TEXT: Final = 16_384
"""Characters of one description, or of any other text in a program."""

MAX_CHARACTERS: Final = 262_144
"""Characters of all texts of one canvas together."""

MAX_NAME: Final = 120
"""Characters of a subject: the name of a file, perhaps with a noun."""

MAX_NUMBER: Final = 10**300
"""Largest whole number; larger ones cannot be compared with floats."""

MAX_SOURCE: Final = 262_144
"""Characters of a text that is read."""

MAX_CALLS: Final = 256
"""Calls of a canvas's methods in a program."""

MAX_STATEMENTS: Final = 2_000
"""Statements of a program."""

MAX_TOKENS: Final = 400
"""Names, numbers and signs of one statement; strings and commas do not count."""

MAX_BRACKETS: Final = 32
"""Brackets open at one time; Python's own parser gives up at 200."""

MAX_DEPTH: Final = 100
"""Operations inside one another in one expression, such as the terms of a long sum."""
