import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import tiny
from cli.run import Gesso
from engines.subjects import ip_adapter_file, moma_folder
from evaluate.judged import Loaded, ScriptedPainter, judge_of
from evaluate.official_files import base64_png, write_json, write_table
from evaluate.official_files import picture as paint_picture
from evaluate.tasks.test_canvas import ScriptedWriter, oracle
from gesso.cli import evaluate as command
from gesso.engines.plan import Planner, PlanSettings
from gesso.evaluate import TASKS
from gesso.evaluate.tasks.canvas import StorybookCanvas
from gesso.evaluate.tasks.paint import PaintSample, StorybookPaint

VQA = ("--task", "storybook-vqa", "--count", "4", "--size", "32")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny CLIP."""
    return str(tiny.clip_folder(tmp_path_factory.mktemp("clip")))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_is_one_object_and_all_there_is_on_standard_output(gesso: Gesso, llava: str, here: Path) -> None:
    outcome = gesso("eval", llava, *VQA, "--seed", "2", "--split", "novel", "--out", "log", "--json")
    assert outcome.code == 0
    values = json.loads(outcome.out)
    assert list(values) == ["task", "model", "split", "seed", "n", "score", "stderr", "scores"]
    assert (values["task"], values["model"], values["split"], values["seed"], values["n"]) == (
        "storybook-vqa",
        llava,
        "novel",
        2,
        4,
    )
    assert sum(part["n"] for part in values["scores"].values()) == 4
    assert {path.name for path in Path("log").iterdir()} == {"samples.jsonl", "report.json"}


def test_without_json_there_is_a_table_and_the_default_folder(gesso: Gesso, llava: str, here: Path) -> None:
    outcome = gesso("eval", llava, *VQA, "--kinds", "colour, count")
    assert outcome.code == 0
    assert "± stderr" in outcome.out
    assert "colour" in outcome.out
    (folder,) = Path("runs/eval").iterdir()
    assert folder.name.endswith("-storybook-vqa-test-0")
    assert "/" not in folder.name
    assert str(folder) in outcome.out


def test_the_log_holds_the_digest_of_the_weights_and_is_not_asked_again(
    gesso: Gesso, llava: str, here: Path
) -> None:
    first = gesso("eval", llava, *VQA, "--out", "log", "--json")
    path = Path("log/samples.jsonl")
    written = path.read_text("utf-8")
    assert len(json.loads(written.splitlines()[0])["settings"]["weights"]) == 16
    assert gesso("eval", llava, *VQA, "--out", "log", "--json").out == first.out
    assert path.read_text("utf-8") == written


def test_other_settings_for_the_same_log_are_wrong_usage(gesso: Gesso, llava: str, here: Path) -> None:
    gesso("eval", llava, *VQA, "--out", "log")
    outcome = gesso("eval", llava, *VQA, "--out", "log", "--language", "zh")
    assert outcome.code == 2
    assert "language was 'en' and is 'zh'" in outcome.err
    assert outcome.out == ""


def test_a_clip_is_evaluated_by_retrieval(gesso: Gesso, clip: str, here: Path) -> None:
    arguments = ("--task", "storybook-retrieval", "--count", "100", "--size", "32", "--json")
    values = json.loads(gesso("eval", clip, *arguments).out)
    assert values["n"] == 100
    assert set(values["scores"]) == {"image-to-text", "text-to-image"}
    assert values["score"] < 0.5  # its weights are random


def test_a_description_is_scored(gesso: Gesso, llava: str, here: Path) -> None:
    arguments = ("--task", "storybook-describe", "--count", "2", "--size", "32", "--json")
    values = json.loads(gesso("eval", llava, *arguments).out)
    assert values["n"] == 2
    assert values["scores"]["exact"]["score"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--task", "storybook-vqs"), "did you mean storybook-vqa"),
        (("--task", "storybook-vqa", "--split", "train"), "split 'train'"),
        (("--task", "storybook-vqa", "--kinds", "color"), "unknown question kind 'color'"),
        (("--task", "storybook-describe", "--kinds", "colour"), "storybook-describe has no kinds to choose"),
        (("--task", "storybook-canvas", "--size", "64"), "storybook-canvas has no size to choose"),
        (("--task", "storybook-canvas", "--guidance", "none"), "storybook-canvas has no guidance to choose"),
        (("--task", "storybook-vqa", "--judge", "a"), "storybook-vqa has no judge to choose"),
        (("--task", "storybook-vqa", "--steps", "9"), "storybook-vqa has no steps to choose"),
        (("--task", "storybook-vqa", "--scale", "3"), "storybook-vqa has no scale to choose"),
        (("--task", "storybook-judge", "--language", "zh"), "storybook-judge has no language to choose"),
        (("--task", "storybook-paint", "--kinds", "plan"), "storybook-paint has no kinds to choose"),
        (("--task", "storybook-paint", "--guidance", "multi"), "did you mean multidiffusion"),
        (("--task", "storybook-paint"), "for painters"),
        (("--task", "storybook-vqa", "--count", "0"), "count is 0"),
        (("--task", "storybook-retrieval", "--count", "100"), "does not compare pictures with texts"),
    ],
)
def test_what_cannot_be_evaluated_is_wrong_usage(
    gesso: Gesso, llava: str, here: Path, arguments: tuple[str, ...], told: str
) -> None:
    outcome = gesso("eval", llava, *arguments)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert not list(here.rglob("samples.jsonl"))


def test_a_clip_asked_questions_is_wrong_usage(gesso: Gesso, clip: str, here: Path) -> None:
    outcome = gesso("eval", clip, *VQA)
    assert outcome.code == 2
    assert "cannot chat" in outcome.err


def test_a_planner_is_evaluated_by_wishes_and_edits(
    gesso: Gesso, llava: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = Planner(ScriptedWriter(oracle(StorybookCanvas())), PlanSettings(system=None))
    monkeypatch.setattr(command, "load", lambda _: Loaded(planner, "mini-omost"))
    arguments = ("--task", "storybook-canvas", "--count", "6", "--seed", "3", "--json")
    values = json.loads(gesso("eval", llava, *arguments).out)
    assert (values["model"], values["n"], values["score"]) == ("mini-omost", 6, 1.0)
    assert {"plan: parse", "edit: parse"} <= set(values["scores"])


@pytest.fixture(scope="module")
def paint_samples() -> list[PaintSample]:
    """The first samples of seed 5."""
    return list(chain.from_iterable(StorybookPaint().rounds(5, 3, 4)))


@pytest.fixture(scope="module")
def judge(paint_samples: list[PaintSample], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a judge that knows their pictures."""
    return judge_of([sample.scene for sample in paint_samples], tmp_path_factory.mktemp("judges") / "judge")


PAINT = ("--task", "storybook-paint", "--count", "3", "--seed", "5", "--json")


def test_a_painter_is_evaluated_by_a_judge(
    gesso: Gesso,
    llava: str,
    judge: str,
    paint_samples: list[PaintSample],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = ScriptedPainter.of(paint_samples)
    monkeypatch.setattr(command, "load", lambda _: Loaded(engine, "mini-sdxl"))
    chosen = ("--judge", judge, "--guidance", "multidiffusion", "--steps", "7", "--scale", "2")
    values = json.loads(gesso("eval", llava, *PAINT, *chosen).out)
    assert (values["task"], values["model"], values["n"]) == ("storybook-paint", "mini-sdxl", 3)
    assert values["score"] == values["scores"]["exact"]["score"] == 1.0
    settings: set[Any] = {(asked.guidance, asked.steps, asked.guidance_scale) for asked in engine.asked}
    assert settings == {("multidiffusion", 7, 2.0)}
    (folder,) = Path("runs/eval").iterdir()
    assert folder.name.endswith("-storybook-paint-test-5-multidiffusion")


def test_a_painter_without_a_judge_is_told_how_to_get_one(
    gesso: Gesso, llava: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "load", lambda _: Loaded(ScriptedPainter({})))
    outcome = gesso("eval", llava, *PAINT, "--judge", "nowhere")
    assert outcome.code == 1
    assert "nowhere holds no judge; train one with: gesso train mini/judge" in outcome.err


def test_a_judge_is_evaluated_from_its_folder(gesso: Gesso, judge: str, here: Path) -> None:
    arguments = ("--task", "storybook-judge", "--count", "2", "--seed", "5", "--json")
    values = json.loads(gesso("eval", judge, *arguments).out)
    assert (values["model"], values["n"], values["score"]) == (judge, 2, 1.0)
    assert values["scores"]["other: right"]["score"] < 0.5
    assert gesso("eval", "nowhere", *arguments).code == 1


def test_an_interrupt_says_how_to_go_on(
    gesso: Gesso, llava: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "evaluate", interrupted)
    outcome = gesso("eval", llava, *VQA, "--out", "log")
    assert outcome.code == 130
    assert "goes on from the log in log" in outcome.err


def test_the_help_names_every_task(gesso: Gesso) -> None:
    text = gesso("eval", "--help").out
    for name in TASKS:
        assert name in text


@pytest.fixture
def table(here: Path) -> str:
    """A table of two multiple-choice questions."""
    rows = [{"index": n, "question": "Which?", "A": "cat", "B": "dog", "answer": "A", "image": base64_png()}
            for n in (1, 2)]  # fmt: skip
    return str(write_table(here / "MMStar.tsv", rows))


def test_official_files_are_asked_in_full(gesso: Gesso, llava: str, table: str) -> None:
    values = json.loads(gesso("eval", llava, "--task", "mmstar", "--data", table, "--json").out)
    assert (values["task"], values["split"], values["n"]) == ("mmstar", "MMStar", 2)
    assert values["scores"]["read"]["n"] == 2
    (folder,) = Path("runs/eval").iterdir()
    assert folder.name.endswith("-mmstar-MMStar-0")
    one = gesso("eval", llava, "--task", "mmstar", "--data", table, "--count", "1", "--out", "one", "--json")
    assert json.loads(one.out)["n"] == 1


def test_a_score_that_somebody_else_gives_is_open_and_says_so(gesso: Gesso, llava: str, here: Path) -> None:
    row = {"imagename": "a.jpg", "question": "What?", "answer": "dog", "capability": ["rec"]}
    write_json(here / "mm-vet.json", {"v1_0": row})
    paint_picture(here / "images" / "a.jpg")
    outcome = gesso("eval", llava, "--task", "mm-vet", "--data", str(here), "--out", "log")
    assert outcome.code == 0
    assert "open" in outcome.out
    assert "the score is given by MM-Vet's grader" in outcome.out
    assert list(json.loads(Path("log/mm-vet_upload.json").read_text())) == ["v1_0"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--task", "gqa"), "gqa needs --data"),
        (("--task", "gqa", "--data", "nowhere"), "nowhere: gqa needs testdev_balanced_questions.json"),
        (("--task", "gqa", "--data", ".", "--ocr"), "gqa has no ocr to choose"),
        (("--task", "pope", "--data", ".", "--split", "test"), "pope has no split to choose"),
        (("--task", "mmbench", "--data", "a.tsv", "--pictures", "all"), "mmbench has no pictures to choose"),
        (("--task", "mm-vet", "--data", ".", "--judge-model", "x"), "give both or neither"),
        (
            ("--task", "gqa", "--data", ".", "--judge-url", "x"),
            "gqa has no judge-url to choose; leave --judge-url",
        ),
    ],
)
def test_choices_of_published_benchmarks_are_checked(
    gesso: Gesso, llava: str, here: Path, arguments: tuple[str, ...], told: str
) -> None:
    outcome = gesso("eval", llava, *arguments)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert not list(here.rglob("samples.jsonl"))


def test_adapters_are_compared_and_what_is_left_out_is_said(gesso: Gesso, here: Path) -> None:
    moma, adapter = moma_folder(here / "models"), ip_adapter_file(here)
    task = ("--task", "storybook-subject", "--count", "1", "--steps", "1")
    outcome = gesso("eval", str(moma), *task, "--adapter", "ip-adapter", "--adapter-from", str(adapter))
    assert outcome.code == 0, outcome.err
    assert "clip-i" in outcome.out
    assert "dino is left out" in outcome.err
    (report,) = Path("runs/eval").glob("*-ip-adapter/report.json")
    settings = json.loads(report.read_text())["settings"]
    assert settings["left_out"] == ["dino"]
    assert len(settings["adapter_from"]) == 16
    outcome = gesso("eval", str(moma), *task, "--adapter", "ip-adapter")
    assert outcome.code != 0
    assert "holds no IP-Adapter" in outcome.err
