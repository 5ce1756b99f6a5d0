"""Whole synthetic patients."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.adaptation.synthesis import tumour
from glioma_annotator.adaptation.synthesis.backgrounds import LabelMapBackground
from glioma_annotator.adaptation.synthesis.longitudinal import STRONG_SHIFT, ScannerShift, SyntheticVisit, draw_patient
from glioma_annotator.adaptation.synthesis.samples import Sample, SampleSource
from glioma_annotator.adaptation.synthesis.sheet import draw_sheet
from glioma_annotator.adaptation.synthesis.tumour import ET, NETC, RC


@pytest.fixture(scope="module")
def source() -> SampleSource:
    axes = np.meshgrid(*[np.linspace(-1, 1, 72)] * 3, indexing="ij")
    radius = np.sqrt(sum(a**2 for a in axes))
    classes = np.zeros(radius.shape, dtype=np.uint8)
    classes[radius < 0.98] = 4  # cortex
    classes[radius < 0.88] = 1  # white matter
    return SampleSource([], [LabelMapBackground("ball", classes)])


@pytest.fixture(scope="module")
def patient(source: SampleSource) -> list[SyntheticVisit]:
    return draw_patient(source, 4, seed=3)


def test_the_same_seed_gives_the_same_patient(source: SampleSource, patient: list[SyntheticVisit]) -> None:
    again = draw_patient(source, 4, seed=3)
    assert all(np.array_equal(a.images, b.images) for a, b in zip(patient, again, strict=True))
    assert not np.array_equal(draw_patient(source, 1, seed=4)[0].images, patient[0].images)


def test_surgery_takes_the_core_and_leaves_a_cavity(patient: list[SyntheticVisit]) -> None:
    before, after, *later = patient
    assert (before.labels == ET).any()
    assert (before.labels == NETC).any()
    assert not (before.labels == RC).any()
    assert (after.labels == RC).any()
    assert not (after.labels == ET).any()
    core = np.isin(before.labels, (ET, NETC))
    assert (core & (after.labels == RC)).sum() > 0.7 * (after.labels == RC).sum()
    assert [v.phase for v in later] == ["recurrence", "recurrence"]


def test_the_recurrence_grows_beside_the_cavity(patient: list[SyntheticVisit]) -> None:
    volumes = [int(np.isin(visit.labels, (ET, NETC)).sum()) for visit in patient[2:]]
    assert 0 < volumes[0] < volumes[1]


def test_images_and_masks_agree(patient: list[SyntheticVisit]) -> None:
    for visit in patient:
        assert np.isfinite(visit.images).all()
        assert not visit.images[:, ~visit.brain].any()
        assert not visit.labels[~visit.brain].any()
    first = patient[0]
    t1, t1gd, _, _ = first.images
    contrast_agent = t1gd / np.median(t1gd[first.brain]) - t1 / np.median(t1[first.brain])
    assert np.median(contrast_agent[first.labels == ET]) > np.median(contrast_agent[first.labels == 0]) + 0.05


def test_a_strong_shift_lies_further_from_the_plain_images_than_a_slight_one(source: SampleSource) -> None:
    def distance(shift: ScannerShift) -> float:
        plain, shifted = (draw_patient(source, 1, 9, s)[0] for s in (ScannerShift(), shift))
        assert np.array_equal(plain.labels, shifted.labels)
        scores = []
        for visit in (plain, shifted):
            inside = visit.images[:, visit.brain]
            scores.append((inside - inside.mean(1, keepdims=True)) / inside.std(1, keepdims=True))
        return float(np.abs(scores[0] - scores[1]).mean())

    assert distance(STRONG_SHIFT) > 1.5 * distance(ScannerShift(contrast=0.05))


def test_a_picture_sheet_is_written(tmp_path, patient: list[SyntheticVisit]) -> None:  # type: ignore[no-untyped-def]
    inside = patient[0].images / 500 - 1
    samples = [Sample(inside[:, 10:60, 10:60, 10:60], patient[0].labels[10:60, 10:60, 10:60], "ring")] * 3
    draw_sheet(samples, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 5000


def test_recurrences_stay_out_of_fluid_and_cavity(patient: list[SyntheticVisit]) -> None:
    last = patient[-1].labels
    assert set(np.unique(last)) <= {0, NETC, tumour.SNFH, ET, RC}
    assert (last == RC).any()
