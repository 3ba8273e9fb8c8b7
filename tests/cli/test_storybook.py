import json
from pathlib import Path
from typing import get_type_hints

import pytest
from PIL import Image

from cli.run import Gesso
from gesso.cli.storybook import Size, _Drawn
from gesso.storybook.draw import LARGEST_SIZE, SMALLEST_SIZE
from gesso.storybook.scene import MAX_THINGS, SIGN_RATE


def test_make_writes_llavas_json_and_its_pictures(gesso: Gesso, tmp_path: Path) -> None:
    arguments = ("--split", "novel", "--count", "3", "--size", "48", "--seed", "5")
    outcome = gesso("storybook", "make", "--out", str(tmp_path / "data"), *arguments)
    assert (outcome.code, outcome.out) == (0, f"{tmp_path}/data/data.json\n")
    entries = json.loads((tmp_path / "data" / "data.json").read_text("utf-8"))
    assert len(entries) == 3
    with Image.open(tmp_path / "data" / entries[0]["image"]) as picture:
        assert picture.size == (48, 48)
    again = gesso("storybook", "make", "--out", str(tmp_path / "again"), *arguments)
    assert again.code == 0
    assert (tmp_path / "again" / "data.json").read_bytes() == (tmp_path / "data" / "data.json").read_bytes()


def test_scenes_of_few_things_and_many_signs(gesso: Gesso, tmp_path: Path) -> None:
    chosen = ("--things", "1", "--signs", "1", "--count", "4", "--size", "32", "--split", "test")
    assert gesso("storybook", "make", "--out", str(tmp_path), *chosen).code == 0
    entries = json.loads((tmp_path / "data.json").read_text("utf-8"))
    assert not any(" and " in entry["caption"] for entry in entries)
    plain = ("--things", "1", "--signs", "0", *chosen[4:])
    assert gesso("storybook", "make", "--out", str(tmp_path / "plain"), *plain).code == 0
    for entry in entries:
        signed, bare = (tmp_path / entry["image"], tmp_path / "plain" / entry["image"])
        assert signed.read_bytes() != bare.read_bytes()


def test_sizes_are_those_that_can_be_drawn() -> None:
    (option,) = Size.__metadata__
    assert (option.min, option.max) == (SMALLEST_SIZE, LARGEST_SIZE)


def test_a_scene_holds_as_many_things_as_the_help_says() -> None:
    hints = get_type_hints(_Drawn, include_extras=True)
    (option,) = hints["things"].__metadata__
    assert option.max == MAX_THINGS
    assert f"[{SIGN_RATE}]" in hints["signs"].__metadata__[0].help


def test_a_folder_that_cannot_be_made_is_told(gesso: Gesso, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = gesso("storybook", "make", "--out", str(tmp_path / "file" / "data"), "--count", "1")
    assert outcome.code == 1
    assert "Not a directory" in outcome.err
    assert "Traceback" not in outcome.err


def test_make_writes_shards(gesso: Gesso, tmp_path: Path) -> None:
    settings = ["--count", "2", "--size", "32", "--shards", "--language", "zh"]
    outcome = gesso("storybook", "make", "--out", str(tmp_path), *settings)
    assert outcome.out == f"{tmp_path}/00000.tar\n"
    assert (tmp_path / "00000.tar").stat().st_size > 1000


def test_sheet_draws_rows_of_pictures(gesso: Gesso, tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    settings = ["--count", "5", "--columns", "3", "--size", "40", "--captions"]
    outcome = gesso("storybook", "sheet", "--out", str(file), *settings)
    assert (outcome.code, outcome.out) == (0, f"{file}\n")
    with Image.open(file) as sheet:
        assert sheet.width > 3 * 40
        assert sheet.height > 2 * 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("make --out x --split tset", "test"),
        ("make --out x --language fr", "zh"),
        ("make --out x --count 0", "--count"),
        ("make --out x --size 31", "equal to 32"),
        ("sheet --out x.png --size 2049", "equal to 2048"),
        ("sheet --out a.nothing --count 1", ".png"),
    ],
)
def test_wrong_usage_names_what_is_allowed(
    gesso: Gesso, arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = gesso("storybook", *arguments.split())
    assert outcome.code == 2
    assert message in outcome.err
