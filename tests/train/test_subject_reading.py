"""What training reads of subjects is what the painter reads, row by row."""

import torch

from diffusion.tiny_paint import sd15
from gesso.diffusion.attention import install_processor
from gesso.diffusion.conditions import TextRegion
from gesso.diffusion.noise import NoiseModel
from gesso.diffusion.reading import ScoreReading
from gesso.diffusion.subject_adapter import SubjectAdapter
from gesso.diffusion.subject_reading import Look, ReferenceMemory, SubjectReading
from gesso.diffusion.subjects import extract_features
from gesso.train.subject_reading import RawMemory, RowMemory, RowReading


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_batch_is_its_rows_one_by_one():
    unet = sd15().unet
    install_processor(unet)
    adapter = SubjectAdapter(unet)
    for number, parameter in enumerate(adapter.parameters()):
        parameter.data += 0.2 * random(*parameter.shape, seed=number)
    noise = NoiseModel(unet, (32, 32), torch.float32)
    latents, known = random(2, 4, 16, 16, seed=100), random(2, 4, 16, 16, seed=101)
    texts, nouns, tokens = random(2, 9, 16, seed=102), random(2, 9, 16, seed=103), random(2, 4, 16, seed=104)
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 4:20, 4:20], masks[1, 10:30, 2:16] = True, True
    weights = random(2, 16, 16, seed=105).sigmoid()
    with torch.no_grad():
        raw, first = RawMemory(), torch.zeros(2, dtype=torch.long)
        plain = RowReading(nouns[:, :-4], nouns[:, :-4], torch.zeros(2, 16, 16), adapter)
        noise(known, first, [plain], memory=raw)
        memory = RowMemory(raw.layers, masks, weights, adapter)
        together = noise(latents, torch.tensor([500, 300]), [RowReading(texts, tokens, weights, adapter)],
                         memory=memory)  # fmt: skip
        for row, timestep in enumerate((500, 300)):
            here = slice(row, row + 1)
            features = extract_features(
                noise, adapter, known[here], masks[here][:, None], region(nouns[here])
            )
            looks = [Look(tokens[here], torch.empty(0, dtype=torch.long))]
            reading = SubjectReading(ScoreReading([region(texts[here])]), looks, adapter)
            reading.weights = [weights[here]]
            memory = ReferenceMemory([features], [1.0], [weights[here]], adapter)
            alone = noise(latents[here], torch.tensor(timestep), [reading], memory=memory)
            torch.testing.assert_close(together[here], alone, rtol=1e-4, atol=1e-5)


def region(states):
    return TextRegion(torch.ones(90, 90), states, torch.ones(states.shape[1], dtype=torch.bool))
