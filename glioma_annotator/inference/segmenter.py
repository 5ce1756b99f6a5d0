"""The segmenter: from a visit's images to a proposed mask.

Torch is loaded with the first segmentation, not with this module, so that cards and refusals are quick.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid, Shape
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.components import remove_small
from glioma_annotator.imaging.normalisation import find_brain, z_score
from glioma_annotator.inference.cards import find_cards, find_models, load_card
from glioma_annotator.progress import CancelToken, Progress, Report, part

if TYPE_CHECKING:
    from glioma_annotator.inference.engine import Engine, Prediction

#: Islands of tissue below this are left out: a cube of 4.6 mm, a fifth of the smallest measurable lesion (a 10 mm
#: sphere). No more than that: in low-contrast tumours the component that is right is not the largest.
SMALLEST_COMPONENT_ML = 0.1
#: Voxel sizes within this share of the model's are used as they are.
SPACING_TOLERANCE = 0.05
#: No brain is longer than this; a longer one is a wrong voxel size in the header.
LONGEST_BRAIN_MM = 350.0


class ModelSegmenter:
    """Proposes masks with the models in some folders; fulfils the workflow's `Segmenter`.

    Parameters
    ----------
    folders: model folders, or folders of model folders; the first model found is the default one.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._engine: Engine | None = None

    def models(self) -> tuple[ModelCard, ...]:
        """Cards of the readable models, the default one first."""
        return find_cards(self._folders)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        """Raise `UserError` when `model` cannot serve: unknown, damaged card, missing channel, other labels."""
        _, card = self._find(model)
        _check_channels(card, roles)
        known = {(label.value, label.name) for label in scheme.labels}
        if not {(label.value, label.name) for label in card.scheme.labels} <= known:
            raise UserError(
                f"The model “{card.name}” finds {_describe(card.scheme)}, but the study uses {_describe(scheme)}.",
                "Choose a model made for the study's labels.",
            )

    def segment(
        self,
        images: Mapping[SequenceRole, Volume],
        model: str,
        device: str,
        report: Report,
        cancel: CancelToken,
    ) -> SegmentationOutcome:
        """Propose a mask on the images' own grid, background outside the brain.

        Images of another voxel size than the model's are resampled for the network, and its class probabilities
        resampled back. Islands below `SMALLEST_COMPONENT_ML` are left out.

        Parameters
        ----------
        images: float32 volumes by role on one grid; those the model does not need are ignored.
        model: name or folder of a model; empty for the default one.
        device: auto, cpu or cuda.

        Raises `UserError` (unknown or damaged model, missing or empty sequence, different grids, no brain, no such
        device), `EnvironmentFailure` (memory), `Cancelled`.
        """
        began = time.monotonic()
        report(Progress(0.0, "Finding the brain"))
        folder, card = self._find(model)
        _check_channels(card, images.keys())
        volumes = [images[role] for role in card.channels]
        grid = _common_grid(volumes)
        brain = find_brain([volume.data for volume in volumes], grid.voxel_volume_ml)
        cancel.raise_if_cancelled()
        box = Box.around(brain.mask)
        if box is None:
            raise UserError("No brain was found: the images are empty.", "Check the files that were imported.")
        shape = _shape_at(card.spacing_mm, box, grid)
        messages = [brain.note] if brain.note else []
        if shape != box.shape:
            sizes = " to ".join(" x ".join(f"{mm:.2g}" for mm in s) for s in (grid.spacing_mm, card.spacing_mm))
            messages.append(f"The images were resampled from {sizes} mm voxels for the model.")

        inside = brain.mask[box.slices]
        channels = np.empty((len(volumes), *shape), dtype=np.float32)
        for index, (role, volume) in enumerate(zip(card.channels, volumes, strict=True)):
            scaled = z_score(volume.data[box.slices], inside)
            cancel.raise_if_cancelled()
            if not scaled.any():
                raise UserError(
                    f"The {role.value} is the same everywhere in the brain: it cannot be segmented.",
                    "Check the file that was imported as this sequence.",
                )
            channels[index] = _resized(scaled, shape)
        report(Progress(0.05, "Loading the model"))
        prediction = self._loaded(cancel).predict(
            folder, card, channels, _resized_mask(inside, shape), device, part(report, 0.05, 0.95), cancel
        )
        report(Progress(0.95, "Making the mask"))
        labels = np.zeros(grid.shape, dtype=np.uint8)
        labels[box.slices] = _labels(prediction, card.scheme, box.shape, cancel) * inside
        cancel.raise_if_cancelled()
        labels = remove_small(labels, SMALLEST_COMPONENT_ML, grid)
        cancel.raise_if_cancelled()
        report(Progress(1.0, "Done", 0.0))
        return SegmentationOutcome(
            labels=labels,
            card=card,
            device=prediction.device,
            seconds=time.monotonic() - began,
            patches=prediction.patches,
            messages=(*messages, *prediction.messages),
        )

    def _find(self, model: str) -> tuple[Path, ModelCard]:
        """Folder and card of a model given by name or folder; of the default one for an empty text."""
        found = find_models(self._folders)
        if model in found:
            return found[model]
        if model:
            # The folder itself, then a damaged model's folder by its name: reading it says what is wrong with it.
            for folder in (Path(model), *(parent / model for parent in self._folders)):
                if folder.is_dir():
                    return folder, load_card(folder)
            names = ", ".join(f"“{name}”" for name in found) or "none"
            raise UserError(f"There is no model “{model}”.", f"Choose one of the models at hand: {names}.")
        if not found:
            raise UserError("No segmentation model is installed.", "Copy a model folder into the workspace's models.")
        return next(iter(found.values()))

    def _loaded(self, cancel: CancelToken) -> Engine:
        """The engine; the first time, torch is imported on a thread of its own so that a request to stop is heard."""
        if self._engine is None:
            name = "glioma_annotator.inference.engine"
            loading = threading.Thread(target=importlib.import_module, args=(name,), daemon=True)
            loading.start()
            while loading.is_alive():
                loading.join(0.1)
                cancel.raise_if_cancelled()
            from glioma_annotator.inference.engine import Engine

            self._engine = Engine()
        return self._engine


def _check_channels(card: ModelCard, roles: Collection[SequenceRole]) -> None:
    missing = [role.value for role in card.channels if role not in roles]
    if missing:
        needed = ", ".join(role.value for role in card.channels)
        verb = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"The model “{card.name}” needs {needed}, but {', '.join(missing)} {verb} missing.",
            "Add the missing sequence, correct the sequences' roles, or choose another model.",
        )


def _describe(scheme: LabelScheme) -> str:
    return f"“{scheme.name}” ({', '.join(f'{label.value} {label.name}' for label in scheme.labels)})"


def _common_grid(volumes: Sequence[Volume]) -> Grid:
    grid = volumes[0].grid
    if not all(grid.matches(volume.grid) for volume in volumes):
        raise UserError(
            "The sequences do not lie on one grid.", "Import them as one visit: they are then resampled to one grid."
        )
    return grid


def _shape_at(spacing_mm: tuple[float, float, float], box: Box, grid: Grid) -> Shape:
    """Voxels that the box takes at the model's voxel size; its own shape where the sizes agree."""
    lengths = [n * mm for n, mm in zip(box.shape, grid.spacing_mm, strict=True)]
    if max(lengths) > LONGEST_BRAIN_MM:
        raise UserError(
            f"The brain would be {max(lengths):.0f} mm long: the voxel size in the images' header must be wrong, "
            "or much more than the head is shown.",
            "Correct the header, or crop the images to the head.",
        )
    i, j, k = (
        n if abs(mm / wanted - 1) <= SPACING_TOLERANCE else max(1, round(length / wanted))
        for n, mm, wanted, length in zip(box.shape, grid.spacing_mm, spacing_mm, lengths, strict=True)
    )
    return i, j, k


def _resized(image: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """An image (i, j, k) stretched to `shape` by linear interpolation, smoothed first along axes that shrink."""
    if image.shape == shape:
        return image
    from skimage.transform import resize  # here and below, to keep it off the program's start

    stretched = resize(image, shape, order=1, mode="edge", anti_aliasing=True)  # type: ignore[no-untyped-call]
    return np.asarray(stretched, dtype=np.float32)


def _resized_mask(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
    """A mask (i, j, k) stretched to `shape` by the nearest voxel."""
    if mask.shape == shape:
        return mask
    from skimage.transform import resize

    return np.asarray(resize(mask, shape, order=0), dtype=np.bool_)  # type: ignore[no-untyped-call]


def _labels(prediction: Prediction, scheme: LabelScheme, shape: Shape, cancel: CancelToken) -> LabelArray:
    """The most probable class of each voxel, as label values (i, j, k) of `shape`."""
    best = _resized(prediction.probabilities[0], shape).copy()
    labels = np.zeros(shape, dtype=np.uint8)
    for label, probability in zip(scheme.labels, prediction.probabilities[1:], strict=True):
        cancel.raise_if_cancelled()
        here = _resized(probability, shape)
        labels[here > best] = label.value
        np.maximum(best, here, out=best)
    return labels
