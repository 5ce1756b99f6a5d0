"""Where the brain is in a scan of any contrast, with skull or without: the model of `resources/models/brain`.

Torch is loaded with the first scan, not with this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import Label, LabelScheme, Region
from glioma_annotator.domain.model_card import BRAIN, ModelCard
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.brain_extraction import at_spacing, mask_of_share, scaled
from glioma_annotator.imaging.components import largest
from glioma_annotator.imaging.resampling import resample_to
from glioma_annotator.inference.cards import find_models
from glioma_annotator.inference.runner import lack_of_memory_told
from glioma_annotator.inference.waiting import wait_for
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

if TYPE_CHECKING:
    from torch import nn

#: From the scaled scan to the share of brain in each voxel.
Network = Callable[[NDArray[np.float32], CancelToken], NDArray[np.float32]]
#: The first look's voxels have so many times the edge of the second's.
COARSER = 2
#: Around the rough brain that the second look sees.
MARGIN_MM = 10.0

#: What a brain model's card names as its normalisation: of the scan, `brain_extraction.scaled`; in the network,
#: `own_statistics`.
PERCENTILES = "percentiles-0.5-99.5, network with the scan's own statistics"
BRAIN_SCHEME = LabelScheme("brain", (Label(1, "brain", "Brain", "#56B4E9"),), (Region("brain", "Brain", (1,)),))


class ModelBrainFinder:
    """Finds brains with the first brain model in some folders; fulfils the workflow's `BrainFinder`.

    Parameters
    ----------
    folders: model folders, or folders of model folders.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._network: Network | None = None
        self._key = ""

    @property
    def available(self) -> bool:
        """Whether there is a brain model."""
        return any(card.task == BRAIN for _, card in find_models(self._folders).values())

    @lack_of_memory_told("find the brain")
    def share(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.float32]:
        """The share of brain, 0 to 1, in each voxel (i, j, k) of a scan; interpolated linearly from the model's grid.

        Found in two looks: at the whole scan on coarser voxels, for the box that holds the brain; at that box, averaged
        with the mirrored image of it. So the network sees mostly brain, of which its normalisation takes the
        statistics.

        Raises `UserError` (no or damaged model, impossible voxel size), `EnvironmentFailure` (memory), `Cancelled`.
        """
        folder, card = self._model()
        report(Progress(0.0, "Finding the brain"))
        small = at_spacing(volume, card.spacing_mm)
        cancel.raise_if_cancelled()
        network = self._network
        if network is None or self._key != card.weights_sha256:
            network = wait_for(lambda: _load(folder), cancel)
            self._network, self._key = network, card.weights_sha256
        report(Progress(0.3, "Finding the brain"))
        coarse = at_spacing(small, [COARSER * mm for mm in card.spacing_mm])
        rough = network(scaled(coarse.data), cancel)
        report(Progress(0.6, "Finding the brain"))
        near = _near(rough, small.grid)
        image = scaled(small.data[near])
        mirrored = network(np.ascontiguousarray(image[::-1]), cancel)[::-1]
        found = np.zeros(small.grid.shape, dtype=np.float32)
        found[near] = np.float32(0.5) * (network(image, cancel) + mirrored)
        share = resample_to(Volume(found, small.grid), volume.grid).data
        report(Progress(1.0, "Finding the brain"))
        return np.asarray(share, dtype=np.float32)

    def mask(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.bool_]:
        """The brain's mask (i, j, k) on the scan's own voxels. Raises as `share`, and `UserError` without a brain."""
        return mask_of_share(self.share(volume, report, cancel), volume.grid)

    def _model(self) -> tuple[Path, ModelCard]:
        for folder, card in find_models(self._folders).values():
            if card.task == BRAIN:
                return folder, card
        raise UserError(
            "No model for finding the brain is installed.",
            "Copy the model folder “brain” into the program's models, or strip the skull before the import.",
        )


def _near(rough: NDArray[np.float32], grid: Grid) -> tuple[slice, ...]:
    """Where in `grid` the brain and `MARGIN_MM` around it lie, by the share of brain on coarser voxels (i, j, k).

    Everywhere when no brain was seen.
    """
    box = Box.around(largest(rough >= 0.5))
    if box is None:
        return (slice(None),) * 3
    places = zip(box.start, box.stop, rough.shape, grid.shape, grid.spacing_mm, strict=True)
    return tuple(
        slice(max(math.floor(a * n / few - MARGIN_MM / mm), 0), min(math.ceil(b * n / few + MARGIN_MM / mm), n))
        for a, b, few, n, mm in places
    )


def _load(folder: Path) -> Network:
    """The model as a function; see `Network`."""
    import torch

    from glioma_annotator.inference.device import choose_device
    from glioma_annotator.inference.model_folder import load_model
    from glioma_annotator.inference.runner import OutOfMemory
    from glioma_annotator.inference.torch_runner import out_of_memory_named, precision, watched

    device = choose_device("auto")
    _, network = load_model(folder)
    own_statistics(network)
    network = network.to(device.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def share(image: NDArray[np.float32], cancel: CancelToken) -> NDArray[np.float32]:
        try:
            return wait_for(lambda: forward(image, cancel), cancel)
        except OutOfMemory as error:
            raise EnvironmentFailure(
                "The memory does not suffice to find the brain.", "Close other programs, or use a larger computer."
            ) from error

    def forward(image: NDArray[np.float32], cancel: CancelToken) -> NDArray[np.float32]:
        i, j, k = image.shape
        padded = np.pad(image, [(0, -n % network.multiple) for n in image.shape])
        with (
            out_of_memory_named(),
            watched(network, ignore_progress, cancel),
            torch.inference_mode(),
            precision(device),
        ):
            batch = torch.from_numpy(padded)[None, None]
            logits = network(batch.to(device.device, memory_format=torch.channels_last_3d))
        found = torch.sigmoid((logits[0, 1] - logits[0, 0]).float()).cpu().numpy()
        return np.ascontiguousarray(found[:i, :j, :k], dtype=np.float32)

    return share


def own_statistics(network: nn.Module) -> None:
    """Make batch normalisation take the statistics of the scan itself, as in the training of brain models."""
    from torch import nn

    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.track_running_stats = False
            module.running_mean = module.running_var = None
