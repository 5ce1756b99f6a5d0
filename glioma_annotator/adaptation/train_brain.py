"""Train the brain model on painted heads: `python -m glioma_annotator.adaptation.train_brain`."""

from __future__ import annotations

import argparse
import copy
import csv
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from glioma_annotator.adaptation.fast_layers import speed_up
from glioma_annotator.adaptation.synthesis.head_shapes import HeadShapes, learn_shapes
from glioma_annotator.adaptation.synthesis.heads import SPACING_MM, HeadMap, draw_head, load_head_maps
from glioma_annotator.adaptation.widening import widen
from glioma_annotator.domain.geometry import Shape
from glioma_annotator.errors import GliomaError
from glioma_annotator.heap import kept_memory
from glioma_annotator.inference.brain import COARSER
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, ResidualInceptionUNet, build_network
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

PARAMETERS: dict[str, Any] = {"filters": [16, 32, 64, 128], "branch_fraction": 0.5}
HELD_OUT = ("training_seg_04.nii.gz", "training_seg_11.nii.gz", "training_seg_16.nii.gz")
"""Label maps kept out of training, so that heads never seen can be simulated."""

CHECKPOINT, SHAPES = "checkpoint.pt", "shapes.npy"
_SMOOTH = 100.0


@dataclass(frozen=True, slots=True)
class View:
    """Samples of `shape` voxels of `spacing_mm`; `weight` says how often, beside the others'."""

    shape: Shape
    spacing_mm: float
    weight: float


#: What the finder looks at: the whole head, coarsely, and the brain with what is around it; and pieces of the latter.
VIEWS = (
    View((64, 80, 64), SPACING_MM, 0.4),
    View((80, 96, 80), SPACING_MM, 0.4),
    View((56, 64, 56), COARSER * SPACING_MM, 0.2),
)


@dataclass(frozen=True, slots=True)
class BrainPlan:
    """How to train: wall time in minutes, views, seed, Adam's peak and last learning rate, EMA's decay."""

    minutes: float = 60.0
    views: Sequence[View] = VIEWS
    seed: int = 20261120
    learning_rate: float = 2e-3
    last_learning_rate: float = 2e-5
    warm_up: int = 30
    ema: float = 0.995
    checkpoint_every: int = 100
    max_steps: int | None = None


def brain_loss(logits: Tensor, brain: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice loss of logits (1, 2, i, j, k) against the share of brain (1, i, j, k)."""
    margin = (logits[:, 1] - logits[:, 0]).float()
    share = torch.sigmoid(margin)
    dice = 1 - (2 * (share * brain).sum() + _SMOOTH) / (share.sum() + brain.sum() + _SMOOTH)
    return nn.functional.binary_cross_entropy_with_logits(margin, brain) + dice


class BrainTrainer:
    """Trains a network on painted heads; its run folder holds a checkpoint to take up again, and a log.

    Batch normalisation sees one head at a time and is used like that afterwards (`own_statistics`): what a contrast's
    intensities mean differs from scan to scan, so averaged statistics fit none. After 900 steps the loss on new heads
    was 0.38 with a head's own statistics and 0.48 with averaged ones.

    Parameters
    ----------
    network: one channel in, two classes out; changed in place.
    maps: what heads are painted from.
    shapes: of `maps`, for heads of other shapes than theirs; None for theirs alone.
    """

    def __init__(
        self, network: nn.Module, maps: list[HeadMap], run: Path, plan: BrainPlan, shapes: HeadShapes | None = None
    ) -> None:
        self._network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._maps, self._run, self._plan, self._shapes = maps, run, plan, shapes
        self.averaged: nn.Module = copy.deepcopy(self._network).eval()
        self._optimiser = torch.optim.Adam(network.parameters(), lr=plan.learning_rate, weight_decay=1e-5)
        self.steps, self.seconds = 0, 0.0
        run.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Take up the run folder's checkpoint; False when there is none."""
        path = self._run / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self._network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps, self.seconds = state["steps"], state["seconds"]
        return True

    def train(self, report: Report = ignore_progress, cancel: CancelToken | None = None) -> None:
        """Train until the plan's time or steps are used up. Raises `Cancelled` after a checkpoint when asked to."""
        plan, began, before = self._plan, time.monotonic(), self.seconds
        recent: list[float] = []
        while self._share < 1 and (plan.max_steps is None or self.steps < plan.max_steps):
            recent = [*recent[-99:], self._update(self._view())]
            self.seconds = before + time.monotonic() - began
            mean = sum(recent) / len(recent)
            left = max(plan.minutes * 60 - self.seconds, 0.0)
            report(Progress(self._share, f"Step {self.steps}, loss {mean:.4f}", left))
            if self.steps % 20 == 0:
                self._log(mean)
            stop = cancel is not None and cancel.cancelled
            if stop or self.steps % plan.checkpoint_every == 0:
                self._save()
            if cancel is not None:
                cancel.raise_if_cancelled()
        self._save()

    @property
    def _share(self) -> float:
        return min(self.seconds / (self._plan.minutes * 60), 1.0)

    def _rate(self) -> float:
        plan = self._plan
        cosine = 0.5 * (1 + math.cos(math.pi * self._share))
        rate = plan.last_learning_rate + (plan.learning_rate - plan.last_learning_rate) * cosine
        return rate * min((self.steps + 1) / plan.warm_up, 1.0)

    def _view(self) -> View:
        """The next step's, drawn at random, the same whenever the step is taken."""
        views = self._plan.views
        weights = np.array([view.weight for view in views])
        rng = np.random.default_rng((self._plan.seed, self.steps, 1))
        return views[int(rng.choice(len(views), p=weights / weights.sum()))]

    def _update(self, view: View) -> float:
        sample = draw_head(self._maps, view.shape, self._plan.seed, self.steps, view.spacing_mm, self._shapes)
        image = torch.from_numpy(np.ascontiguousarray(sample.image))[None, None]
        brain = torch.from_numpy(np.ascontiguousarray(sample.brain))[None]
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        self._network.train()
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self._network(image.to(memory_format=torch.channels_last_3d))
        loss = brain_loss(logits, brain)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimiser.step()
        self.steps += 1
        decay = min(self._plan.ema, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            current = self._network.state_dict()
            for name, value in self.averaged.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(current[name], 1 - decay)
                else:
                    value.copy_(current[name])
        return float(loss.detach())

    def _log(self, mean: float) -> None:
        path = self._run / "log.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", "seconds", "learning_rate", "mean_loss_of_100"])
            writer.writerow([self.steps, f"{self.seconds:.0f}", f"{self._rate():.2e}", f"{mean:.4f}"])

    def _save(self) -> None:
        state = {
            "network": self._network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "steps": self.steps,
            "seconds": self.seconds,
            "seed": self._plan.seed,
        }
        temporary = self._run / f"{CHECKPOINT}.part"
        torch.save(state, temporary)
        temporary.replace(self._run / CHECKPOINT)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and train; `score_brain` measures the run and writes its model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with label_maps/synthseg")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--minutes", type=float, default=60.0, help="time to train, in minutes")
    parser.add_argument(
        "--start", type=Path, help="model folder whose weights to begin with, widened; at random without it"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=BrainPlan().seed, help="another one draws other heads")
    parser.add_argument("--learning-rate", type=float, default=BrainPlan().learning_rate, help="peak; falls to 1 %%")
    parser.add_argument("--ema", type=float, default=BrainPlan().ema, help="decay of the weights' moving average")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(parsed.threads)
    plan = BrainPlan(
        minutes=parsed.minutes,
        seed=parsed.seed,
        learning_rate=parsed.learning_rate,
        last_learning_rate=parsed.learning_rate / 100,
        ema=parsed.ema,
    )
    torch.manual_seed(plan.seed)
    maps = load_head_maps(p for p in label_map_files(parsed.data) if p.name not in HELD_OUT)
    network = build_network(RESIDUAL_INCEPTION_UNET, PARAMETERS, 1, 2)
    if parsed.start:
        start = load_model(parsed.start)[1]
        assert isinstance(start, ResidualInceptionUNet)  # every brain model is one
        network = widen(start, PARAMETERS["filters"], PARAMETERS["branch_fraction"], seed=plan.seed)
    speed_up(network)
    trainer = BrainTrainer(network, maps, parsed.run, plan, _shapes(maps, parsed.run))
    trainer.resume()
    with kept_memory():
        trainer.train(lambda progress: print(f"\r{progress.message}   ", end="", flush=True))


def _shapes(maps: list[HeadMap], run: Path) -> HeadShapes:
    """The maps' shapes, kept in the run folder: a training taken up again must draw the same heads."""
    path = run / SHAPES
    if not path.exists():
        run.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"part-{SHAPES}")
        np.save(temporary, learn_shapes(maps).shifts.astype(np.float16))
        temporary.replace(path)
    return HeadShapes(np.load(path).astype(np.float32))


def label_map_files(data: Path) -> list[Path]:
    """The whole-head label maps of a data folder, by name."""
    return sorted((data / "label_maps" / "synthseg").glob("*.nii.gz"))


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
