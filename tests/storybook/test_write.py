import json
import os
import tarfile
from collections.abc import Iterator
from io import BytesIO
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gesso.core.errors import UnknownNameError, UsageError
from gesso.storybook.draw import draw
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


@given(st.integers(1, 5), st.integers(1, 6), st.sampled_from([("en",), ("zh",), ("en", "zh")]))
@settings(max_examples=8, deadline=None)
def test_shards_read_back_sample_by_sample_whatever_their_size(
    count: int, per_shard: int, languages: tuple[str, ...]
) -> None:
    with TemporaryDirectory() as folder:
        shards = write_shards(
            SCENES[:count], Path(folder), size=32, seed=3, languages=languages, per_shard=per_shard
        )
        samples = [sample for shard in shards for sample in read_shard(shard)]
    assert len(shards) == -(-count // per_shard)
    for scene, (key, sample) in zip(SCENES[:count], samples, strict=True):
        entry = json.loads(sample["json"])
        assert entry["id"] == key
        assert entry["language"] in languages
        assert Scene.from_dict(entry["scene"]) == scene
        with Image.open(BytesIO(sample["png"])) as picture:
            assert picture.tobytes() == draw(scene, 32).tobytes()


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and contents by ending of each sample: WebDataset groups neighbours named alike up to the dot."""
    with tarfile.open(path) as tar:
        for key, members in groupby(tar, key=lambda member: member.name.partition(".")[0]):
            yield key, {m.name.partition(".")[2]: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]


def test_files_may_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_llava(SCENES[:1], tmp_path, size=32, seed=1)
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_shards(SCENES[:1], tmp_path, size=32, seed=1)
    assert list(tmp_path.iterdir()) == []


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
