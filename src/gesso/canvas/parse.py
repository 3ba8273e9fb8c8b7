"""Reads a canvas from a planner's reply or from a bare program.

The program is never executed: its syntax trees are read, and every statement and expression that is not named
here is refused with its line, the cause and a remedy.

Read are `canvas = Canvas()`, the last one if there are several; calls of `set_global_description` and
`add_local_description` with arguments by place, by name or as `*list`; other names, with or without a type,
that stand for values; comments; and `pass`, lone values and `print` of values, which have no effect. A value
is a literal, a name, a list, texts joined by `+`, repeated by `*` or put together in an f-string without
formats, or arithmetic with `+ - * /`. Loops, conditions, functions, imports, attributes and other calls are
refused.

Read is also gesso's own argument `subject` of `add_local_description`, by name, where the caller lets it.

What the original (lllyasviel/Omost at 731e749, `lib_omost/canvas.py`) finds and accepts within these bounds
gives the same canvas here. Beyond it, gesso reads replies whose block has no tag or no end, line ends of
Windows, programs without a block, and `canvas = Canvas()` however it is spaced.
"""

from gesso.canvas.program import Reading
from gesso.canvas.stream import CanvasStream

__all__ = ["Reading", "read_canvas"]


def read_canvas(text: str, *, published: bool = False, subjects: bool = False) -> Reading:
    """The canvas that a text describes.

    Args:
        text: a reply with a program in it, or the program alone.
        published: find programs by the original's rules alone: a block that begins with "```python", ends at
            three backticks that begin a line, and holds `canvas = Canvas()` to the letter.
        subjects: let regions name subjects (`subject='cat.png'`), if the text is a program alone. What stands
            in a block or among words is a reply, and no reply may name a file.

    Returns:
        the canvas, and the names that were corrected on the way.

    Raises:
        CanvasError: there is no program, or it holds what is not allowed; `line` is a line of the text.
    """
    stream = CanvasStream(published=published, subjects=subjects)
    stream.feed(text)
    return stream.finish()
