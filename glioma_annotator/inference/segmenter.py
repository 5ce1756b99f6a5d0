"""The segmenter: from a visit's images to a proposed mask.

Torch is loaded with the first segmentation, not with this module, so that cards and refusals are quick.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Shape
from glioma_annotator.domain.labels import LEFT_BY_SURGERY, LabelScheme
from glioma_annotator.domain.model_card import TUMOUR, ModelCard
from glioma_annotator.domain.segmentation import SegmentationOutcome, Softmax
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.heap import kept_memory
from glioma_annotator.inference.cards import find_cards, find_models, load_card
from glioma_annotator.inference.engine import Engine, Prediction
from glioma_annotator.inference.post_processing import post_processed
from glioma_annotator.inference.preparation import check_channels, prepare, resized
from glioma_annotator.inference.runner import lack_of_memory_told
from glioma_annotator.progress import CancelToken, Progress, Report, part
from glioma_annotator.settings import SegmentationSettings

#: Joins the names of models whose predictions are averaged.
ENSEMBLE = "+"
_WORTH_TELLING_ML = 0.1


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
        self._engine = Engine()

    def models(self) -> tuple[ModelCard, ...]:
        """Cards of the readable models, the default one first."""
        return find_cards(self._folders)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        """Raise `UserError` when `model` cannot serve: unknown, damaged card, missing channel, other labels."""
        card = _joined([card for _, card in self._members(model)])
        check_channels(card, roles)
        known = {(label.value, label.name) for label in scheme.labels}
        if not {(label.value, label.name) for label in card.scheme.labels} <= known:
            raise UserError(
                f"The model “{card.name}” finds {_describe(card.scheme)}, but the study uses {_describe(scheme)}.",
                "Choose a model made for the study's labels.",
            )

    @kept_memory()
    @lack_of_memory_told("segment")
    def segment(
        self,
        images: Mapping[SequenceRole, Volume],
        model: str,
        device: str,
        report: Report,
        cancel: CancelToken,
        *,
        operated: bool | None = None,
    ) -> SegmentationOutcome:
        """Propose a mask on the images' own grid, background outside the brain.

        Images of another voxel size than the model's are resampled for the network, and its class probabilities
        resampled back. The card's post-processing follows unless the options switch it off.

        Parameters
        ----------
        images: float32 volumes by role on one grid; those the model does not need are ignored.
        model: name or folder of a model; several joined by "+" are averaged; empty for the default one.
        device: auto, cpu or cuda.
        operated: False before any surgery: what the model takes for a cavity gets its next most probable label. True
            after a resection: rules of the post-processing that ask for one count. None where that is not known.

        Raises `UserError` (unknown or damaged model, missing or empty sequence, different grids, no brain, no such
        device), `EnvironmentFailure` (memory), `Cancelled`.
        """
        began = time.monotonic()
        report(Progress(0.0, "Finding the brain"))
        members = self._members(model)
        card = _joined([card for _, card in members])
        prepared = prepare(images, card, cancel)
        report(Progress(0.05, "Loading the model"))
        options = self._options()
        predictions = []
        for number, (folder, member) in enumerate(members):
            share = part(report, *(0.05 + 0.9 * n / len(members) for n in (number, number + 1)))
            predictions.append(
                self._engine.predict(
                    folder, member, prepared.images, prepared.brain, device, share, cancel, options=options
                )
            )
        prediction = _averaged(predictions)
        report(Progress(0.96, "Making the mask"))
        probabilities = prediction.probabilities
        notes: tuple[str, ...] = ()
        if operated is False:
            voxel_ml = prepared.grid.voxel_volume_ml * np.prod(prepared.box.shape) / np.prod(probabilities.shape[1:])
            probabilities, notes = _before_surgery(probabilities, card.scheme, float(voxel_ml))
        softmax, best = eight_bits_and_labels(probabilities, card.scheme, prepared.box.shape, cancel)
        labels = np.zeros(prepared.grid.shape, dtype=np.uint8)
        labels[prepared.box.slices] = best * prepared.inside
        cancel.raise_if_cancelled()
        if options.post_processing:
            inside = np.ascontiguousarray(labels[prepared.box.slices])
            labels[prepared.box.slices], more = post_processed(
                inside,
                softmax,
                prepared.inside,
                card.post_processing,
                card.scheme,
                prepared.grid,
                {
                    role: volume.data[prepared.box.slices]
                    for role, volume in images.items()
                    if role not in prepared.empty
                },
                operated=bool(operated),
            )
            notes = (*notes, *more)
        cancel.raise_if_cancelled()
        report(Progress(1.0, "Done", 0.0))
        return SegmentationOutcome(
            labels=labels,
            card=card,
            device=prediction.device,
            seconds=time.monotonic() - began,
            patches=prediction.patches,
            messages=(*prepared.messages, *prediction.messages, *notes),
            mode=prediction.mode,
            softmax=Softmax(softmax, prepared.box),
        )

    def _members(self, model: str) -> list[tuple[Path, ModelCard]]:
        """Folder and card of a model, or of each model of an ensemble: names or folders joined by `ENSEMBLE`."""
        if ENSEMBLE not in model or Path(model).is_dir() or model in find_models(self._folders):
            return [self._find(model)]
        names = [name.strip() for name in model.split(ENSEMBLE)]
        if not all(names):
            raise UserError(
                f"Beside a “{ENSEMBLE}” of “{model}” there is no model.",
                f"Name every model of the ensemble, as in “first{ENSEMBLE}second”.",
            )
        return [self._find(name) for name in names]

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


def _joined(cards: Sequence[ModelCard]) -> ModelCard:
    """The card of an ensemble, or the only card. Raises `UserError` for models that cannot be averaged."""
    first = cards[0]
    if len(cards) == 1:
        return first
    for card in cards[1:]:
        if (card.channels, card.scheme, card.spacing_mm) != (first.channels, first.scheme, first.spacing_mm):
            raise UserError(
                f"The models “{first.name}” and “{card.name}” cannot be averaged: "
                "their sequences, labels or voxel sizes differ.",
                "Choose models made for the same sequences and labels.",
            )
    return replace(
        first,
        name=ENSEMBLE.join(card.name for card in cards),
        title=f"Mean of {', '.join(card.title or card.name for card in cards)}",
        weights_sha256=hashlib.sha256("".join(card.weights_sha256 for card in cards).encode()).hexdigest(),
        optional=tuple(role for role in first.optional if all(role in card.optional for card in cards)),
        one_of=tuple(role for role in first.one_of if all(role in card.one_of for card in cards)),
    )


def _averaged(predictions: Sequence[Prediction]) -> Prediction:
    first = predictions[0]
    if len(predictions) == 1:
        return first
    mean = np.zeros_like(first.probabilities)
    for prediction in predictions:
        mean += prediction.probabilities / np.float32(len(predictions))
    messages = tuple(dict.fromkeys(message for prediction in predictions for message in prediction.messages))
    blocks = sum(prediction.patches for prediction in predictions)
    device = "; ".join(dict.fromkeys(prediction.device for prediction in predictions))
    return replace(first, probabilities=mean, device=device, messages=messages, patches=blocks)


def _before_surgery(
    probabilities: NDArray[np.float32], scheme: LabelScheme, voxel_ml: float
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Probabilities (class, i, j, k) without the labels that surgery leaves, and what the reader should know."""
    left = [n for n, label in enumerate(scheme.labels, start=1) if label.name in LEFT_BY_SURGERY]
    if not left:
        return probabilities, ()
    kept = probabilities.copy()
    kept[left] = 0
    found_ml = np.count_nonzero(probabilities[left].max(axis=0) > kept.max(axis=0)) * voxel_ml
    kept /= np.maximum(kept.sum(axis=0), np.float32(1e-6))
    if found_ml < _WORTH_TELLING_ML:
        return kept, ()
    names = " and ".join(scheme.labels[n - 1].name for n in left)
    return kept, (f"Before surgery there is no {names}: {found_ml:.1f} mL of it became the next most probable label.",)


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
