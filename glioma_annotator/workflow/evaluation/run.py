"""Scoring many masks, or a model on many cases, and writing the report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.atomic_file import make_folder
from glioma_annotator.imaging.case_files import CaseFiles, find_cases
from glioma_annotator.imaging.label_conventions import (
    LabelConvention,
    convention_of_set,
    conventions_of_sides,
    read_mask,
)
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.progress import CancelToken, Progress, Report, StepProgress, part
from glioma_annotator.workflow.evaluation.mask_files import (
    NO_CASE,
    case_name,
    folders_without_case,
    read_mask_folder,
)
from glioma_annotator.workflow.evaluation.scores import CaseScore, score_case
from glioma_annotator.workflow.evaluation.statistics import Summary, summarise
from glioma_annotator.workflow.ports import Segmenter
from glioma_annotator.workflow.segment_files import check_writable, segment_files

if TYPE_CHECKING:
    from glioma_annotator.workflow.evaluation.plots import Slice  # matplotlib: for reports alone

MASKS = "masks"
_SHOWN_FAILURES = 5


@dataclass(slots=True)
class EvaluationResult:
    """Scores in the order of the cases, their summaries, and facts about the run.

    Attributes
    ----------
    facts: for the report; `labels` says how the values of either side were read.
    failed: cases that could not be scored, with what the user can put right.
    not_scored: predictions and folders that were left out, with the reason.
    """

    scores: list[CaseScore] = field(default_factory=list)
    summaries: tuple[Summary, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    not_scored: dict[str, str] = field(default_factory=dict)


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
    """Score a folder of predicted masks against a folder of expert masks, or one mask file against another.

    Each folder holds either case folders in BraTS naming or mask files; they are matched by the case's name, which a
    mask file's name begins with. Raises `UserError` for masks without a counterpart and whatever cannot be read.
    """
    result = EvaluationResult(facts={"references": str(references), "predictions": str(predictions)})
    images: Mapping[str, CaseFiles] = {}
    if references.is_dir() or predictions.is_dir():
        expert, predicted = read_mask_folder(references), read_mask_folder(predictions)
        missing = sorted(set(expert.masks) - set(predicted.masks))
        if missing:
            raise UserError(
                f"There is no prediction for {', '.join(missing)} in “{predictions}”.",
                "Name the masks after their cases, or leave those references out.",
            )
        images = expert.cases
        pairs = {name: (path, predicted.masks[name]) for name, path in expert.masks.items()}
        unused = sorted(set(predicted.masks) - set(pairs))
        result.not_scored = dict.fromkeys(unused, "a prediction without a reference")
        report_folder = out and out.resolve()
        skipped = (f for f in (*expert.skipped, *predicted.skipped) if f.resolve() != report_folder)
        result.not_scored |= {str(folder): NO_CASE for folder in skipped}
    else:
        pairs = {case_name(references): (references, predictions)}
    sheet = _Sheet(out, scheme)
    _score_pairs(pairs, images, scheme, conventions, sheet, result, report, cancel)
    return _finish(result, sheet, f"Masks in {predictions.name} against {references.name}", seed, report)


def _score_pairs(
    pairs: Mapping[str, tuple[Path, Path]],
    images: Mapping[str, CaseFiles],
    scheme: LabelScheme,
    conventions: Conventions,
    sheet: _Sheet,
    result: EvaluationResult,
    report: Report,
    cancel: CancelToken,
) -> None:
    sides = conventions_of_sides(
        _until(cancel, (reference for reference, _ in pairs.values())),
        _until(cancel, (prediction for _, prediction in pairs.values())),
        conventions.reference,
        conventions.prediction,
    )
    progress = StepProgress(report, len(pairs), "Scoring", 0.0, 0.95)
    read_as = []
    for name, (reference, prediction) in pairs.items():
        cancel.raise_if_cancelled()
        truth, truth_labels = read_mask(reference, scheme, sides[0])
        found, found_labels = read_mask(prediction, scheme, sides[1])
        read_as.append((truth_labels, found_labels))
        result.scores += score_case(name, truth, found, scheme)
        sheet.add(name, _background(images.get(name), truth), truth, found)
        progress.step(f"Scored {name}")
    result.facts["labels"] = _labels(read_as)


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
    resection, None where that is not known. A case that the user must put right first is noted in the result, and the
    others are scored. Raises as `evaluate_folders` and, where it happens to every case, as the segmenter.
    """
    masks = _expert_masks(cases := find_cases(places))
    result = EvaluationResult(facts={"model": model, "cases": len(cases)})
    result.not_scored = {str(folder): NO_CASE for folder in folders_without_case(places, out)}
    failures: dict[str, UserError] = {}
    for case in cases:
        with _noted(failures, case.name):
            segmenter.check(model, case.images.keys(), scheme)
    _raise_if_all(failures, len(cases))
    sheet = _Sheet(out, scheme)
    make_folder(out / MASKS)
    sides = convention_of_set(_until(cancel, masks.values()), conventions.reference, operated)
    read_as, seconds = [], []
    for number, case in enumerate(cases):
        if case.name in failures:
            continue
        share = part(report, 0.95 * number / len(cases), 0.95 * (number + 1) / len(cases))
        target = out / MASKS / f"{case.name}.nii.gz"
        with _noted(failures, case.name):
            truth, truth_labels = read_mask(masks[case.name], scheme, sides)
            began = time.monotonic()
            outcome, _ = segment_files(
                segmenter,
                case.images,
                target,
                model=model,
                device=device,
                operated=operated,
                report=_named(share, case.name),
                cancel=cancel,
            )
            seconds.append(time.monotonic() - began)
            result.facts |= {"model": outcome.card.identity, "device": outcome.device}
            if outcome.messages:
                result.facts.setdefault("messages", {})[case.name] = list(outcome.messages)
            found, found_labels = read_mask(target, scheme)
            result.scores += score_case(case.name, truth, found, scheme)
            read_as.append((truth_labels, found_labels))
            sheet.add(case.name, _background(case, truth), truth, found)
    _raise_if_all(failures, len(cases))
    result.failed = {name: str(error).removeprefix(f"{name}: ") for name, error in failures.items()}
    result.facts |= {"labels": _labels(read_as), "median_seconds_per_case": round(float(np.median(seconds)), 1)}
    scored = f"{len(cases) - len(failures)} of {len(cases)}" if failures else str(len(cases))
    return _finish(result, sheet, f"{result.facts['model']} on {scored} cases", seed, report)


def _expert_masks(cases: Sequence[CaseFiles]) -> dict[str, Path]:
    masks = {case.name: case.mask for case in cases if case.mask is not None}
    without = [case.name for case in cases if case.name not in masks]
    if without:
        raise UserError(f"There is no expert mask for {', '.join(without)}.", "Add it, or leave the case out.")
    return masks


@contextmanager
def _noted(failures: dict[str, UserError], name: str) -> Iterator[None]:
    """Keep what the user can put right about one case, and go on with the next."""
    try:
        yield
    except UserError as error:
        failures[name] = error


def _raise_if_all(failures: Mapping[str, UserError], cases: int) -> None:
    """Raise where no case is left: the reason that all share, or the first reasons with their cases."""
    if len(failures) < cases:
        return
    first = next(iter(failures.values()))
    if len(failures) > 1 and all(str(error) == str(first) for error in failures.values()):
        raise first
    told = [f"{name}: {error.what.removeprefix(f'{name}: ')}" for name, error in failures.items()]
    more = f" And {len(told) - _SHOWN_FAILURES} more." if len(told) > _SHOWN_FAILURES else ""
    raise UserError(f"No case could be scored. {' '.join(told[:_SHOWN_FAILURES])}{more}", first.todo)


def _named(report: Report, name: str) -> Report:
    """A report that says which case it is about."""
    return lambda progress: report(Progress(progress.fraction, f"{name}: {progress.message}", progress.seconds_left))


def _until(cancel: CancelToken, paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        cancel.raise_if_cancelled()
        yield path


def _labels(read_as: Sequence[tuple[LabelConvention, LabelConvention]]) -> dict[str, str]:
    """How either side was read: without a 4 both conventions say the same, so that one mask of BraTS 2021 tells."""
    older = LabelConvention.BRATS_2021
    sides = zip(("reference", "prediction"), zip(*read_as, strict=True), strict=True)
    return {side: (older if older in found else LabelConvention.PROGRAM).value for side, found in sides}


class _Sheet:
    """Collects the worst slice of each case, those that differ most first; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None, scheme: LabelScheme) -> None:
        self.folder, self._scheme = folder, scheme
        self._slices: list[Slice] = []
        if folder is not None:
            check_writable(folder)
            make_folder(folder)

    def add(self, name: str, image: NDArray[np.float32], truth: Volume, found: Volume) -> None:
        if self.folder is None:
            return
        from glioma_annotator.workflow.evaluation.plots import worst_slice

        one = worst_slice(name, image, truth.data, found.data, truth.grid.spacing_mm)
        if one is not None:
            self._slices.append(one)

    def pictures(self) -> dict[str, str]:
        """Names of the pictures that `draw` makes, with captions."""
        from glioma_annotator.workflow.evaluation.plots import BOXES, WORST

        return {f"{BOXES}.png": "Box plots"} | ({WORST: "Worst slices"} if self._slices else {})

    def draw(self, scores: Sequence[CaseScore]) -> None:
        if self.folder is None:
            return
        from glioma_annotator.workflow.evaluation.plots import draw_boxes, draw_worst

        draw_boxes(self.folder, scores)
        draw_worst(self.folder, sorted(self._slices, key=lambda one: -one.ml), self._scheme)


def _finish(result: EvaluationResult, sheet: _Sheet, title: str, seed: int, report: Report) -> EvaluationResult:
    result.summaries = summarise(result.scores, seed)
    result.facts["bootstrap_seed"] = seed
    for name, reasons in (("failed", result.failed), ("not_scored", result.not_scored)):
        if reasons:
            result.facts[name] = reasons
    if sheet.folder is not None:
        from glioma_annotator.workflow.evaluation.report import write_tables

        report(Progress(0.96, "Writing the report"))
        write_tables(sheet.folder, title, result.scores, result.summaries, result.facts, sheet.pictures())
        sheet.draw(result.scores)
    report(Progress(1.0, "Done", 0.0))
    return result


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
