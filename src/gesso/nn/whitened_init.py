"""A start for patch embeddings: the directions in which patches differ, each at the same strength.

A patch's mean colour varies a hundred times more than its texture, and a trained embedding keeps it so:
stripes and checks reach the first layer as whispers. Starting from whitened patches, the layers hear both
alike. The idea is the whitening convolution of "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv
2404.00498, section 3.1); there the filters are frozen, here they go on learning.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["start_whitened"]

SMALLEST: Final = 1e-3  # added to every variance, so that directions without signal are not blown up
GAIN: Final = 0.5  # standard deviation of each dimension; positions have about as much


@torch.no_grad()
def start_whitened(embedding: nn.Conv2d, pixels: Tensor, first: int = 0) -> None:
    """Set a new tower's patch embedding in place to whitened principal components.

    Letters: D width, p side of a patch, K = 3 * p * p values of a patch, P patches of a picture.

    Args:
        embedding: of a new tower.
        pixels: [N, 3, S, S] some hundred pictures as the tower takes them.
        first: dimensions 0 to `first` are left as they are (they may hold positions); where K is less than
            D - `first`, so are the last ones.
    """
    patch = embedding.kernel_size[0]
    patches = functional.unfold(pixels, patch, stride=patch)  # [N, 3, S, S] -> [N, K, P]
    patches = patches.mT.flatten(0, 1)  # [N, K, P] -> [N, P, K] -> [N*P, K]
    variances, directions = torch.linalg.eigh(torch.cov(patches.T))  # [K], [K, K], smallest first
    count = min(len(variances), embedding.out_channels - first)
    chosen = directions.flip(1)[:, :count] / (variances.flip(0)[:count].clamp(min=0) + SMALLEST).sqrt()
    # [K, count] -> [count, K] -> [count, 3, p, p]
    embedding.weight[first : first + count] = GAIN * chosen.T.reshape(count, 3, patch, patch)
