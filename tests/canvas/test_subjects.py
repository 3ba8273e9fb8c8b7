import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from canvas.examples import BOAT, CANVAS, HARBOUR, PROGRAM, TOWER, canvases, fenced, refusal
from gesso.canvas.canvas import Canvas
from gesso.canvas.diff import diff
from gesso.canvas.edit import set_subject
from gesso.canvas.parse import read_canvas
from gesso.canvas.preview import preview
from gesso.canvas.sketch import named
from gesso.canvas.source import LOCAL, local_call
from gesso.canvas.stream import CanvasStream
from gesso.canvas.subjects import NamedSubject, keep_subjects, subject_of, with_subjects, without_subjects
from gesso.canvas.svg import preview_svg

OWN = replace(BOAT, subject="boat.png")
SUBJECTS = with_subjects(CANVAS, ["boat.png", None])
WITH = PROGRAM.replace("'firebrick')", "'firebrick', subject='boat.png')")


@given(canvas=canvases(with_subjects=True))
@settings(deadline=None)
def test_programs_and_json_say_the_same_subjects(canvas: Canvas) -> None:
    assert read_canvas(canvas.to_source(), subjects=True).canvas == canvas
    assert Canvas.from_dict(json.loads(json.dumps(canvas.to_dict()))) == canvas
    assert Canvas.from_dict(read_canvas(canvas.to_source(), subjects=True).canvas.to_dict()) == canvas


@given(canvas=canvases(with_subjects=True))
@settings(deadline=None)
def test_without_subjects_the_notation_is_the_published_one(canvas: Canvas) -> None:
    bare = without_subjects(canvas)
    assert "subject=" not in local_call(replace(BOAT, subject=None))
    assert read_canvas(bare.to_source()).canvas == bare
    assert not diff(bare, without_subjects(bare))
    assert bool(diff(bare, canvas)) == any(region.subject for region in canvas.regions)


def test_a_subject_comes_behind_the_published_arguments() -> None:
    assert local_call(OWN) == local_call(BOAT)[:-1] + "    subject='boat.png',\n)"
    assert "subject" not in LOCAL
    assert OWN.to_dict()["subject"] == "boat.png"
    assert "subject" not in BOAT.to_dict()
    assert read_canvas(WITH, subjects=True).canvas.regions == (OWN,)


@pytest.mark.parametrize(
    "subject",
    [
        "/etc/cat.png", "../cat.png", "a/cat.png", "a\\cat.png", "C:cat.png", "~cat.png", ".cat.png",
        "-cat.png", "http://x/cat.png", "cat", "cat.png/", "cat.svg", "passwd", "", "cat.png\n",
        "cat\x00.png", "=cat.png", "a=b=cat.png", "../a=cat.png", "cat=../x.png", "cat=.png",
        "x" * 120 + ".png", 7, ["cat.png"],
    ],
)  # fmt: skip
def test_what_could_lead_out_of_a_folder_is_refused(subject: object) -> None:
    assert "subject is" in str(refusal(replace, BOAT, subject=subject))
    assert "subject is" in str(refusal(Canvas.from_dict, _with(CANVAS.to_dict(), subject)))
    said = refusal(read_canvas, WITH.replace("'boat.png'", repr(subject)), subjects=True)
    assert "subject is" in str(said)
    assert said.line == 3


def _with(data: dict[str, object], subject: object) -> dict[str, object]:
    regions = data["regions"]
    assert isinstance(regions, list)
    return {**data, "regions": [{**region, "subject": subject} for region in regions]}


@pytest.mark.parametrize("name", ["cat.png", "Cat 2 (new).JPG", "cat=photo.jpeg", "\u732b.webp", "a+b,c.png"])
def test_plain_names_are_taken(name: str) -> None:
    assert replace(BOAT, subject=name).subject == name


@pytest.mark.parametrize(
    "reply",
    [
        fenced(WITH),
        f"```\n{WITH}```",
        f"Here it is:\n{WITH}",
        f"{WITH}```\nWell?",
        f"Plan: a boat\n{fenced(WITH)}",
        f"{WITH}{fenced(WITH)}",
    ],
)
def test_no_reply_may_name_a_file(reply: str) -> None:
    for options in ({}, {"subjects": True}, {"published": True}, {"subjects": True, "published": True}):
        text = str(refusal(read_canvas, reply, **options))
        assert "a subject names a file" in text or "no canvas program" in text or "not closed" in text


def test_programs_may_name_files_only_where_it_is_let() -> None:
    said = refusal(read_canvas, WITH)
    assert "--subject 1=cat.png" in str(said)
    assert said.line == 3
    stream = CanvasStream()
    assert "a subject names a file" in str(refusal(stream.feed, fenced(WITH)))
    assert read_canvas(f"# mine\n\n{WITH}", subjects=True).canvas.regions == (OWN,)


def test_a_subject_is_given_by_name_and_to_regions_only() -> None:
    twelfth = PROGRAM.replace("'firebrick')", "'firebrick', 'boat.png')")
    assert "takes 11 arguments" in str(refusal(read_canvas, twelfth, subjects=True))
    ground = PROGRAM.replace("'lightsteelblue')", "'lightsteelblue', subject='boat.png')")
    assert "has no argument 'subject'" in str(refusal(read_canvas, ground, subjects=True))
    twice = WITH.replace("subject=", "subject='a.png', subject=")
    assert "twice" in str(refusal(read_canvas, twice, subjects=True))


@pytest.mark.parametrize(
    ("subject", "file", "noun"),
    [
        ("black_cat.png", "black_cat.png", "black cat"),
        ("cat=photo.v2.png", "photo.v2.png", "cat"),
        ("my-cat.tiny.jpg", "my-cat.tiny.jpg", "my cat.tiny"),
    ],
)
def test_the_noun_is_the_file_s_name_or_stands_before_it(subject: str, file: str, noun: str) -> None:
    assert subject_of(replace(BOAT, subject=subject)) == NamedSubject(file, noun)
    assert subject_of(BOAT) is None


def test_a_description_calls_its_subject_by_every_word() -> None:
    assert NamedSubject("x.png", "Black cat").named_by("a cat, black as night")
    assert not NamedSubject("x.png", "black cat").named_by("a cat")


def test_subjects_stay_with_their_regions_through_an_edit() -> None:
    moved = replace(BOAT, location="on the top", description="A blue boat.")
    kept, lost = keep_subjects(SUBJECTS, Canvas(HARBOUR, (TOWER, moved)))
    assert [region.subject for region in kept.regions] == [None, "boat.png"]
    assert lost == ()


def test_a_subject_goes_with_its_region_or_its_name() -> None:
    gone, lost = keep_subjects(SUBJECTS, Canvas(HARBOUR, (TOWER,)))
    assert (gone, lost) == (Canvas(HARBOUR, (TOWER,)), ("boat.png",))
    other = Canvas(HARBOUR, (replace(BOAT, description="A raft."), TOWER))
    assert keep_subjects(SUBJECTS, other) == (other, ("boat.png",))
    own = with_subjects(CANVAS, ["boat=new.png", None])
    assert keep_subjects(SUBJECTS, own) == (own, ("boat.png",))


def test_changes_of_subjects_are_told() -> None:
    assert set_subject(CANVAS, 0, "boat.png") == SUBJECTS
    assert set_subject(SUBJECTS, 0, None) == CANVAS
    assert str(diff(CANVAS, SUBJECTS)) == "~ 'A boat.': subject none -> 'boat.png'"
    assert str(diff(SUBJECTS, CANVAS)) == "~ 'A boat.': subject 'boat.png' -> none"
    assert "subject boat.png" in str(diff(Canvas(HARBOUR), Canvas(HARBOUR, (OWN,))))


def test_previews_show_which_regions_have_subjects() -> None:
    assert named(OWN) == "[boat.png] A boat."
    assert named(BOAT) == "A boat."
    assert preview(SUBJECTS).tobytes() != preview(CANVAS).tobytes()
    document = preview_svg(SUBJECTS)
    assert "[boat.png] A" in document
    assert "\nsubject boat.png\n" in document
    assert "subject" not in preview_svg(CANVAS)
