import torch

from gesso.models.megrez.preprocess import cut_slices
from gesso.models.megrez.settings import MegrezSettings
from models.megrez import originals

SETTINGS = MegrezSettings(scale_resolution=56)


def test_slices_are_bytes_of_whole_patches_with_their_size() -> None:
    cut = cut_slices(originals.PICTURE, SETTINGS)
    assert (len(cut.slices), cut.columns) == (3, 1) if cut.columns == 1 else (3, 2)
    for tiles in cut.slices:
        assert tiles.pixels.dtype == torch.uint8
        assert tiles.pixels.shape == (1, 3, tiles.size[1], tiles.size[0])
        assert tiles.size[0] % 14 == tiles.size[1] % 14 == 0


def test_slices_make_up_the_refined_picture() -> None:
    cut = cut_slices(originals.PICTURE.resize((160, 160)), SETTINGS)
    rows = [torch.cat([t.pixels for t in cut.slices[1:][start : start + cut.columns]], dim=3)
            for start in range(0, len(cut.slices) - 1, cut.columns)]  # fmt: skip
    whole = torch.cat(rows, dim=2)[0, 0].float()
    # the gradient goes down, without a jump where slices meet
    assert whole.mean(1).diff().abs().max() < 8
    assert whole[-1].mean() > whole[0].mean() + 200


def test_the_overview_alone_can_be_had() -> None:
    cut = cut_slices(originals.PICTURE, SETTINGS, overview_only=True)
    assert (len(cut.slices), cut.columns) == (1, 0)
