"""LLaVA as gesso's engines and trainer see it: conversations in, prompt embeddings out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gesso.core.errors import UsageError
from gesso.models.base import ImageTiles
from gesso.models.llava.anyres import tile_grid, unpadded
from gesso.models.llava.export import write_processor
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.models.picture_chat import PictureChat
from gesso.nn.merge import join_flat, join_lines

__all__ = ["LlavaChat"]

Size = tuple[int, int]


class LlavaChat(PictureChat[LlavaProcessor]):
    """A LLaVA of any version: transformers module, settings and processor together.

    It computes picture features and their merging itself, in one way for all versions, and leaves tower,
    projector and language model to the module. Letters: T tiles, P patches of a tile, N positions of one
    picture, D width of the language model.

    Args:
        module: of one of the classes in `gesso.models.llava.modules`.
        processor: turns messages into this model's inputs.
    """

    @property
    def settings(self) -> LlavaSettings:
        """What distinguishes this LLaVA from others."""
        return self.processor.settings

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Tower, projector (with the newline) and language model (with its head), sharing their weights."""
        model = self._module.model
        # a holder of our own: the newline learns at the projector's rate, but transformers keeps it beside
        projector = nn.Module()
        projector.layers = model.multi_modal_projector
        projector.register_parameter("image_newline", getattr(model, "image_newline", None))
        language = nn.ModuleList([model.language_model, self._module.lm_head])
        return {"vision": model.vision_tower, "projector": projector, "language": language}

    def tile_features(self, pixels: Tensor) -> Tensor:
        """Features of tiles, [T, 3, S, S] -> [T, P, D], before merging."""
        tower = self._module.model.vision_tower
        pixels = pixels.to(device=tower.device, dtype=tower.dtype)
        # LLaVA reads the last layer but one, which is no output of the tower
        states = tower(pixels, output_hidden_states=True).hidden_states
        selected = states[self.settings.select_layer]  # [T, 1 + P, W]
        if self.settings.select_feature == "patch":
            # [T, 1 + P, W] -> [T, P, W]
            selected = selected[:, 1:]  # without the class token
        features: Tensor = self._module.model.multi_modal_projector(selected)  # [T, P, W] -> [T, P, D]
        return features

    def image_features(self, tiles: Sequence[Tensor], sizes: Sequence[Size] | None = None) -> list[Tensor]:
        """Features of pictures as they stand in a prompt, [N_i, D] each; the tower sees all tiles at once.

        Args:
            tiles: [T_i, 3, S, S] of each picture.
            sizes: (width, height) of each original picture in pixels; needed unless tiles are merged flat.
        """
        if not tiles:
            return []
        if sizes is None and self.settings.patch_merge_type != "flat":
            raise UsageError(
                f"{self.settings.patch_merge_type} merging needs the pictures' sizes; give `sizes`"
            )
        # [sum of T_i, P, D] -> [T_i, P, D] of each picture
        per_picture = torch.split(self.tile_features(torch.cat(list(tiles))), [len(t) for t in tiles])
        # flat merging does not look at them
        places = sizes if sizes is not None else [(1, 1)] * len(tiles)
        return [self._merge(features, size) for features, size in zip(per_picture, places, strict=True)]

    def features_of(self, images: Sequence[ImageTiles]) -> list[Tensor]:
        """Features of pictures as they stand in a prompt, [N_i, D] each."""
        return self.image_features([image.pixels for image in images], [image.size for image in images])

    def _save_processor(self, folder: Path) -> None:
        # files that plain transformers reads, too, if it has such a model
        write_processor(folder, self.processor.tokenizer, self.settings, self.processor.pixels)

    def _merge(self, features: Tensor, size: Size) -> Tensor:
        """One picture's tiles [T, P, D] -> [N, D]."""
        if self.settings.patch_merge_type == "flat":
            return join_flat(features)
        columns, rows = grid = tile_grid(size, self.settings)
        if self.settings.patch_merge_type == "spatial":
            return join_lines(features, grid)
        side = self.settings.grid_side
        # slices of the grid of patches [H, W] that hold the picture
        shown = unpadded(size, (columns * side, rows * side))
        return join_lines(features, grid, shown, self._module.model.image_newline)
