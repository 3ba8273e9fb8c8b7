import json

import numpy as np
import pytest
from PIL import Image as Pictures

from engines.subjects import disc_mask, reference
from gesso.config.schema import DataSettings
from gesso.core.errors import ConfigError, TrainingError
from gesso.train.subjects import subject_source


@pytest.fixture
def folder(tmp_path):
    reference((64, 48)).save(tmp_path / "a.png")
    disc_mask((64, 48)).save(tmp_path / "a-mask.png")
    reference((40, 60)).save(tmp_path / "b.png")
    disc_mask((40, 60)).save(tmp_path / "b-mask.png")
    Pictures.new("L", (40, 60)).save(tmp_path / "black.png")
    return tmp_path


ROW = {"image": "a.png", "mask": "a-mask.png", "label": "boat", "caption": "a boat at sea"}


def source(folder, *rows, size=32):
    path = folder / "subjects.jsonl"
    path.write_text("\n".join(json.dumps(row) if isinstance(row, dict) else row for row in rows))
    return subject_source(DataSettings(source="subjects", path=str(path), size=size))


def test_users_own_pictures_are_read(folder):
    paired = ROW | {"reference": "b.png", "reference_mask": "b-mask.png"}
    found = source(folder, ROW, paired)
    assert found.count == 2
    alone, pair = found.example(0), found.example(1)
    assert (alone.noun, alone.prompt) == ("boat", "a boat at sea")
    assert alone.target.size == (32, 32)
    assert np.array_equal(alone.reference.mask, alone.target_mask)
    assert np.array_equal(np.asarray(alone.reference.image), np.asarray(alone.target))
    assert np.array_equal(np.asarray(pair.target), np.asarray(alone.target))
    assert not np.array_equal(np.asarray(pair.reference.image), np.asarray(alone.target))
    assert 0.1 < alone.target_mask.mean() < 0.5


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nonsense", "line 1: no JSON"),
        ('["a"]', "an object of texts"),
        ({"image": "a.png"}, "lacks mask, label, caption"),
        (ROW | {"size": "3"}, "has size besides"),
        (ROW | {"reference": "b.png"}, "may have both"),
        (ROW | {"caption": "a fish"}, "does not contain the label 'boat'"),
    ],
)
def test_lines_that_say_too_little_are_refused(folder, row, said):
    with pytest.raises(TrainingError, match=said):
        source(folder, row)


def test_empty_masks_and_files_are_refused(folder):
    with pytest.raises(TrainingError, match=r"black\.png is empty"):
        source(folder, ROW | {"mask": "black.png"}).example(0)
    with pytest.raises(TrainingError, match="has no lines"):
        source(folder, "")
    with pytest.raises(ConfigError, match=r"needs data\.path"):
        DataSettings(source="subjects")


def test_the_storybook_gives_pairs():
    found = subject_source(DataSettings(size=48, count=5))
    example = found.example(2)
    assert found.count == 5
    assert example.target.size == example.reference.image.size == (48, 48)
    assert example.reference.mask.any()
    assert example.target_mask.any()
    assert example.noun in example.prompt
