import pytest
import torch
from transformers import WhisperConfig

from gesso.core.errors import UsageError
from gesso.models.megrez.audio import AudioEncoder, frame_count, token_count


def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    config = WhisperConfig(
        num_mel_bins=8, max_source_positions=20, d_model=16, encoder_layers=2, encoder_attention_heads=2,
        encoder_ffn_dim=32,
    )  # fmt: skip
    made = AudioEncoder(config, 12).eval()
    made.positions.data.normal_()
    # larger than at first, so that the end of a sound counts
    for convolution in (made.conv1, made.conv2):
        convolution.weight.data.normal_()
    made.proj.weight.data.normal_()
    return made


@pytest.mark.parametrize(
    ("samples", "frames", "tokens"),
    [(0, 0, 0), (479, 1, 0), (480, 2, 1), (16_000, 50, 25), (480_000, 1500, 750)],
)
def test_lengths(samples: int, frames: int, tokens: int) -> None:
    assert frame_count(samples) == frames
    assert token_count(frames) == tokens


def test_sounds_are_encoded_as_if_alone_unless_together() -> None:
    ears, features = encoder(), torch.randn(2, 8, 40)
    with torch.inference_mode():
        long, short = ears(features, [17, 6])
        (alone,) = ears(features[1:], [6])
        same, other = ears(features, [17, 6], together=True)
    assert (long.shape, short.shape) == ((10, 12), (5, 12))
    assert torch.allclose(short, alone, atol=1e-4)
    assert torch.allclose(long, same, atol=1e-4)
    assert (short - other).abs().max() > 0.01


def test_begin_and_end_are_learned_positions_are_not() -> None:
    ears = encoder().train()
    spans = ears(torch.randn(1, 8, 40), [6])
    assert torch.equal(spans[0][0], ears.begin_end.weight[0])
    assert torch.equal(spans[0][-1], ears.begin_end.weight[1])
    spans[0].sum().backward()
    assert ears.positions.grad is None
    assert ears.begin_end.weight.grad is not None


@pytest.mark.parametrize(("frames", "columns"), [([1], 40), ([21], 60), ([20], 30)])
def test_sounds_that_do_not_fit_are_refused(frames: list[int], columns: int) -> None:
    with pytest.raises(UsageError, match="allowed: 2 to 20 frames"):
        encoder()(torch.randn(1, 8, columns), frames)
