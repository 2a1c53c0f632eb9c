"""One process of two that train an edited network in parallel, for the tests of the promises."""

from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torchvision.models.resnet import BasicBlock

import regard


def small_net():
    """A network of one residual block whose attention has an effect."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), BasicBlock(8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    handle = regard.attach(net, "se", at="residual", example=torch.zeros(1, 3, 8, 8), reduction=2)
    with torch.no_grad():
        for module in handle.modules.values():
            module.strength.fill_(0.5)
    return net, handle


def own_images(rank):
    """Images that differ from process to process."""
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(rank))


def train_in_parallel(rank, folder):
    """Trains for three steps; writes this process's gradients of the first step, losses and weights."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(f"{folder}/store", 2), rank=rank, world_size=2)
    try:
        net, handle = small_net()
        parallel = nn.parallel.DistributedDataParallel(net)
        optimizer = torch.optim.SGD(handle.parameters(), lr=0.1)
        x, losses, gradients = own_images(rank), [], {}
        for _ in range(3):
            parallel.zero_grad()
            loss = parallel(x).square().mean()
            loss.backward()
            gradients = gradients or {name: p.grad.clone() for name, p in net.named_parameters()}
            optimizer.step()
            losses.append(loss.item())
        state = {key: value.clone() for key, value in handle.state().items()}
        torch.save((gradients, losses, state), Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()
