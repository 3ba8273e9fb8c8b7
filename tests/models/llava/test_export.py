import json
from dataclasses import replace

import pytest

import tiny
from gesso.models.llava.export import write_processor
from gesso.models.pixels import PixelSettings
from models.llava import originals

PIXELS = PixelSettings(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), shortest_edge=32)


@pytest.mark.parametrize("aspect", ["square", "pad"])
def test_normalisation_and_padding_are_written(tmp_path, aspect):
    write_processor(tmp_path, tiny.tokenizer(), originals.settings(image_aspect_ratio=aspect), PIXELS)
    assert PixelSettings.from_folder(tmp_path) == PIXELS
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert written["do_pad"] is (aspect == "pad")
    assert (tmp_path / "tokenizer.json").is_file()


def test_tokenizers_without_a_picture_token_get_no_transformers_processor(tmp_path):
    write_processor(tmp_path, tiny.tokenizer(), originals.settings(), PIXELS)
    assert not (tmp_path / "processor_config.json").exists()


def test_canvases_are_written_as_height_and_width(tmp_path):
    of = originals.settings(
        image_aspect_ratio="anyres",
        patch_merge_type="spatial_unpad",
        image_grid_pinpoints=((28, 56), (84, 28)),
    )
    write_processor(tmp_path, tiny.tokenizer(), of, replace(PIXELS, shortest_edge=None))
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert written["image_grid_pinpoints"] == [[56, 28], [28, 84]]
    assert written["size"]["shortest_edge"] == 28
