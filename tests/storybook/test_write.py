import json
import tarfile
from io import BytesIO
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from gesso.core.errors import UnknownNameError, UsageError
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scenes
from gesso.storybook.tell import caption
from gesso.storybook.write import write_llava, write_shards

SCENES = list(islice(scenes("val", 1), 5))


def test_llava_files(tmp_path: Path) -> None:
    assert write_llava(SCENES, tmp_path, size=48, seed=1, languages=("en", "zh")) == 5
    entries = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    assert [entry["id"] for entry in entries] == [f"{i:06d}" for i in range(5)]
    for entry in entries:
        with Image.open(tmp_path / entry["image"]) as picture:
            assert (picture.size, picture.format) == ((48, 48), "PNG")
        speech = entry["conversations"]
        assert [turn["from"] for turn in speech] == ["human", "gpt"] * (len(speech) // 2)
        assert speech[0]["value"].startswith("<image>\n")
        assert sum("<image>" in turn["value"] for turn in speech) == 1
    lines = (tmp_path / "scenes.jsonl").read_text().splitlines()
    assert [Scene.from_json(line) for line in lines] == SCENES
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"data.json", "scenes.jsonl", *(f"{i:06d}.png" for i in range(5))}  # nothing temporary


def test_shards(tmp_path: Path) -> None:
    shards = write_shards(SCENES, tmp_path, size=32, seed=1, per_shard=2)
    assert [shard.name for shard in shards] == ["00000.tar", "00001.tar", "00002.tar"]
    names = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar.getmembers():
                data = tar.extractfile(member).read()  # type: ignore[union-attr]
                names.append(member.name)
                if member.name.endswith(".json"):
                    entry = json.loads(data)
                    scene = Scene.from_dict(entry["scene"])
                    assert scene == SCENES[int(entry["id"])]
                    assert entry["caption"] == caption(scene)
                else:
                    assert Image.open(BytesIO(data)).size == (32, 32)
    assert names == [f"{i:06d}.{ending}" for i in range(5) for ending in ("png", "json")]


def test_equal_arguments_write_equal_bytes(tmp_path: Path) -> None:
    first, second = (
        write_shards(SCENES[:2], tmp_path / name, size=32, seed=7)[0].read_bytes() for name in "ab"
    )
    assert first == second


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown language 'de'"):
        write_llava(SCENES, tmp_path, size=32, seed=1, languages=("de",))
    with pytest.raises(UsageError, match="no languages given"):
        write_llava(SCENES, tmp_path, size=32, seed=1, languages=())
    with pytest.raises(UsageError, match="per_shard is 0"):
        write_shards(SCENES, tmp_path, size=32, seed=1, per_shard=0)
