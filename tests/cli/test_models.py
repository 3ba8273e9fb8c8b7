import json
from pathlib import Path

import pytest

from cli.run import Gesso
from gesso.engines import catalog
from gesso.engines.catalog import find, model_rows


def test_the_list_has_every_model_and_marks_what_runs(gesso: Gesso) -> None:
    lines = gesso("models").out.splitlines()
    for row in model_rows():
        (line,) = (line for line in lines if line.split()[:1] == [row.name])
        assert ("yes" in line.split()) == row.runnable
        assert row.licence.split()[0] in line


def test_the_list_as_json_holds_the_catalogues_facts(gesso: Gesso) -> None:
    rows = json.loads(gesso("models", "--json").out)
    assert [row["name"] for row in rows] == [row.name for row in model_rows()]
    llava = next(row for row in rows if row["name"] == "llava-v1.5-7b")
    assert llava["memory_gb"] == {"16": 14.1, "8": 7.1, "4": 3.5}
    assert llava["runnable"]
    assert llava["repository"] == "liuhaotian/llava-v1.5-7b"


def test_show_prints_what_is_known_of_a_published_model(gesso: Gesso) -> None:
    out = gesso("models", "show", "liuhaotian/llava-v1.6-34b").out
    for fact in ("llava-v1.6-34b", "34.8 B", "69.5 / 34.8 / 17.4", "Apache-2.0", "since gesso 0.1"):
        assert fact in out
    assert "planned for gesso 0.3" in gesso("models", "show", "llava-7b-delta-v0").out


def test_show_prints_the_card_of_a_mini(
    gesso: Gesso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# mini-llava\n\nscore 0.97\n")
    monkeypatch.setattr("gesso.cli.models.mini_folder", lambda row: tmp_path)
    assert gesso("models", "show", "mini-llava").out == (tmp_path / "README.md").read_text()


def test_show_of_a_mini_that_is_not_here_prints_what_is_known_of_it(
    gesso: Gesso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MINIS", tmp_path)
    outcome = gesso("models", "show", "mini-sdxl")
    assert outcome.code == 0
    assert "renders storybook canvases region by region" in outcome.out
    assert "weights of mini-sdxl are not part of this installation" in outcome.err


def test_show_prints_the_card_of_a_painter(
    gesso: Gesso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MINIS", tmp_path)
    folder = tmp_path / "mini-sdxl"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    assert "README.md is missing" in gesso("models", "show", "mini-sdxl").err
    (folder / "README.md").write_text("# mini-sdxl\n")
    assert gesso("models", "show", "mini-sdxl").out == "# mini-sdxl\n"


def test_show_of_an_unknown_name_lists_near_ones(gesso: Gesso) -> None:
    outcome = gesso("models", "show", "mini-lava")
    assert outcome.code == 2
    assert "mini-llava" in outcome.err


def test_doctor_says_of_every_model_whether_it_runs_here_and_why_not(gesso: Gesso) -> None:
    report = json.loads(gesso("doctor", "--json").out)
    assert set(report["models"]) == {row.name for row in model_rows()}
    assert report["models"]["llava-7b-delta-v0"] == {"state": "no", "reason": "comes with gesso 0.3"}
    assert all(verdict["reason"] for verdict in report["models"].values() if verdict["state"] != "ready")
    assert report["machine"]["cores"] >= 1
    assert "train" in report["missing"]


def test_doctor_prints_machine_and_models(gesso: Gesso) -> None:
    out = gesso("doctor").out
    for word in ("python", "torch", "GPU", "extra train", "llava-v1.6-34b", "comes with gesso 0.3"):
        assert word in out


def test_minis_come_first() -> None:
    assert model_rows()[0] is find("mini-llava")
    assert catalog.VERSION == "0.2"
