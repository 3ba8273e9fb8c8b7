"""Storybook speech for training, said once and kept on disk as features of one byte each."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.storybook.scene import Scene
from gesso.storybook.speech import RATE, sample_manner, say, speech_missing
from gesso.storybook.splits import scene_at
from gesso.storybook.spoken import Utterance, spoken_texts

__all__ = ["SpeechStore"]

SHARD: Final = 64
"""Scenes whose speech lies in one file."""

LOWEST, STEP = -2.0, 4 / 255
"""Features lie between -2 and 2; their steps of 0.016 are 0.6 decibels, well below any noise."""

Features = Callable[[NDArray[np.float32]], Tensor]


class SpeechStore:
    """What is said about the first `data.spoken` scenes of a stream of training scenes.

    Args:
        data: settings of a recipe.
        features: samples [n] at 16 kHz -> [M, C] log-mel bands of as many columns as the sound fills.
        mels: M.
        longest: columns of the longest sound that is given out.
    """

    def __init__(self, data: DataSettings, features: Features, mels: int, longest: int) -> None:
        missing = speech_missing()
        if missing:
            raise TrainingError(missing)
        self._data, self._features, self._longest = data, features, longest
        version = blake2b(repr((_version(data.seed, data.things), mels)).encode(), digest_size=4).hexdigest()
        counts = f"{data.speech_questions}-{data.speech_told}"
        name = f"speech-{data.seed}-{data.things}-{data.chinese:g}-{counts}-{mels}-{version}"
        self._folder = Path(data.cache) / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._open = lru_cache(maxsize=None)(self._read)

    def __len__(self) -> int:
        """Scenes."""
        return self._data.spoken

    def scene(self, index: int) -> Scene:
        """Scene number `index`, the same as in the pictures of the same settings."""
        return scene_at("train", self._data.seed, index, counts=range(1, self._data.things + 1))

    def fill(self, threads: int = 2) -> None:
        """Say all that is not on disk yet; training then never waits for it."""
        wanted = [n for n in range(-(-len(self) // SHARD)) if not self._path(n).exists()]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._write, wanted))

    def utterances(self, index: int) -> list[tuple[Utterance, Tensor]]:
        """What is said about scene `index` and is not too long, with its features [M, C]."""
        number, place = divmod(index, SHARD)
        rows, columns = self._open(number)
        return [
            (Utterance(*row["said"]), _restored(columns[row["start"] : row["end"]]))
            for row in rows
            if row["scene"] == place and row["end"] - row["start"] <= self._longest
        ]

    def _read(self, number: int) -> tuple[list[dict[str, Any]], NDArray[np.uint8]]:
        path = self._path(number)
        if not path.exists():
            self._write(number)
        rows = json.loads(path.read_text(encoding="utf-8"))
        return rows, np.load(path.with_suffix(".npy"), mmap_mode="r")

    def _write(self, number: int) -> None:
        rows: list[dict[str, Any]] = []
        said: list[NDArray[np.uint8]] = []
        start = 0
        for place in range(SHARD):
            for utterance, columns in self._said(number * SHARD + place):
                end = start + len(columns)
                said_as = list(asdict(utterance).values())
                rows.append({"scene": place, "said": said_as, "start": start, "end": end})
                said.append(columns)
                start = end
        path = self._path(number)
        # each in one move, so that a process beside this one never reads half a file; the list is last, so
        # that an interrupted writing is done again
        temporary = path.with_suffix(f".{os.getpid()}.npy")
        np.save(temporary, np.concatenate(said))
        temporary.replace(path.with_suffix(".npy"))
        temporary.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        temporary.replace(path)

    def _said(self, index: int) -> Sequence[tuple[Utterance, NDArray[np.uint8]]]:
        """Utterances of a scene and their features [C, M], a byte each."""
        rng = Random(f"speech/{self._data.seed}/{index}")
        language = "zh" if rng.random() < self._data.chinese else "en"
        made = []
        data = self._data
        for each in spoken_texts(self.scene(index), rng, language, data.speech_questions, data.speech_told):
            samples = say(each.text, sample_manner(rng, language))
            # [M, C] -> [C, M]
            columns = self._features(samples).T.numpy()
            levels = np.clip(np.round((columns - LOWEST) / STEP), 0, 255).astype(np.uint8)
            made.append((replace(each, samples=len(samples)), levels))
        return made

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}.json"


def _restored(levels: NDArray[np.uint8]) -> Tensor:
    """[C, M] bytes -> [M, C] features."""
    return torch.from_numpy(levels.astype(np.float32) * np.float32(STEP) + np.float32(LOWEST)).T


def _version(seed: int, things: int) -> list[list[Any]]:
    """What a first scene says, so that a change of its words or voices starts a new cache."""
    rng = Random("speech/version")
    scene = scene_at("train", seed, 0, counts=range(1, things + 1))
    texts = [asdict(each) for language in ("en", "zh") for each in spoken_texts(scene, rng, language, 4)]
    return [texts, [asdict(sample_manner(rng, language)) for language in ("en", "zh")], [RATE]]
