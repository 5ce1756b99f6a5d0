"""Scoring many masks, or a model on many cases, and writing the report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.case_files import CaseFiles, find_cases, read_case
from glioma_annotator.imaging.label_conventions import LabelConvention, ambiguous_as, read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.progress import CancelToken, Progress, Report, StepProgress, part
from glioma_annotator.workflow.evaluation.scores import CaseScore, score_case
from glioma_annotator.workflow.evaluation.statistics import Summary, summarise
from glioma_annotator.workflow.ports import Segmenter
from glioma_annotator.workflow.segment_files import segment_files

MASKS = "masks"
_MASK_ENDINGS = (".nii.gz", ".nii")


@dataclass(slots=True)
class EvaluationResult:
    """Scores in the order of the cases, their summaries, and facts about the run."""

    scores: list[CaseScore] = field(default_factory=list)
    summaries: tuple[Summary, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conventions:
    """How the values of either side's files are read."""

    reference: LabelConvention = LabelConvention.AUTO
    prediction: LabelConvention = LabelConvention.AUTO


def evaluate_folders(
    references: Path,
    predictions: Path,
    out: Path | None,
    scheme: LabelScheme,
    conventions: Conventions,
    seed: int,
    report: Report,
    cancel: CancelToken,
) -> EvaluationResult:
    """Score a folder of predicted masks against a folder of expert masks.

    Each folder holds either case folders in BraTS naming or mask files; they are matched by the case's name, which a
    mask file's name begins with. Raises `UserError` for masks without a counterpart and whatever cannot be read.
    """
    expert, predicted = _masks(references), _masks(predictions)
    missing = sorted(set(expert) - set(predicted))
    if missing:
        raise UserError(
            f"There is no prediction for {', '.join(missing)} in “{predictions}”.",
            "Name the masks after their cases, or leave those references out.",
        )
    facts = {"references": str(references), "predictions": str(predictions)}
    unused = sorted(set(predicted) - set(expert))
    if unused:
        facts["not_scored"] = f"{', '.join(unused)}: no reference"
    images = {case.name: case for case in _cases_or_none(references)}
    sheet = _Sheet(out, scheme)
    result = EvaluationResult(facts=facts)
    progress = StepProgress(report, len(expert), "Scoring", 0.0, 0.95)
    alike = (
        ambiguous_as(expert.values(), conventions.reference),
        ambiguous_as(predicted.values(), conventions.prediction),
    )
    for name, path in expert.items():
        cancel.raise_if_cancelled()
        truth, _ = read_mask(path, scheme, conventions.reference, alike[0])
        found, _ = read_mask(predicted[name], scheme, conventions.prediction, alike[1])
        scores = score_case(name, truth, found, scheme)
        result.scores += scores
        sheet.add(name, _background(images.get(name), truth), truth, found)
        progress.step(f"Scored {name}")
    return _finish(result, sheet, f"Masks in {predictions.name} against {references.name}", seed, report)


def evaluate_model(
    segmenter: Segmenter,
    model: str,
    places: Sequence[str | Path],
    out: Path,
    scheme: LabelScheme,
    conventions: Conventions,
    device: str,
    seed: int,
    report: Report,
    cancel: CancelToken,
    operated: bool | None = None,
) -> EvaluationResult:
    """Segment every case with a model, write the masks to `out/masks`, and score them.

    `operated` is False for cases before any surgery, in which no resection cavity is looked for, True for cases after a
    resection, None where that is not known.
    Raises as `evaluate_folders` and the segmenter do.
    """
    cases = find_cases(places)
    without = [case.name for case in cases if case.mask is None]
    if without:
        raise UserError(f"There is no expert mask for {', '.join(without)}.", "Add it, or leave the case out.")
    for case in cases:
        segmenter.check(model, case.images.keys(), scheme)
    _make(out / MASKS)
    sheet = _Sheet(out, scheme)
    result = EvaluationResult(facts={"model": model, "cases": len(cases)})
    seconds: list[float] = []
    alike = ambiguous_as([case.mask for case in cases if case.mask is not None], conventions.reference, operated)
    for number, case in enumerate(cases):
        assert case.mask is not None
        share = part(report, 0.95 * number / len(cases), 0.95 * (number + 1) / len(cases))
        target = out / MASKS / f"{case.name}.nii.gz"
        began = time.monotonic()

        def told(progress: Progress, name: str = case.name, share: Report = share) -> None:
            share(Progress(progress.fraction, f"{name}: {progress.message}", progress.seconds_left))

        outcome, _ = segment_files(
            segmenter,
            case.images,
            target,
            model=model,
            device=device,
            operated=operated,
            report=told,
            cancel=cancel,
        )
        seconds.append(time.monotonic() - began)
        result.facts |= {"model": outcome.card.identity, "device": outcome.device}
        truth, _ = read_mask(case.mask, scheme, conventions.reference, alike)
        found, _ = read_mask(target, scheme)
        result.scores += score_case(case.name, truth, found, scheme)
        sheet.add(case.name, _background(case, truth), truth, found)
        if outcome.messages:
            result.facts.setdefault("messages", {})[case.name] = list(outcome.messages)
    result.facts["median_seconds_per_case"] = round(float(np.median(seconds)), 1)
    return _finish(result, sheet, f"{result.facts['model']} on {len(cases)} cases", seed, report)


class _Sheet:
    """Collects the worst slice of each case, those that differ most first; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None, scheme: LabelScheme) -> None:
        self.folder, self._scheme = folder, scheme
        self._slices: list[tuple[int, Any]] = []
        if folder is not None:
            _make(folder)

    def add(self, name: str, image: NDArray[np.float32], truth: Volume, found: Volume) -> None:
        if self.folder is None:
            return
        from glioma_annotator.workflow.evaluation.plots import worst_slice

        one = worst_slice(name, image, truth.data, found.data, truth.grid.spacing_mm)
        if one is not None:
            self._slices.append((int(np.count_nonzero(one.reference != one.prediction)), one))

    def draw(self, scores: Sequence[CaseScore]) -> None:
        if self.folder is None:
            return
        from glioma_annotator.workflow.evaluation.plots import draw_boxes, draw_worst

        draw_boxes(self.folder, scores)
        draw_worst(self.folder, [one for _, one in sorted(self._slices, key=lambda pair: -pair[0])], self._scheme)


def _finish(result: EvaluationResult, sheet: _Sheet, title: str, seed: int, report: Report) -> EvaluationResult:
    result.summaries = summarise(result.scores, seed)
    result.facts["bootstrap_seed"] = seed
    if sheet.folder is not None:
        from glioma_annotator.workflow.evaluation.report import write_tables

        report(Progress(0.96, "Writing the report"))
        write_tables(sheet.folder, title, result.scores, result.summaries, result.facts)
        sheet.draw(result.scores)
    report(Progress(1.0, "Done", 0.0))
    return result


def _masks(folder: Path) -> Mapping[str, Path]:
    """Mask files by case name. Raises `UserError` when there are none, or two for one case."""
    cases = _cases_or_none(folder)
    if cases:
        without = [case.name for case in cases if case.mask is None]
        if without:
            raise UserError(f"There is no mask for {', '.join(without)} in “{folder}”.", "Add it, or leave it out.")
        return {case.name: case.mask for case in cases if case.mask is not None}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((e for e in _MASK_ENDINGS if path.name.lower().endswith(e)), None)
        if ending is None:
            continue
        name = path.name[: -len(ending)]
        for suffix in ("_seg", "-seg", "_mask", "-mask"):
            name = name.removesuffix(suffix)
        if name in found:
            raise UserError(f"There are two masks for “{name}” in “{folder}”.", "Leave only one of them in it.")
        found[name] = path
    if not found:
        raise UserError(f"There are no masks in “{folder}”.", "Name a folder with case folders or mask files.")
    return found


def _cases_or_none(folder: Path) -> tuple[CaseFiles, ...]:
    """Case folders below `folder`; none where it holds files only."""
    if not folder.is_dir():
        raise UserError(f"There is no folder “{folder}”.", "Check the path.")
    children = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    return tuple(case for child in children if (case := read_case(child)) is not None)


def _background(case: CaseFiles | None, truth: Volume) -> NDArray[np.float32]:
    """An image (i, j, k) to show masks on: the best sequence on the mask's grid; nothing where there is none."""
    order = (SequenceRole.FLAIR, *REFERENCE_ORDER)
    for role in order if case else ():
        path = case.images.get(role) if case else None
        if path is not None:
            volume = read_volume(path).volume
            if volume.grid.matches(truth.grid):
                return volume.data
    return np.zeros(truth.grid.shape, np.float32)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"The folder “{folder}” could not be made: {error.strerror}.", "Choose a folder you may write to."
        ) from error
