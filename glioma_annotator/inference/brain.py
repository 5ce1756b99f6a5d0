"""Where the brain is in a scan of any contrast, with skull or without: the model of `resources/models/brain`.

Torch is loaded with the first scan, not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.labels import Label, LabelScheme, Region
from glioma_annotator.domain.model_card import BRAIN, ModelCard
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brain_extraction import at_spacing, mask_of_share, scaled
from glioma_annotator.imaging.resampling import resample_to
from glioma_annotator.inference.cards import find_models
from glioma_annotator.progress import CancelToken, Progress, Report, part

if TYPE_CHECKING:
    from glioma_annotator.inference.engine import Engine

#: What a brain model's card names as its normalisation: `brain_extraction.scaled`.
PERCENTILES = "percentiles-0.5-99.5"
BRAIN_SCHEME = LabelScheme("brain", (Label(1, "brain", "Brain", "#56B4E9"),), (Region("brain", "Brain", (1,)),))


class ModelBrainFinder:
    """Finds brains with the first brain model in some folders; fulfils the workflow's `BrainFinder`.

    Parameters
    ----------
    folders: model folders, or folders of model folders.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._engine: Engine | None = None

    @property
    def available(self) -> bool:
        """Whether there is a brain model."""
        return any(card.task == BRAIN for _, card in find_models(self._folders).values())

    def share(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.float32]:
        """The share of brain, 0 to 1, in each voxel (i, j, k) of a scan; interpolated linearly from the model's grid.

        Raises `UserError` (no or damaged model, impossible voxel size), `EnvironmentFailure` (memory), `Cancelled`.
        """
        folder, card = self._model()
        report(Progress(0.0, "Finding the brain"))
        small = at_spacing(volume, card.spacing_mm)
        cancel.raise_if_cancelled()
        image = scaled(small.data)[None]
        prediction = self._loaded().predict(
            folder, card, image, np.ones(small.data.shape, dtype=bool), "auto", part(report, 0.1, 0.9), cancel
        )
        cancel.raise_if_cancelled()
        share = resample_to(Volume(prediction.probabilities[1], small.grid), volume.grid).data
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

    def _loaded(self) -> Engine:
        if self._engine is None:
            from glioma_annotator.inference.engine import Engine

            self._engine = Engine()
        return self._engine
