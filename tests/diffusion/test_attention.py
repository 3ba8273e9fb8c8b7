"""The attention processor: plain attention without a text of its own, nothing kept, odd layers refused."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

from diffusion.tiny_paint import PROMPTS, noise, painter, sdxl_unet, settings
from gesso.core.errors import UnsupportedError
from gesso.diffusion.attention import TextProcessor, feature_shape, install_processor


def test_without_a_text_call_it_is_diffusers_own_attention():
    unet, latents = sdxl_unet(), noise(2)
    states = torch.randn(2, 9, 40)
    added = {"text_embeds": torch.randn(2, 24), "time_ids": torch.ones(2, 6)}
    outputs = []
    for processor in (AttnProcessor2_0(), TextProcessor(), TextProcessor(eager=True)):
        unet.set_attn_processor(processor)
        with torch.no_grad():
            outputs.append(unet(latents, 300, states, added_cond_kwargs=added).sample)
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0])


def test_nothing_is_left_on_the_model_after_painting():
    unet = painter().model.unet
    processors = [(processor, dict(vars(processor))) for processor in unet.attn_processors.values()]
    before = [set(vars(module)) for module in unet.modules()]
    painter().paint(PROMPTS, settings())
    assert [set(vars(module)) for module in unet.modules()] == before
    assert [(each, vars(each)) for each in unet.attn_processors.values()] == processors


@pytest.mark.parametrize(
    ("positions", "latent", "shape"),
    [(144, (12, 12), (12, 12)), (96, (16, 24), (8, 12)), (15, (9, 17), (3, 5)), (6, (9, 17), (2, 3))],
)
def test_shapes_follow_from_the_latent(positions, latent, shape):
    assert feature_shape(positions, latent) == shape


def test_a_map_of_another_size_is_refused():
    with pytest.raises(UnsupportedError, match="50 positions came for a latent of 16 x 24"):
        feature_shape(50, (16, 24))


def test_an_attention_mask_is_refused():
    layer = Attention(8, heads=2, dim_head=4, processor=TextProcessor())
    with pytest.raises(UnsupportedError, match="an attention mask came"):
        layer(torch.randn(1, 4, 8), attention_mask=torch.zeros(2, 1, 4))


@pytest.mark.parametrize(
    "extra",
    [
        {"norm_num_groups": 2},
        {"residual_connection": True},
        {"rescale_output_factor": 2.0},
        {"qk_norm": "layer_norm"},
    ],
)
def test_layers_that_do_more_are_refused(extra):
    unet = sdxl_unet()
    unet.mid_block.attentions[0].transformer_blocks[0].attn2 = Attention(16, 40, heads=4, dim_head=4, **extra)
    with pytest.raises(UnsupportedError, match=r"attn2 uses \w+"):
        install_processor(unet)


def test_dropout_after_the_projection_is_applied():
    layer = Attention(8, heads=2, dim_head=4, dropout=1.0, processor=TextProcessor()).train()
    assert isinstance(layer.to_out[1], nn.Dropout)
    assert not layer(torch.randn(1, 4, 8)).any()
