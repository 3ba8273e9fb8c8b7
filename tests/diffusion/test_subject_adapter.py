import pytest
import torch

from diffusion.tiny_paint import sd15, sdxl
from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import TextRegion
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading
from gesso.diffusion.subject_adapter import SubjectAdapter, attention_layers
from gesso.diffusion.subject_reading import Look, SubjectReading
from gesso.models.moma.modules import PictureProjection


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_an_ip_adapter_paints_as_in_diffusers():
    unet = sd15().unet
    adapter = SubjectAdapter(unet, references=False)
    for number, parameter in enumerate(adapter.parameters()):
        parameter.data += 0.3 * random(*parameter.shape, seed=number)
    torch.manual_seed(1)
    projection = PictureProjection(12, 16)
    latents, states, embedding = (
        random(1, 4, 16, 16, seed=50),
        random(1, 9, 16, seed=51),
        random(1, 12, seed=52),
    )
    install_processor(unet)
    region = TextRegion(torch.ones(90, 90), states, torch.ones(9, dtype=torch.bool))
    timestep = torch.tensor(400)
    with torch.no_grad():
        look = Look(projection(embedding), torch.empty(0, dtype=torch.long))
        reading = SubjectReading(ScoreReading([region]), [look], adapter)
        ours = NoiseModel(unet, (32, 32), torch.float32)(latents, timestep, [reading])
        other = sd15().unet  # the same weights, for the same seed
        other._load_ip_adapter_weights(
            [{"image_proj": projection.state_dict(), "ip_adapter": adapter.tensors()}]
        )
        theirs = other(latents, timestep, states, added_cond_kwargs={"image_embeds": [embedding[:, None]]})
    torch.testing.assert_close(ours, theirs.sample, rtol=1e-4, atol=1e-5)


def test_a_new_adapter_lets_little_of_the_reference_through():
    unet = sd15().unet
    adapter = SubjectAdapter(unet)
    for name, attn in attention_layers(unet).items():
        layer = adapter.reference(attn)
        assert (layer is None) == name.endswith("attn2")
        if layer is not None:
            keys = random(1, attn.heads, 6, attn.to_k.out_features // attn.heads, seed=1)
            found, _ = layer(attn, keys, keys)
            assert torch.allclose(found, keys)  # begins as the identity
            assert float(layer.scale_learnable.detach()) == pytest.approx(0.1)
        else:
            assert torch.equal(adapter.pictures(attn).to_k_ip.weight, attn.to_k.weight)


def test_the_unets_layers_are_no_part_of_it():
    adapter = SubjectAdapter(sd15().unet)
    assert all(name.startswith("layers.") for name, _ in adapter.named_parameters())
    assert {name.split(".")[-2] for name in adapter.state_dict() if "ip" in name} == {"to_k_ip", "to_v_ip"}


def test_an_adapter_of_another_unet_is_refused():
    adapter = SubjectAdapter(sd15().unet)
    with pytest.raises(CheckpointError, match="does not fit the UNet"):
        SubjectAdapter.of_tensors(sdxl().unet, adapter.tensors())
    attn = next(iter(attention_layers(sd15().unet).values()))
    assert adapter.reference(attn) is None
    with pytest.raises(UnsupportedError, match="another UNet"):
        adapter.pictures(attn)
