"""The segmenter: from a visit's images to a proposed mask.

Torch is loaded with the first segmentation, not with this module, so that cards and refusals are quick.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Shape
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import TUMOUR, ModelCard
from glioma_annotator.domain.segmentation import SegmentationOutcome, Softmax
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.components import remove_small
from glioma_annotator.inference.cards import find_cards, find_models, load_card
from glioma_annotator.inference.preparation import check_channels, prepare, resized
from glioma_annotator.progress import CancelToken, Progress, Report, part
from glioma_annotator.settings import SegmentationSettings

if TYPE_CHECKING:
    from glioma_annotator.inference.engine import Engine


class ModelSegmenter:
    """Proposes masks with the models in some folders; fulfils the workflow's `Segmenter`.

    Parameters
    ----------
    folders: model folders, or folders of model folders.
    options: called for each segmentation, so that changed settings count at once; its `device` is not looked at.
    """

    def __init__(
        self, folders: Sequence[Path], options: Callable[[], SegmentationSettings] = SegmentationSettings
    ) -> None:
        self._folders = tuple(folders)
        self._options = options
        self._engine: Engine | None = None

    def models(self) -> tuple[ModelCard, ...]:
        """Cards of the readable models, the default one first."""
        return find_cards(self._folders)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        """Raise `UserError` when `model` cannot serve: unknown, damaged card, missing channel, other labels."""
        _, card = self._find(model)
        check_channels(card, roles)
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
        resampled back. The card's post-processing follows unless the options switch it off.

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
        prepared = prepare(images, card, cancel)
        report(Progress(0.05, "Loading the model"))
        options = self._options()
        prediction = self._loaded(cancel).predict(
            folder, card, prepared.images, prepared.brain, device, part(report, 0.05, 0.95), cancel, options=options
        )
        report(Progress(0.95, "Making the mask"))
        softmax, best = eight_bits_and_labels(prediction.probabilities, card.scheme, prepared.box.shape, cancel)
        labels = np.zeros(prepared.grid.shape, dtype=np.uint8)
        labels[prepared.box.slices] = best * prepared.inside
        cancel.raise_if_cancelled()
        if options.post_processing:
            labels = remove_small(labels, card.post_processing.min_component_ml, prepared.grid)
        cancel.raise_if_cancelled()
        report(Progress(1.0, "Done", 0.0))
        return SegmentationOutcome(
            labels=labels,
            card=card,
            device=prediction.device,
            seconds=time.monotonic() - began,
            patches=prediction.patches,
            messages=(*prepared.messages, *prediction.messages),
            mode=prediction.mode,
            softmax=Softmax(softmax, prepared.box),
        )

    def _find(self, model: str) -> tuple[Path, ModelCard]:
        """Folder and card of a model given by name or folder; of the default one for an empty text."""
        found = find_models(self._folders)
        if model in found:
            return _for_tumours(*found[model])
        if model:
            # The folder itself, then a damaged model's folder by its name: reading it says what is wrong with it.
            for folder in (Path(model), *(parent / model for parent in self._folders)):
                if folder.is_dir():
                    return _for_tumours(folder, load_card(folder))
            names = ", ".join(f"“{card.name}”" for card in self.models()) or "none"
            raise UserError(f"There is no model “{model}”.", f"Choose one of the models at hand: {names}.")
        cards = self.models()
        if not cards:
            raise UserError("No segmentation model is installed.", "Copy a model folder into the workspace's models.")
        return found[cards[0].name]

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


def _for_tumours(folder: Path, card: ModelCard) -> tuple[Path, ModelCard]:
    if card.task != TUMOUR:
        raise UserError(f"The model “{card.name}” finds the {card.task}, not tumours.", "Choose another model.")
    return folder, card


def _describe(scheme: LabelScheme) -> str:
    return f"“{scheme.name}” ({', '.join(f'{label.value} {label.name}' for label in scheme.labels)})"


def eight_bits_and_labels(
    probabilities: NDArray[np.float32], scheme: LabelScheme, shape: Shape, cancel: CancelToken
) -> tuple[NDArray[np.uint8], LabelArray]:
    """Probabilities (class, i, j, k), resampled linearly to `shape`, as 0 to 255, and the most probable label's value.

    Both uint8, (class, i, j, k) and (i, j, k). The label comes from pairwise maxima: argmax is many times slower.
    """
    values = (0, *scheme.values)
    rounded = np.empty((len(values), *shape), dtype=np.uint8)
    labels = np.zeros(shape, dtype=np.uint8)
    best = np.full(shape, -1, dtype=np.float32)
    for target, value, probability in zip(rounded, values, probabilities, strict=True):
        cancel.raise_if_cancelled()
        here = resized(probability, shape)
        np.copyto(labels, value, where=here > best)
        np.maximum(best, here, out=best)
        np.copyto(target, here * np.float32(255) + np.float32(0.5), casting="unsafe")
    return rounded, labels
