import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image as Picture

import gesso
import tiny
from engines.painting import painter_folder
from engines.planning import FakeWriter, canvas, program
from gesso.api import as_messages, as_sampling
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Text
from gesso.diffusion.denoise import Watch
from gesso.diffusion.settings import PaintSettings
from gesso.engines.plan import Planner
from gesso.models.omost.prompts import OMOST_SAMPLING

PICTURE = Picture.new("RGB", (30, 20), "tomato")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> gesso.Model:
    return gesso.load(tiny.llava_folder(tmp_path_factory.mktemp("llava")))


def test_import_gesso_needs_no_torch() -> None:
    code = "import gesso, sys; gesso.user('hi'); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_public_names_are_sorted_and_importable() -> None:
    assert gesso.__all__ == sorted(gesso.__all__)
    assert all(getattr(gesso, name) is not None for name in gesso.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = gesso.lod


def test_a_message_a_list_and_openai_messages_say_the_same(model: gesso.Model, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    message = gesso.user(gesso.Image(path), "what is this?")
    wire = {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": path}},
            {"type": "text", "text": "what is this?"},
        ],
    }
    answers = [model.chat(given, max_new_tokens=6) for given in (message, [message], wire, [wire])]
    answers.append(model.ask(path, "what is this?", max_new_tokens=6))
    answers.append(model.ask(gesso.Image(PICTURE), "what is this?", max_new_tokens=6))
    assert len(set(answers)) == 1


def test_a_stream_gives_the_answer_in_pieces(model: gesso.Model) -> None:
    message = gesso.user(gesso.Image(PICTURE), "what is this?")
    stream = model.chat(message, stream=True, max_new_tokens=20)
    pieces = list(stream)
    assert len(pieces) > 1
    assert stream.answer == model.chat(message, max_new_tokens=20)
    assert stream.answer.text == "".join(pieces)


def test_a_batch_answers_each_conversation(model: gesso.Model) -> None:
    questions = [gesso.user("one"), [gesso.user(gesso.Image(PICTURE), "two")]]
    answers = model.batch(questions, max_new_tokens=6)
    assert answers == [model.chat(question, max_new_tokens=6) for question in questions]


def test_unknown_and_unusable_options_are_refused_by_name(model: gesso.Model) -> None:
    with pytest.raises(UnknownNameError, match="'temprature'; did you mean temperature"):
        model.chat(gesso.user("hi"), temprature=1)
    with pytest.raises(UsageError, match=r"top_p is 3; it must be in \(0, 1\]"):
        model.chat(gesso.user("hi"), top_p=3)


def test_stop_may_be_one_text_or_several() -> None:
    assert as_sampling({"stop": "###"}).stop == ("###",)
    assert as_sampling({"stop": ["a", "b"]}).stop == ("a", "b")
    assert as_sampling({}).stop == ()


def test_messages_in_every_form_become_messages() -> None:
    assert (
        as_messages({"role": "user", "content": "hi"}) == [gesso.user("hi")] == as_messages(gesso.user("hi"))
    )
    assert as_messages([gesso.system("be brief"), {"role": "user", "content": "hi"}])[1].parts == (
        Text("hi"),
    )
    with pytest.raises(UnsupportedError, match="'tool'"):
        as_messages([{"role": "tool", "content": "x"}])


def test_clip_scores_and_does_not_chat_and_llava_the_reverse(model: gesso.Model, tmp_path: Path) -> None:
    clip = gesso.load(tiny.clip_folder(tmp_path))
    scores = clip.scores([PICTURE, gesso.Image(PICTURE)], ["a", "b", "c"])
    assert torch.equal(scores, clip.embed_images([PICTURE] * 2) @ clip.embed_texts(["a", "b", "c"]).T)
    with pytest.raises(UnsupportedError, match="cannot chat"):
        clip.chat(gesso.user("hi"))
    with pytest.raises(UnsupportedError, match="such as mini-clip"):
        model.scores([PICTURE], ["a"])


def test_a_planner_plans_and_edits_over_turns() -> None:
    writer = FakeWriter(program("red fish"), program("blue boat"), program("pink cat"))
    planner = gesso.Model("planner", Planner(writer))
    plan = planner.plan("a red fish")
    assert isinstance(plan, gesso.Plan)
    assert plan.canvas == canvas("red fish")
    planner.plan("a boat instead", history=plan.turns)
    assert [message.text for message in writer.asked[1][1:]] == ["a red fish", plan.reply, "a boat instead"]
    planner.plan("a cat instead", canvas=canvas("red fish"))
    assert writer.asked[2][2] == gesso.assistant(program("red fish", layout="tall"))


def test_a_stream_gives_the_parts_of_a_plan() -> None:
    stream = gesso.Model("planner", Planner(FakeWriter(program("red fish")))).plan("a fish", stream=True)
    assert [part.description for part in stream] == ["in the sea", "a red fish"]
    assert stream.plan.canvas == canvas("red fish")


def test_options_of_a_plan_go_before_the_planner_s_own() -> None:
    writer = FakeWriter(program("red fish"))
    gesso.Model("planner", Planner(writer)).plan("a fish", temperature=0, stop="###")
    assert writer.samplings == [replace(OMOST_SAMPLING, temperature=0, stop=("###",))]
    with pytest.raises(UnknownNameError, match="did you mean temperature"):
        gesso.Model("planner", Planner(writer)).plan("a fish", temprature=0)


def test_planners_do_not_chat_and_chats_do_not_plan(model: gesso.Model, tmp_path: Path) -> None:
    folder = tmp_path / "omost"
    folder.mkdir()
    planner = gesso.load(tiny.llama_folder(folder))
    assert planner.planner is planner.engine
    with pytest.raises(UnsupportedError, match="plans canvases and does not chat; call `plan`"):
        planner.chat(gesso.user("hi"))
    with pytest.raises(UnsupportedError, match="does not plan canvases; load a planner, such as mini-omost"):
        model.plan("a fish")


@pytest.fixture(scope="module")
def painter() -> gesso.Model:
    return gesso.load(painter_folder())


def test_a_painter_paints_and_repaints(painter: gesso.Model, tmp_path: Path) -> None:
    scene = canvas("red fish", "blue boat")
    first, second = painter.paint(scene, size=(48, 32), steps=1, seed=3, guidance="none", batch=2)
    assert isinstance(first, gesso.Painting)
    assert first.recipe.settings == PaintSettings(size=(48, 32), steps=1, seed=3, guidance="none", batch=2)
    assert painter.paint(scene, first.recipe.settings)[1].recipe == second.recipe
    again = gesso.Painting.open(second.save(tmp_path / "a.png"))
    green = canvas("red fish", "green boat")
    new = painter.repaint(again, canvas=green, guidance_scale=2)
    assert new.recipe.boxes == (green.regions[1].box,)
    assert new.recipe.settings == replace(second.recipe.alone, guidance_scale=2.0)
    assert painter.painter.remake(new.recipe).recipe == new.recipe
    assert painter.repaint(again, [green.regions[0].box], style="tags").recipe.settings.seed == 5


def test_painting_is_told_in_a_style_and_begins_from_a_picture(painter: gesso.Model) -> None:
    quick = {"size": (32, 32), "steps": 2, "strength": 0.5}
    told: list[int] = []
    watch = Watch(lambda progress: told.append(progress.step))
    (painting,) = painter.paint(canvas("red fish"), picture=PICTURE, style="pony", watch=watch, **quick)
    assert painting.recipe.start == "picture"
    assert painting.recipe.settings.negative_prompt == "score_6, score_5, score_4"
    assert told == [1, 2]
    own = PaintSettings(size=(32, 32), steps=1, negative_prompt="rain")
    assert painter.paint(canvas("red fish"), own, style="pony")[0].recipe.settings == own


def test_what_a_painter_cannot_do_is_refused_by_name(painter: gesso.Model, model: gesso.Model) -> None:
    with pytest.raises(UnknownNameError, match="'stepz'; did you mean steps"):
        painter.paint(canvas("red fish"), stepz=3)
    with pytest.raises(UsageError, match="a str came to be painted; give a Canvas"):
        painter.paint("a fish")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="paints canvases and does not chat; call `paint`"):
        painter.chat(gesso.user("hi"))
    with pytest.raises(UnsupportedError, match="does not plan canvases"):
        painter.plan("a fish")
    with pytest.raises(UnsupportedError, match="such as mini-clip"):
        painter.scores([PICTURE], ["a"])
    for other in (model, gesso.Model("planner", Planner(FakeWriter()))):
        with pytest.raises(UnsupportedError, match="does not paint; load a painter, such as mini-sdxl"):
            other.paint(canvas("red fish"))


def test_audio_is_refused_by_name(model: gesso.Model) -> None:
    with pytest.raises(UnsupportedError, match="Audio"):
        model.chat(gesso.user(gesso.Audio("a.wav"), "what do you hear?"))
