from copy import deepcopy

import torch
from torch import nn
from torch.optim import Muon

from gesso.train.muon import MatrixMuon


def test_a_kernel_moves_as_its_matrix() -> None:
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(6, 4, 3, 3))
    matrix = nn.Parameter(kernel.detach().clone().flatten(1))
    ours, theirs = MatrixMuon([{"params": [kernel], "lr": 0.1}]), Muon([{"params": [matrix], "lr": 0.1}])
    for _ in range(3):
        gradient = torch.randn(6, 4, 3, 3)
        kernel.grad, matrix.grad = gradient, gradient.flatten(1)
        ours.step()
        theirs.step()
        ours.zero_grad()
    assert torch.equal(kernel.detach().flatten(1), matrix.detach())
    assert kernel.grad is None


def test_what_has_no_gradient_stays() -> None:
    kernel = nn.Parameter(torch.ones(2, 2, 1, 1))
    MatrixMuon([{"params": [kernel], "lr": 0.1}]).step()
    assert torch.equal(kernel.detach(), torch.ones(2, 2, 1, 1))


def test_its_state_comes_back() -> None:
    torch.manual_seed(0)
    kernels = [nn.Parameter(torch.ones(3, 2, 3, 3)) for _ in range(2)]
    first, second = (MatrixMuon([{"params": [kernel], "lr": 0.1}]) for kernel in kernels)
    gradients = [torch.randn(3, 2, 3, 3) for _ in range(3)]
    for gradient in gradients[:2]:
        kernels[0].grad = gradient
        first.step()
    with torch.no_grad():
        kernels[1].copy_(kernels[0])
    second.load_state_dict(deepcopy(first.state_dict()))
    for kernel, optimizer in zip(kernels, (first, second), strict=True):
        kernel.grad = gradients[2]
        optimizer.step()
    assert torch.equal(kernels[0].detach(), kernels[1].detach())
