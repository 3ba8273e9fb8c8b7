import pytest
import torch
from transformers import Cache, DynamicCache, MistralConfig

import tiny
from gesso.engines.kv import GrowingLayer, crop, keep_rows, new_cache


def _states(length: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 2, length, 4)


def test_growing_layer_holds_what_a_dynamic_layer_holds() -> None:
    ours, theirs = Cache(layer_class_to_replicate=GrowingLayer), DynamicCache()
    for length in (3, 1, 300, 1, 1):
        keys, values = _states(length), _states(length)
        ours.update(keys, values, 0)
        theirs.update(keys, values, 0)
    assert torch.equal(ours.layers[0].keys, theirs.layers[0].keys)
    assert torch.equal(ours.layers[0].values, theirs.layers[0].values)
    assert ours.get_seq_length() == 306


def test_appending_one_position_copies_nothing() -> None:
    cache = Cache(layer_class_to_replicate=GrowingLayer)
    cache.update(_states(3), _states(3), 0)
    place = cache.layers[0].keys.data_ptr()
    cache.update(_states(1), _states(1), 0)
    assert cache.layers[0].keys.data_ptr() == place


def test_crop_then_append_overwrites_what_was_forgotten() -> None:
    cache = Cache(layer_class_to_replicate=GrowingLayer)
    first, second = _states(5), _states(2)
    cache.update(first, first, 0)
    crop(cache, 3)
    cache.update(second, second, 0)
    assert torch.equal(cache.layers[0].keys, torch.cat([first[:, :, :3], second], dim=2))


def test_crop_at_full_length_changes_nothing() -> None:
    cache = Cache(layer_class_to_replicate=GrowingLayer)
    cache.update(states := _states(5), states, 0)
    crop(cache, 5)
    assert torch.equal(cache.layers[0].keys, states)


def test_keep_rows_keeps_their_positions_in_the_new_order() -> None:
    cache = Cache(layer_class_to_replicate=GrowingLayer)
    states, more = _states(3, batch=3), _states(1, batch=2)
    cache.update(states, states, 0)
    keep_rows(cache, torch.tensor([2, 0]))
    cache.update(more, more, 0)
    assert torch.equal(cache.layers[0].values, torch.cat([states[[2, 0]], more], dim=2))


@pytest.mark.parametrize("window", [None, 8])
def test_models_with_sliding_windows_keep_transformers_own_layers(window: int | None) -> None:
    config = MistralConfig(num_hidden_layers=2, sliding_window=window)
    assert (new_cache(config).layer_class_to_replicate is GrowingLayer) == (window is None)
    assert new_cache(tiny.llama().config).layer_class_to_replicate is GrowingLayer
