"""What signs say, read from a high-resolution tower alone: dense targets before any text, as for `dense`.

Answers about signs reach such a tower only through detail mining and a language model that has never seen
letters. So first each place of its maps where a sign is shown says all characters of it, from the mean of the
very cells that a token there will mine. Scenes have few signs, so signs alone are pasted all over them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import ConvNextConfig

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.models.mgm.detail_tower import DetailTower, map_width
from gesso.nn.whitened_init import start_whitened
from gesso.storybook.scene import SIGN_CHARACTERS, SIGN_LENGTH, SIZES
from gesso.storybook.signs import Box, Square, letter_boxes, paste_boards, sign_board
from gesso.train.objectives.dense import normalise
from gesso.train.objectives.sizes import sizes_of
from gesso.train.pictures import PictureStore

__all__ = [
    "NO_SIGN",
    "PATCHES",
    "SignBatch",
    "SignsObjective",
    "letter_targets",
    "sheet_pictures",
    "sign_head",
    "sign_targets",
]

PATCHES: Final = 8
"""Places along a side: the tokens of the minis' towers."""

NO_SIGN: Final = -100
"""Target of places that have nothing to say."""
CLASSES: Final = 1 + len(SIGN_CHARACTERS)
"""Characters, and 0 behind a sign's end."""

WHITENING: Final = 100
"""Pictures that the patch embedding's start is computed from."""

ATTEMPTS: Final = 30
GAP: Final = 0.03
"""Free space around a sign, as a fraction of the picture."""

SHARE: Final = 0.5
"""A place is a board's if it shows at least this share of what the place that shows most of it does."""


@dataclass(frozen=True, slots=True)
class SignBatch:
    """Pictures, and what is to be read of them, `NO_SIGN` for nothing.

    Attributes:
        pixels: [B, 3, H, H]
        targets: [B, P*P, 5] the characters that places should say.
        letters: [B, H/4, H/4] the character that stands on each cell of 4 px.
    """

    pixels: Tensor
    targets: Tensor
    letters: Tensor


class SignsObjective:
    """A ConvNeXt that says at each place what the sign of the thing there says.

    Letters: B pictures, H their side, P places along a side, C widths of all stages together.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.pictures = sheet_pictures(recipe)
        self.tower = _tower(recipe)
        if recipe.model.init is None:
            # patches of signs differ little beside those of sky and grass, but are what is to be told apart
            sample = self.batch(list(range(min(WHITENING, self.examples))), 0).pixels
            start_whitened(self.tower.embeddings.patch_embeddings, sample)
        self.head = sign_head(map_width(self.tower.config))
        sizes: Any = self.tower.config.hidden_sizes
        middle = sizes[1]
        # four cells of 4 px for one of 8 px
        self.letters = nn.Sequential(nn.LayerNorm(middle), nn.Linear(middle, 4 * CLASSES))
        self.module = nn.ModuleDict({"tower": self.tower, "head": self.head, "letters": self.letters})

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """One part."""
        return {"detail": self.module}

    @property
    def examples(self) -> int:
        """Different pictures."""
        return self.pictures.count

    def batch(self, examples: list[int], number: int) -> SignBatch:
        """Pictures and what their signs say."""
        made = [self._sheet(index, number) for index in examples]
        pixels = normalise(np.stack([np.asarray(picture) for picture, _ in made]))
        signs = [sign_targets(boards, picture.width) for picture, boards in made]
        letters = [letter_targets(boards, picture.width) for picture, boards in made]
        return SignBatch(pixels, *(torch.from_numpy(np.stack(each)) for each in (signs, letters)))

    def loss(self, batch: SignBatch) -> tuple[Tensor, dict[str, float]]:
        """Mean cross-entropy of characters where they stand and as signs; shares that are read exactly."""
        places, beside, figures = self.read(batch)
        logits = self.head(places)  # [B, P*P, 5*37]
        read, right = _mean_loss(logits.unflatten(-1, (SIGN_LENGTH, CLASSES)), batch.targets)
        return read + beside, {"tokens": batch.targets[..., 0].numel(), "right": right, **figures}

    def read(self, batch: SignBatch) -> tuple[Tensor, Tensor, dict[str, float]]:
        """What stands at each place [B, P*P, C], what is learned beside it, and figures of that."""
        places, middle = self._seen(batch.pixels)
        spelled, known = _mean_loss(self.cells(middle)[..., None, :], batch.letters[..., None])
        return places, spelled, {"letters": known}

    def cells(self, middle: Tensor) -> Tensor:
        """Characters at cells of 4 px from the second stage's map, [B, C_1, h, h] -> [B, 2h, 2h, 37]."""
        logits: Tensor = self.letters(middle.permute(0, 2, 3, 1))  # [B, h, h, 4*37]
        # [B, h, h, 2, 2, 37] -> [B, h, 2, h, 2, 37] -> [B, 2h, 2h, 37]
        apart: Any = logits.unflatten(-1, (2, 2, CLASSES))
        cells: Tensor = apart.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return cells

    def show(self, example: int) -> str:
        """What each place of a picture should say."""
        picture, boards = self._sheet(example, 0)
        targets = sign_targets(boards, picture.width)
        words = ["".join(SIGN_CHARACTERS[c - 1] for c in row if c > 0) or "-" for row in targets]
        rows = (words[start : start + PATCHES] for start in range(0, len(words), PATCHES))
        return "\n".join(f"[green]{' '.join(f'{word:5}' for word in row)}[/green]" for row in rows)

    def save(self, folder: Path) -> None:
        """A ConvNeXt folder; the head stays behind."""
        self.tower.save_pretrained(folder)

    def _sheet(self, example: int, number: int) -> tuple[Image.Image, list[tuple[str, Square]]]:
        """A picture with new signs all over it each time it comes round."""
        picture = Image.fromarray(self.pictures.pixels(example))
        return picture, _sheet(picture, Random(f"{self.pictures.seed}/{number}/{example}"))

    def _seen(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Means of all stages over places [B, P*P, C], and the second stage's map [B, C_1, H/8, H/8].

        The mean over cells of the joined map would be the same but for its edges, and takes twice as long.
        """
        found = [self.tower.embeddings(pixels)]  # [B, C_0, H/4, H/4]
        for stage in self.tower.encoder.stages:
            found.append(stage(found[-1]))  # [B, C_k, H/2^(k+2), H/2^(k+2)]
        means = [functional.adaptive_avg_pool2d(maps, PATCHES) for maps in found[1:]]
        return torch.cat(means, 1).flatten(2).mT, found[2]  # [B, C, P, P] -> [B, P*P, C]


def sheet_pictures(recipe: Recipe) -> PictureStore:
    """Pictures to paste signs onto.

    Raises:
        ConfigError: a place has no whole cells of 4 px.
    """
    if recipe.data.size % (4 * PATCHES):
        raise ConfigError(f"data.size is {recipe.data.size}; make it a multiple of {4 * PATCHES}, so "
                          "that places have whole cells of 4 px")  # fmt: skip
    return PictureStore.of(recipe.data, recipe.data.size // PATCHES)


def sign_head(width: int) -> nn.Module:
    """Normalised places to the characters of a sign, [..., C] -> [..., 5*37]."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, SIGN_LENGTH * CLASSES))


def _mean_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Mean cross-entropy of [..., n, 37] where there are targets [..., n]; the share of rows all right."""
    told = targets[..., 0] != NO_SIGN
    chosen, wanted = logits[told].float(), targets[told]  # [m, n, 37], [m, n]
    # summed and divided: nothing to read is a loss of 0, and not of 0 / 0
    total = functional.cross_entropy(chosen.flatten(0, 1), wanted.flatten(), reduction="sum")
    right = (chosen.detach().argmax(-1) == wanted).all(-1).sum() / max(1, len(wanted))
    return total / max(1, wanted.numel()), float(right)


def sign_targets(boards: Sequence[tuple[str, Square]], size: int) -> NDArray[np.int64]:
    """What each place should say: the sign of which it shows most, if no other place shows much more of it.

    Args:
        boards: texts, and left, top and side of the square that each hangs in, in pixels.
        size: side of the picture in pixels.

    Returns:
        [P*P, 5] classes of characters, 0 behind the sign's end, `NO_SIGN` where no sign is to be read.
    """
    most = np.zeros((PATCHES, PATCHES))
    owners = np.zeros((PATCHES, PATCHES), np.int64)  # 0 for none
    for number, (text, square) in enumerate(boards, 1):
        shown = _overlaps(sign_board(text, square)[1], size / PATCHES)
        own = (shown >= SHARE * shown.max()) & (shown > most)
        owners[own], most[own] = number, shown[own]
    rows = [[NO_SIGN] * SIGN_LENGTH, *(_classes(text) for text, _ in boards)]
    return np.asarray(rows, np.int64)[owners.reshape(-1)]  # [P, P] -> [P*P, 5]


def letter_targets(boards: Sequence[tuple[str, Square]], size: int) -> NDArray[np.int64]:
    """The class of the character that the middle of each cell of 4 px lies on, [size/4, size/4]."""
    cells = np.full((size // 4, size // 4), NO_SIGN, np.int64)
    for text, square in boards:
        for character, box in zip(text, letter_boxes(text, square), strict=True):
            # cells whose middle 4k + 2 is inside
            x0, y0, x1, y1 = (max(0, ceil(edge / 4 - 0.5)) for edge in box)
            cells[y0:y1, x0:x1] = 1 + SIGN_CHARACTERS.index(character)
    return cells


def _overlaps(box: Box, step: float) -> NDArray[np.float64]:
    """Area of a box within each of the places of `step` pixels, [P, P]."""
    low = np.arange(PATCHES) * step
    x, y = (
        np.clip(np.minimum(low + step, box[2 + axis]) - np.maximum(low, box[axis]), 0, None)
        for axis in (0, 1)
    )
    return np.outer(y, x)


def _classes(sign: str) -> list[int]:
    found = [1 + SIGN_CHARACTERS.index(character) for character in sign]
    return found + [0] * (SIGN_LENGTH - len(found))


def _sheet(picture: Image.Image, rng: Random) -> list[tuple[str, Square]]:
    """Paste as many signs onto a picture as find a free place in a few attempts."""
    width = picture.width
    chosen: list[tuple[str, Square]] = []
    taken: list[Box] = []
    for _ in range(ATTEMPTS):
        text = "".join(rng.choices(SIGN_CHARACTERS, k=rng.randint(1, SIGN_LENGTH)))
        side = width * rng.choice(list(SIZES.values()))
        # squares reach over the picture's upper edge, since their signs hang at the lower one
        square = rng.uniform(0, width - side), rng.uniform(-0.7 * side, 0.98 * width - side), side
        box = sign_board(text, square)[1]
        if not any(_near(box, other, GAP * width) for other in taken):
            chosen.append((text, square))
            taken.append(box)
    paste_boards(picture, chosen)
    return chosen


def _near(a: Box, b: Box, gap: float) -> bool:
    return all(a[axis] < b[2 + axis] + gap and b[axis] < a[2 + axis] + gap for axis in (0, 1))


def _tower(recipe: Recipe) -> DetailTower:
    if recipe.model.init is not None:
        loaded: DetailTower = DetailTower.from_pretrained(recipe.model.init, dtype=torch.float32)
        return loaded
    return DetailTower(ConvNextConfig(**sizes_of(recipe, "detail", ConvNextConfig)))
