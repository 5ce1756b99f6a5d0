"""What a training step costs, with and without kept memory and the faster batch normalisation, in turns in one run.

python benchmarks/training_step.py [--patch 80] [--steps 3]
The network is the shipped base model's size with random weights; one thread, bfloat16 where the processor has it.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import time

import torch

from glioma_annotator.adaptation.fast_layers import speed_up
from glioma_annotator.heap import kept_memory
from glioma_annotator.inference.device import choose_device
from glioma_annotator.inference.networks import ResidualInceptionUNet

_NORMS = torch.nn.BatchNorm3d


def _network(fast: bool) -> ResidualInceptionUNet:
    torch.manual_seed(1)
    network = ResidualInceptionUNet(in_channels=4, out_channels=5, filters=(24, 48, 96, 192), branch_fraction=0.5)
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if fast:
        speed_up(network)
    for module in network.train().modules():
        if isinstance(module, _NORMS):
            module.eval()  # as in the shipped recipe
    return network


def _step(network: ResidualInceptionUNet, x: torch.Tensor, mixed: bool) -> tuple[float, float, float, int]:
    """Seconds by the clock, of the program and of the system, and page faults of one step."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        logits = network(x)
    logits.float().log_softmax(1)[:, 1].mean().backward()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (
        time.perf_counter() - began,
        after.ru_utime - before.ru_utime,
        after.ru_stime - before.ru_stime,
        after.ru_minflt - before.ru_minflt,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=int, default=80)
    parser.add_argument("--steps", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    mixed = choose_device("cpu").mixed
    x = torch.randn(1, 4, args.patch, args.patch, args.patch).to(memory_format=torch.channels_last_3d)
    medians = {}
    for name, fast, kept in (("plain", False, False), ("faster layers", True, False), ("and kept memory", True, True)):
        network = _network(fast)
        with kept_memory() if kept else contextlib.nullcontext():
            _step(network, x, mixed)
            rows = [_step(network, x, mixed) for _ in range(args.steps)]
        clock, user, system, faults = (statistics.median(column) for column in zip(*rows, strict=True))
        medians[name] = clock
        print(
            f"{name:16} {clock:6.2f} s by the clock ({clock / medians['plain']:.2f} of plain), "
            f"{user:.2f} s + {system:.2f} s of the system, {int(faults)} page faults",
            flush=True,
        )


if __name__ == "__main__":
    main()
