from copy import deepcopy

import torch
from torch import nn
from torch.optim import Muon

from gesso.train.muon import MatrixMuon


def test_kernels_and_matrices_move_as_torch_moves_matrices() -> None:
    torch.manual_seed(0)
    shapes = [(6, 4, 3, 3), (6, 36), (6, 36), (40, 6)]
    weights = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    matrices = [nn.Parameter(weight.detach().clone().flatten(1)) for weight in weights]
    ours = MatrixMuon([{"params": weights, "lr": 0.1, "weight_decay": 0.1}])
    theirs = Muon(matrices, lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for weight, matrix in zip(weights, matrices, strict=True):
            weight.grad = torch.randn_like(weight)
            matrix.grad = weight.grad.flatten(1)
        ours.step()
        theirs.step()
        ours.zero_grad()
    for weight, matrix in zip(weights, matrices, strict=True):
        # both iterate in bfloat16, in another order of sums
        torch.testing.assert_close(weight.detach().flatten(1), matrix.detach(), rtol=0, atol=0.01)
        assert weight.grad is None


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
