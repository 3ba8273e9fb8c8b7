from functools import cache
from itertools import islice
from random import Random

import llguidance
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesso.canvas.canvas import Canvas
from gesso.canvas.colours import COLOURS
from gesso.canvas.grammar import LAYOUTS, Layout, ReplyShape, program_in, reply_grammar, whole_part
from gesso.canvas.notes import NOTE
from gesso.canvas.parse import read_canvas
from gesso.canvas.parts import GlobalDescription, Region
from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.core.errors import UsageError
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scenes

BYTES = llguidance.LLTokenizer("byte")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
DETAILS = st.lists(TEXTS, max_size=3).map(tuple)
GROUNDS = st.builds(GlobalDescription, TEXTS, DETAILS, TEXTS, st.sampled_from(sorted(COLOURS)))
REGIONS = st.builds(
    Region,
    location=st.sampled_from(sorted(LOCATIONS)),
    offset=st.sampled_from(sorted(OFFSETS)),
    area=st.sampled_from(sorted(AREAS)),
    distance_to_viewer=st.integers(1, 999).map(lambda tenths: tenths / 10),
    description=TEXTS,
    detailed_descriptions=DETAILS,
    tags=TEXTS,
    atmosphere=TEXTS,
    style=TEXTS,
    quality_meta=TEXTS,
    colour=st.sampled_from(sorted(COLOURS)),
    setting=st.none(),
)
CANVASES = st.builds(Canvas, GROUNDS, st.lists(REGIONS, max_size=3).map(tuple))


@cache
def matcher_of(shape: ReplyShape) -> llguidance.LLMatcher:
    return llguidance.LLMatcher(BYTES, reply_grammar(shape))


def takes(layout: Layout, text: str) -> bool:
    """Whether the grammar of a layout takes a text as a whole reply."""
    return taken(ReplyShape(layout=layout), text)


def taken(shape: ReplyShape, text: str) -> bool:
    """Whether the grammar of a shape takes a text as a whole reply."""
    matcher = matcher_of(shape)
    matcher.reset()
    count = matcher.try_consume_tokens(list(text.encode()))
    return bool(count == len(text.encode()) and matcher.is_accepting())


def wander(shape: ReplyShape, seed: int) -> str:
    """A reply in which every byte was picked at random among those allowed."""
    matcher, rng, made = llguidance.LLMatcher(BYTES, reply_grammar(shape)), Random(seed), bytearray()
    while not matcher.is_stopped():
        allowed = [byte for byte, mark in enumerate(matcher.compute_logit_bias()) if mark]
        made.append(rng.choice(allowed))
        matcher.consume_token(made[-1])
    return made.decode()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), layout=st.sampled_from(LAYOUTS))
def test_whatever_follows_the_grammar_is_read_without_a_correction(seed: int, layout: Layout) -> None:
    shape = ReplyShape(layout=layout, max_regions=2, max_details=2, max_text=6)
    reading = read_canvas(wander(shape, seed), published=True)
    assert reading.corrections == ()
    assert len(reading.canvas.regions) <= 2


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(canvas=CANVASES, layout=st.sampled_from(LAYOUTS))
def test_a_canvas_written_in_a_layout_is_read_back(canvas: Canvas, layout: Layout) -> None:
    text = program_in(canvas, layout)
    assert read_canvas(text, published=True).canvas == canvas
    assert takes(layout, text) or (layout == "line" and '"' in text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_storybook_programs_are_lines_and_free_replies(language: str) -> None:
    for scene in islice(scenes("train", 5), 10):
        program = canvas_program(scene, language)
        assert takes("line", program)
        assert takes("free", program)
        assert program_in(read_canvas(program).canvas, "line") == program


FREE = """```python
# Initialize the canvas
canvas = Canvas()

# Set a global description (of all)
canvas.set_global_description(
    description="the painter's room",
    detailed_descriptions=[
        'It is \\'small\\'.',
        'It is bright.',
    ],
    tags='room',
    HTML_web_color_name='navyblue'
)

```"""


def test_published_models_may_write_comments_and_break_lines_anywhere() -> None:
    assert takes("free", FREE)
    assert not takes("tall", FREE)
    assert read_canvas(FREE).canvas.background.description == "the painter's room"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("'navyblue'", "'navy blue'"),
        ("tags=", "tag="),
        ("```python", "```py"),
        ("'room'", "room"),
        ("Canvas()", "canvas()"),
    ],
)
def test_what_the_reader_would_correct_or_refuse_is_not_in_the_grammar(right: str, wrong: str) -> None:
    assert not takes("free", FREE.replace(right, wrong))


def test_words_before_the_reply_are_part_of_the_grammar() -> None:
    matcher = llguidance.LLMatcher(BYTES, reply_grammar(before=" "))
    assert bytes(matcher.compute_ff_tokens()).startswith(b" ```python\ncanvas = Canvas()\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_reply_that_breaks_off_counts_as_far_as_its_calls_are_whole(layout: Layout) -> None:
    scene = next(scene for scene in scenes("train", 2) if len(scene.things) == 3)
    whole = read_canvas(canvas_program(scene)).canvas
    text = program_in(whole, layout)
    found = []
    for end in range(0, len(text), 3):
        part = whole_part(text[:end])
        if part is not None:
            regions = read_canvas(part, published=True).canvas.regions
            assert regions == whole.regions[: len(regions)]
            found.append(len(regions))
    assert found == sorted(found)
    assert set(found) == {0, 1, 2, 3}


def test_a_reply_without_a_whole_background_is_none() -> None:
    assert whole_part("") is None
    assert whole_part("```python\ncanvas = Canvas()\n") is None
    assert whole_part("```python\ncanvas = Canvas()\ncanvas.set_global_description(description='a") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layout": "wide"}, "layout 'wide'; allowed: line, tall, free"),
        ({"max_regions": 0}, "max_regions is 0; it must be 1 to 128"),
        ({"max_details": 999}, "max_details is 999"),
        ({"max_text": 0}, "max_text is 0"),
    ],
)
def test_bounds_that_a_canvas_does_not_have_are_refused(change: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ReplyShape(**change)


def test_bounds_end_texts_and_lists() -> None:
    canvas = Canvas(GlobalDescription("x" * 30, ("a", "b"), "", "red"))
    matcher = llguidance.LLMatcher(BYTES, reply_grammar(ReplyShape(max_text=29)))
    text = program_in(canvas, "line")
    assert text[: matcher.try_consume_tokens(list(text.encode()))].endswith("='" + 29 * "x")


def test_a_note_stands_before_the_program_where_it_is_asked_for() -> None:
    shape = ReplyShape(max_note=40)
    program = program_in(Canvas(GlobalDescription("a sea", (), "sea", "blue")), "line")
    whole = f"{NOTE}red fish left of ball: on the left\n{program}"
    assert taken(shape, whole)
    assert read_canvas(whole) == read_canvas(program)
    for note in ("", f"{NOTE}\n", f"{NOTE}{'a' * 41}\n", f"{NOTE}```\n"):
        assert not taken(shape, note + program), note
    with pytest.raises(UsageError, match="max_note"):
        ReplyShape(max_note=-1)
