import pytest
import torch
from PIL import Image as Picture

import tiny
from gesso.engines.builders import build_matcher
from gesso.engines.match import Matcher
from gesso.engines.options import LoadOptions


@pytest.fixture(scope="module")
def matcher(tmp_path_factory: pytest.TempPathFactory) -> Matcher:
    return build_matcher(tiny.clip_folder(tmp_path_factory.mktemp("clip")), LoadOptions())


def _pictures() -> list[Picture.Image]:
    return [Picture.new("RGB", (28, 28), colour) for colour in ("red", "blue", "white")]


def test_scores_are_cosines_of_every_pair(matcher: Matcher) -> None:
    scores = matcher.scores(_pictures(), ["a red fish", "the sea"])
    assert scores.shape == (3, 2)
    assert bool((scores.abs() <= 1 + 1e-5).all())
    assert torch.allclose(scores[1:2, 1:], matcher.scores(_pictures()[1:2], ["the sea"]), atol=1e-5)


def test_scores_are_those_of_transformers_clip(matcher: Matcher) -> None:
    tokens = [0, *tiny.tokenizer().encode("the sea"), 1]
    matcher.tokenizer = _WithBos()
    pixels = matcher._tiles(_pictures()[0]).pixels
    with torch.no_grad():
        output = matcher.model(input_ids=torch.tensor([tokens]), pixel_values=pixels)
    expected = output.logits_per_image / matcher.model.logit_scale.detach().exp()
    assert torch.allclose(matcher.scores(_pictures()[:1], ["the sea"]), expected, atol=1e-5)


def test_long_texts_are_cut_and_keep_their_end(matcher: Matcher) -> None:
    long = "how many birds are there? " * 40
    scores = matcher.scores(_pictures()[:1], [long, long + "three"])
    assert torch.allclose(scores[0, 0], scores[0, 1], atol=1e-6)


class _WithBos:
    """The tokenizer with `<s>` before each text, as CLIP's has it."""

    eos_token_id = 1

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0, *tiny.tokenizer().encode(text)] for text in texts]}

    pad = staticmethod(tiny.tokenizer().pad)
