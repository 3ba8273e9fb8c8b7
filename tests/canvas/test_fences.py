import pytest

from gesso.canvas.fences import Mark, ProgramFinder, Source


def program_of(text: str, *, published: bool = False) -> tuple[Source, list[str], bool]:
    """Where the program was found, its lines, and whether it was closed."""
    finder, lines = ProgramFinder(published=published), []
    *whole, last = text.split("\n")
    for line, ended in [*((line, True) for line in whole), (last, False)]:
        mark = finder.push(line, ended=ended, in_string=False)
        if mark in (Mark.OPENS, Mark.BEGINS):
            lines.clear()
        if mark in (Mark.BEGINS, Mark.INSIDE):
            lines.append(line)
    return finder.source, lines, not finder.inside


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Sure:\n```python\na\nb\n```\nbye", ["a", "b"]),
        ("Sure: ```python\na\n```", ["a"]),
        ("```python\na\n```\n```python\nb\n```", ["a"]),
        ("```python\na\n```python\nb\n```", ["a"]),
        ("```python\n  ``x\n```", ["  ``x"]),
        ("```\ncanvas = Canvas()\n```\n```python\na\n```", ["a"]),
        ("canvas = Canvas()\n```python\na\n```", ["a"]),
        ("```json\n{}\n```python\na\n```", ["a"]),
    ],
)
def test_the_first_published_block_counts(text: str, lines: list[str]) -> None:
    for published in (True, False):
        assert program_of(text, published=published) == (Source.PUBLISHED_BLOCK, lines, True)


@pytest.mark.parametrize(
    ("text", "source", "lines"),
    [
        ("```Python\na\n```", Source.TAGGED_BLOCK, ["a"]),
        ("```python \na\n```", Source.TAGGED_BLOCK, ["a"]),
        ("```python\r\na\r\n```", Source.TAGGED_BLOCK, ["a\r"]),
        ("``` python3\na\n```", Source.TAGGED_BLOCK, ["a"]),
        ("  ```py\n  a\n  ```", Source.TAGGED_BLOCK, ["  a"]),
        ("```\n# the canvas\n\ncanvas = Canvas()\nb\n```", Source.PLAIN_BLOCK, ["canvas = Canvas()", "b"]),
        ("```\nx = 1\n```", Source.PLAIN_BLOCK, ["x = 1"]),
        (
            "Here:\n# a\npalette = 'red'\ncanvas = Canvas()",
            Source.BARE,
            ["palette = 'red'", "canvas = Canvas()"],
        ),
        ("canvas: Canvas = Canvas()\nb", Source.BARE, ["canvas: Canvas = Canvas()", "b"]),
        ("canvas.add_local_description()", Source.BARE, ["canvas.add_local_description()"]),
        ("x = 1\n```\ncanvas = Canvas()\n```", Source.PLAIN_BLOCK, ["canvas = Canvas()"]),
        ("x = 1\n```text\nb\n```\nc", Source.BARE, ["x = 1"]),
        ("```\nx = 1\n```\n```py\na\n```", Source.TAGGED_BLOCK, ["a"]),
        ("```py\na\n```\n```py\nb\n```", Source.TAGGED_BLOCK, ["a"]),
    ],
)
def test_other_programs_are_found_too(text: str, source: Source, lines: list[str]) -> None:
    found, inside, _ = program_of(text)
    assert (found, inside) == (source, lines)
    assert program_of(text, published=True)[0] is Source.NOWHERE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a harbour",
        "```json\ncanvas = 1\n```",
        "```\nHello\ncanvas = 1\n```",
        "It is the\ncanvas. Then",
        "a == b",
        "```",
    ],
)
def test_where_there_is_no_program_none_is_found(text: str) -> None:
    assert program_of(text)[0] is Source.NOWHERE


def test_a_block_may_lack_its_end() -> None:
    assert program_of("```python\na") == (Source.PUBLISHED_BLOCK, ["a"], False)
    assert program_of("```python") == (Source.TAGGED_BLOCK, [], False)


def test_only_gesso_closes_at_an_indented_fence_outside_of_a_string() -> None:
    closed = []
    for published, in_string in ((False, False), (False, True), (True, False)):
        finder = ProgramFinder(published=published)
        finder.push("```python", ended=True, in_string=False)
        closed.append(finder.push("  ```", ended=True, in_string=in_string) is Mark.CLOSES)
    assert closed == [True, False, False]
