"""What MoMA adds between a LLaVA and a painter: the mapping of its state, and tokens of a picture.

Letters: B pairs of reference and prompt, H width of the language model, E of the embedding, T picture tokens,
D width of the text states of the painter.
"""

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PictureProjection", "SubjectMapping"]


class SubjectMapping(nn.Module):
    """A language model's state to the embedding of a subject: down(silu(gate(x)) up(x)).

    Args:
        width: H; 4096 in the published model.
        embedding: E; 1024 there.
    """

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, embedding, bias=False)
        self.up_proj = nn.Linear(width, embedding, bias=False)
        self.down_proj = nn.Linear(embedding, embedding, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """States [..., H] -> [..., E]."""
        mapped: Tensor = self.down_proj(functional.silu(self.gate_proj(states)) * self.up_proj(states))
        return mapped


class PictureProjection(nn.Module):
    """An embedding to picture tokens, as in IP-Adapter (arXiv 2308.06721).

    Args:
        embedding: E.
        width: D; 768 for SD 1.5.
        tokens: T.
    """

    def __init__(self, embedding: int, width: int, tokens: int = 4) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(embedding, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, embedding: Tensor) -> Tensor:
        """Embeddings [B, E] -> tokens [B, T, D]; those of a zero embedding serve the negative branch."""
        tokens: Tensor = self.norm(self.proj(embedding).unflatten(1, (self.tokens, -1)))
        return tokens
