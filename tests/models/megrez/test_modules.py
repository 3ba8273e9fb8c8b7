import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from gesso.models.megrez.modules import MegrezConfig, MegrezForConditionalGeneration


def test_auto_classes_know_a_saved_folder(chat, tmp_path) -> None:
    chat.module.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(config) is MegrezConfig
    assert config.settings == chat.settings
    module = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert type(module) is MegrezForConditionalGeneration
    for name, weight in chat.module.state_dict().items():
        assert torch.equal(module.state_dict()[name], weight), name


def test_a_new_module_has_finite_weights_and_speaks(chat) -> None:
    torch.manual_seed(0)
    module = MegrezForConditionalGeneration(chat.module.config).eval()
    assert all(weight.isfinite().all() for weight in module.parameters())
    with torch.inference_mode():
        assert module(input_ids=torch.tensor([[5, 6, 7]])).logits.shape == (1, 3, 352)
        (features,) = module.slice_features([torch.zeros(3, 28, 14)])
    assert features.shape == (8, 128)
    assert features.isfinite().all()


def test_slices_are_seen_in_batches_with_the_same_result(chat) -> None:
    module = chat.module
    slices = [torch.full((3, 14 * n, 28), 20.0 * n) for n in range(1, 5)]
    with torch.inference_mode():
        at_once = module.slice_features(slices)
        module.config.vision_batch_size = 3
        batched = module.slice_features(slices)
        module.config.vision_batch_size = 8
    assert torch.allclose(torch.stack(at_once), torch.stack(batched), atol=1e-5)
