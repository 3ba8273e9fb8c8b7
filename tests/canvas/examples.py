"""Canvases for tests, and hypothesis strategies that make any canvas."""

from dataclasses import replace

from hypothesis import strategies as st

from gesso.canvas.canvas import Canvas, GlobalDescription, Region
from gesso.canvas.colours import COLOURS
from gesso.canvas.vocabulary import AREAS, LOCATIONS, OFFSETS
from gesso.core.errors import CanvasError

HARBOUR = GlobalDescription("A harbour.", ("Still water.",), "harbour, dawn", "lightsteelblue")
BOAT = Region(
    location="on the left",
    offset="no offset",
    area="a small square area",
    distance_to_viewer=4.5,
    description="A boat.",
    detailed_descriptions=("Red hull.", "A net."),
    tags="boat, red",
    atmosphere="Calm.",
    style="Oil.",
    quality_meta="Sharp.",
    colour="firebrick",
)
TOWER = replace(
    BOAT,
    location="on the right",
    offset="slightly to the upper",
    area="a large vertical area",
    distance_to_viewer=9,
    description="A tower.",
    detailed_descriptions=(),
    tags="tower",
    colour="white",
)
CANVAS = Canvas(HARBOUR, (BOAT, TOWER))

BEGIN = "canvas = Canvas()\n"
GLOBAL = "canvas.set_global_description('A harbour.', ['Still water.'], 'harbour, dawn', 'lightsteelblue')\n"
LOCAL = (
    "canvas.add_local_description('on the left', 'no offset', 'a small square area', 4.5, 'A boat.', "
    "['Red hull.', 'A net.'], 'boat, red', 'Calm.', 'Oil.', 'Sharp.', 'firebrick')\n"
)
PROGRAM = BEGIN + GLOBAL + LOCAL


def fenced(program: str) -> str:
    return f"```python\n{program}```"


def refusal(call, *arguments, **named) -> CanvasError:
    """The error that a call ends in."""
    try:
        call(*arguments, **named)
    except CanvasError as error:
        return error
    raise AssertionError("nothing was refused")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
details = st.lists(texts, max_size=3).map(tuple)
distances = st.one_of(
    st.floats(min_value=0, exclude_min=True, allow_nan=False), st.integers(min_value=1, max_value=10**12)
)
backgrounds = st.builds(
    GlobalDescription,
    description=texts,
    detailed_descriptions=details,
    tags=texts,
    colour=st.sampled_from(sorted(COLOURS)),
)
regions = st.builds(
    Region,
    location=st.sampled_from(sorted(LOCATIONS)),
    offset=st.sampled_from(sorted(OFFSETS)),
    area=st.sampled_from(sorted(AREAS)),
    distance_to_viewer=distances,
    description=texts,
    detailed_descriptions=details,
    tags=texts,
    atmosphere=texts,
    style=texts,
    quality_meta=texts,
    colour=st.sampled_from(sorted(COLOURS)),
)
names = st.from_regex(r"[a-z0-9\u732b][\w .()+,'\-]{0,20}\.(png|JPG|jpeg|webp)", fullmatch=True)
nouns = st.from_regex(r"[a-z0-9\u732b][\w '\-]{0,10}", fullmatch=True)
subjects = st.one_of(names, st.builds("{}={}".format, nouns, names))


@st.composite
def canvases(draw, *, with_subjects: bool = False) -> Canvas:
    """Any canvas, with regions of no background first and regions of other backgrounds among the rest.

    Args:
        draw: of hypothesis.
        with_subjects: some of the regions have a subject.
    """
    early = [replace(region, setting=()) for region in draw(st.lists(regions, max_size=1))]
    settings = st.sampled_from([None, None, None, ("A wood.",), ("",)])
    later = [replace(region, setting=draw(settings)) for region in draw(st.lists(regions, max_size=4))]
    regions_ = (*early, *later)
    if with_subjects:
        regions_ = tuple(replace(region, subject=draw(st.none() | subjects)) for region in regions_)
    return Canvas(draw(backgrounds), regions_)
