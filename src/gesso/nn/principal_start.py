"""A start for autoencoders: the encoder begins as the principal components of pictures' patches.

From random weights an autoencoder first spends thousands of steps on blobs of mean colour, since the decoder
can only ask for what the encoder already tells. Here every resnet begins as the identity, each halving of the
picture keeps the principal components of the 2 x 2 cells it joins, and the latent holds the first components
of all. What the decoder needs is thus there from the first step; both then learn on together.

Letters: N pictures, C channels, Z channels of the latent, H x W sizes of a feature map.
"""

from typing import Any, Final

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from gesso.core.errors import ConfigError

__all__ = ["principal_start"]

LOUD: Final = 12.0
"""Value of the two constant channels of each group. It drowns what pictures add to the group's variance, so
that normalisation divides all pictures by the same number and keeps the level of each."""

QUIET: Final = -5.0  # log variance of the latent: noise would drown it at first
SAMPLE: Final = 60_000  # patches that components are measured on

_Components = tuple[Tensor, Tensor]
"""Principal components [k, C], the strongest first, and the mean [C]."""


@torch.no_grad()
def principal_start(vae: AutoencoderKL, pixels: Tensor) -> None:
    """Set the weights of a new autoencoder, in place.

    Args:
        vae: new; its encoder has one way through each block, without attention.
        pixels: some pictures [N, 3, H, W], -1..1.

    Raises:
        ConfigError: the encoder's shape leaves no room for the components.
    """
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            _silence(module.conv2)
    encoder: Any = vae.encoder
    _silence(encoder.conv_in)
    for channel in range(3):
        encoder.conv_in.weight[channel, channel, 1, 1] = 1
    maps = pixels
    for block in encoder.down_blocks[:-1]:
        _pass_on(block.resnets[0])
        maps = _halve(block.downsamplers[0].conv, maps)
    points = maps.movedim(1, -1).flatten(0, 2)  # [N, C, H, W] -> [N*H*W, C]
    components = _principal(points, int(vae.config["latent_channels"]))
    spread = ((points - components[1]) @ components[0].T).std(dim=0)  # [Z]
    pairs = _Pairs(encoder.conv_norm_out, len(spread))
    pairs.write(encoder.down_blocks[-1].resnets[0].conv_shortcut, components, spread)
    pairs.read(encoder.conv_out, spread)
    _silence(vae.quant_conv)
    for channel in range(vae.quant_conv.out_channels):
        vae.quant_conv.weight[channel, channel] = 1
    vae.quant_conv.bias[len(spread) :] = QUIET


class _Pairs:
    """Channels of the encoder's last normalisation: each component with both signs, since the activation
    behind it gives silu(x) - silu(-x) = x. The first two channels of a group stay constant.

    Args:
        norm: the group normalisation.
        count: how many components there are.
    """

    def __init__(self, norm: Any, count: int) -> None:
        self._norm, self._size = norm, norm.num_channels // norm.num_groups
        free = [
            group + first
            for group in range(0, norm.num_channels, self._size)
            for first in range(2, self._size - 1, 2)
        ]
        if len(free) < count:
            raise ConfigError(f"{count} latent channels came for {norm.num_channels} channels in groups of "
                              f"{self._size}, which have room for {len(free)}; use fewer groups, more "
                              "channels in the last block, or fewer latent channels")  # fmt: skip
        self._plus = torch.tensor(free[:count])

    def write(self, shortcut: Any, components: _Components, spread: Tensor) -> None:
        """Let a shortcut of the last block give the components, each of unit variance."""
        if shortcut is None:
            raise ConfigError("the last two of block_out_channels are equal, so that no convolution lies "
                              "between them to begin from; make the last one larger")  # fmt: skip
        _silence(shortcut)
        shortcut.bias[:: self._size], shortcut.bias[1 :: self._size] = LOUD, -LOUD
        rows = components[0] / spread[:, None]  # [Z, C]
        for channels, sign in ((self._plus, 1), (self._plus + 1, -1)):
            shortcut.weight[channels, : rows.shape[1], 0, 0] = sign * rows
            shortcut.bias[channels] = -sign * (rows @ components[1])

    def read(self, convolution: Any, spread: Tensor) -> None:
        """Let a convolution give the components back, each with the root of its spread.

        The strong components thus stay stronger than the fine ones, but by less: a UNet then paints from
        coarse to fine, and does not drown the fine ones in noise.
        """
        members = torch.bincount(self._plus // self._size, minlength=self._norm.num_groups)
        deviation = ((2 * LOUD**2 + 2 * members) / self._size).sqrt()[self._plus // self._size]
        _silence(convolution)
        outputs = torch.arange(len(spread))
        for channels, sign in ((self._plus, 1), (self._plus + 1, -1)):
            self._norm.weight[channels] = deviation
            convolution.weight[outputs, channels, 1, 1] = sign * spread.sqrt()


def _silence(convolution: Any) -> None:
    convolution.weight.zero_()
    convolution.bias.zero_()


def _pass_on(resnet: Any) -> None:
    """Copy the channels of a resnet that has more of them behind than before."""
    if resnet.conv_shortcut is not None:
        _silence(resnet.conv_shortcut)
        for channel in range(resnet.in_channels):
            resnet.conv_shortcut.weight[channel, channel] = 1


def _halve(convolution: Any, maps: Tensor) -> Tensor:
    """Let a convolution of stride 2 give the components of 2 x 2 cells; returns what it gives of `maps`."""
    count, channels, height, width = maps.shape
    # [N, C, H, W] -> [N, C, H/2, 2, W/2, 2] -> [N, H/2, W/2, C, 2, 2] -> [N*H/2*W/2, C*4]
    cells = maps.view(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5).flatten(3)
    points = cells.flatten(0, 2)
    components, _ = _principal(points, min(4 * channels, convolution.out_channels))
    _silence(convolution)
    kept = len(components)
    convolution.weight[:kept, :channels, :2, :2] = components.view(kept, channels, 2, 2)
    return (cells @ components.T).movedim(-1, 1)  # [N, H/2, W/2, k] -> [N, k, H/2, W/2]


def _principal(points: Tensor, count: int) -> _Components:
    """The first principal components of points [n, C], from a sample of them."""
    chosen = points[torch.randperm(len(points))[:SAMPLE]]
    mean = chosen.mean(dim=0)
    _, _, components = torch.linalg.svd(chosen - mean, full_matrices=False)
    return components[:count], mean
