"""Storybook data sets on disk: LLaVA's JSON list with pictures, and WebDataset shards.

Formats: LLaVA's instruction data (haotian-liu/LLaVA at c121f04, `docs/Finetune_Custom_Data.md`) and
WebDataset's tar files, in which the members of one sample share their name up to the first dot.
"""

import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from gesso.core.errors import UsageError
from gesso.storybook.ask import STYLES, conversation
from gesso.storybook.draw import draw
from gesso.storybook.scene import Scene
from gesso.storybook.tell import caption
from gesso.storybook.words import words_of

__all__ = ["write_llava", "write_shards"]


def write_llava(
    scenes: Iterable[Scene], out: Path, *, size: int, seed: int, languages: Sequence[str] = ("en",)
) -> int:
    """Write `data.json`, `scenes.jsonl` and `images/*.png`; a killed run leaves no half-written file.

    Args:
        scenes: the scenes, finitely many; one conversation is held about each.
        out: the folder, made if need be; files of an earlier run are replaced.
        size: side of the pictures, in pixels.
        seed: seed of the conversations.
        languages: languages to choose from for each scene.

    Returns:
        How many scenes were written.
    """
    (out / "images").mkdir(parents=True, exist_ok=True)
    # small beside the pictures, and data.json is one list, so both wait in memory for the end
    entries, lines = [], []
    for scene, entry in _entries(scenes, seed, languages):
        _write(out / "images" / f"{entry['id']}.png", _png(scene, size))
        entries.append({**entry, "image": f"images/{entry['id']}.png"})
        lines.append(scene.to_json() + "\n")
    _write(out / "scenes.jsonl", "".join(lines).encode())
    # last: a folder with a data.json is whole
    _write(out / "data.json", json.dumps(entries, ensure_ascii=False, indent=1).encode())
    return len(entries)


def write_shards(
    scenes: Iterable[Scene],
    out: Path,
    *,
    size: int,
    seed: int,
    languages: Sequence[str] = ("en",),
    per_shard: int = 1000,
) -> list[Path]:
    """Write `00000.tar`, `00001.tar`, ... whose samples are NNNNNN.png and NNNNNN.json.

    The JSON of a sample holds its id, caption, conversation and scene.

    Args:
        scenes: the scenes, finitely many.
        out: the folder, made if need be; shards of an earlier run are replaced.
        size: side of the pictures, in pixels.
        seed: seed of the conversations.
        languages: languages to choose from for each scene.
        per_shard: how many scenes a shard has; the last may have fewer.

    Returns:
        The shards, in their order.
    """
    if per_shard < 1:
        raise UsageError(f"per_shard is {per_shard}; a shard has at least one scene")
    out.mkdir(parents=True, exist_ok=True)
    entries = _entries(scenes, seed, languages)
    shards: list[Path] = []
    # a shard at a time is held in memory, as compressed pictures
    while samples := list(islice(entries, per_shard)):
        shards.append(out / f"{len(shards):05d}.tar")
        _write(shards[-1], _tar(samples, size))
    return shards


def _entries(
    scenes: Iterable[Scene], seed: int, languages: Sequence[str]
) -> Iterator[tuple[Scene, dict[str, Any]]]:
    """Each scene with its number and a conversation in a style and language chosen at random."""
    if not languages:
        raise UsageError("no languages given; give at least one, such as 'en'")
    for language in languages:
        words_of(language)  # refuses unknown ones before anything is written
    rng = Random(seed)
    for number, scene in enumerate(scenes):
        language, style = rng.choice(languages), rng.choice(STYLES)
        turns = conversation(scene, rng, style, language)
        said = [(turn.question, turn.answer) for turn in turns]
        # in the first turn, as in all of LLaVA's data
        said[0] = (f"<image>\n{said[0][0]}", said[0][1])
        speech = [
            {"from": speaker, "value": text}
            for pair in said
            for speaker, text in zip(("human", "gpt"), pair, strict=True)
        ]
        yield (
            scene,
            {
                "id": f"{number:06d}",
                "caption": caption(scene, language),
                "language": language,
                "style": style,
                "conversations": speech,
            },
        )


def _tar(samples: Sequence[tuple[Scene, dict[str, Any]]], size: int) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for scene, entry in samples:
            text = json.dumps({**entry, "scene": scene.to_dict()}, ensure_ascii=False)
            for ending, data in (("png", _png(scene, size)), ("json", text.encode())):
                member = tarfile.TarInfo(f"{entry['id']}.{ending}")  # no date: equal runs, equal bytes
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
    return buffer.getvalue()


def _png(scene: Scene, size: int) -> bytes:
    buffer = BytesIO()
    draw(scene, size).save(buffer, format="PNG")
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Write beside the file, then take its name, so that no reader sees half of it."""
    # not `tempfile`: what it makes may be read by its owner alone, and data sets are shared
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
