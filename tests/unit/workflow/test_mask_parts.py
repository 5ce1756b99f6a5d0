"""Masks that mark one tissue each, in files or channels of their own, become one mask of the visit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import FakeStore
from numpy.typing import NDArray
from phantoms import FLAIR, T1GD, grid_of, tumour_mask, write_nifti, write_visit

from glioma_annotator.domain.import_plan import ImportItem, ImportKind, ImportPlan
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.import_study import propose_import, run_import, with_include, with_role
from glioma_annotator.workflow.recognition.tissues import tells_alone, tissue_of

MASK = tumour_mask(values=(1, 2, 3))  # NETC, SNFH, ET
NETC, SNFH, ET = (value == MASK for value in (1, 2, 3))


def visit_with(folder: Path, files: dict[str, NDArray[np.bool_]], value: int = 1) -> ImportPlan:
    case = write_visit(folder / "P012", {T1GD: "t1c.nii.gz", FLAIR: "flair.nii.gz"})
    for name, inside in files.items():
        write_nifti(case / name, (inside * value).astype(np.uint8), grid_of().affine)
    return propose_import([case], ignore_progress, CancelToken())


def masks(plan: ImportPlan) -> list[ImportItem]:
    return [i for i in plan.items if i.kind is ImportKind.MASK]


def stored(plan: ImportPlan) -> list[LabelArray]:
    store = FakeStore()
    summary = run_import(plan, store, "Reader", ignore_progress, CancelToken())
    revisions = store.revisions(summary.timepoint_ids[0])
    assert summary.masks == len(revisions)
    return [store.load_labels(revision)[::-1, ::-1] for revision in revisions]  # as in the LPS files


NAMES = {
    "mask_ET": 3,
    "EnhancingTumor": 3,
    "NCR": 1,
    "non_enhancing_tumor_core": 1,
    "nonenhancing": 1,
    "necrotic_core": 1,
    "peritumoral_edema": 2,
    "ED": 2,
    "resection_cavity": 4,
    "contrast_enhancing_tumor": 3,
    "non_contrast_enhancing_tumor": 1,
    "tumor_without_enhancement": 1,
    "enhancing_core": 3,
    "enhancing_and_necrotic": None,
    "nnU-Net_ET": None,
    "seg_TC": 1,
    "whole_tumor": 2,
    "seg": None,
    "tumor": None,
    "reader1": None,
}


@pytest.mark.parametrize(("name", "tissue"), NAMES.items())
def test_names_tell_the_tissue(name: str, tissue: int | None) -> None:
    assert tissue_of(name) == tissue


def test_alone_only_clear_names_of_tissues_count() -> None:
    assert tells_alone("enhancing_mask")
    assert tells_alone("SNFH")
    assert not tells_alone("seg_RC"), "a reader's initials"
    assert not tells_alone("whole_tumor"), "several tissues"
    assert not tells_alone("seg")


@pytest.mark.parametrize("value", [1, 255])
def test_a_file_for_each_tissue_makes_one_mask(tmp_path: Path, value: int) -> None:
    plan = visit_with(tmp_path, {"ET.nii.gz": ET, "NCR.nii.gz": NETC, "ED.nii.gz": SNFH}, value)
    assert {i.path.name: i.mapping[value] for i in masks(plan)} == {"ET.nii.gz": 3, "NCR.nii.gz": 1, "ED.nii.gz": 2}
    told = next(i.warnings for i in masks(plan) if i.path.name == "ET.nii.gz")
    assert told == ("Taken for ET, in one mask with ED.nii.gz, NCR.nii.gz.",)
    (labels,) = stored(plan)
    assert np.array_equal(labels, MASK)


def test_files_of_regions_that_hold_one_another_make_one_mask(tmp_path: Path) -> None:
    files = {"P012_seg_ET.nii.gz": ET, "P012_seg_TC.nii.gz": ET | NETC, "P012_seg_WT.nii.gz": MASK > 0}
    (labels,) = stored(visit_with(tmp_path, files))
    assert np.array_equal(labels, MASK)


def test_each_readers_parts_make_a_mask_of_their_own(tmp_path: Path) -> None:
    files = {"r1_ET.nii.gz": ET, "r1_ED.nii.gz": SNFH, "r2_ET.nii.gz": ET | NETC, "r2_ED.nii.gz": SNFH}
    first, second = stored(visit_with(tmp_path, files))
    assert np.array_equal(first, np.where(NETC, 0, MASK))
    assert np.array_equal(second, np.where(NETC, 3, MASK))


def test_masks_of_one_tissue_by_a_reader_and_a_model_are_not_joined(tmp_path: Path) -> None:
    files = {f"{by}_{name}.nii.gz": inside for by in ("gt", "seg") for name, inside in (("ET", ET), ("ED", SNFH))}
    assert [i.part_of for i in masks(visit_with(tmp_path, files))] == [""] * 4


def test_a_part_may_be_left_out_or_be_taken_for_an_image(tmp_path: Path) -> None:
    plan = visit_with(tmp_path, {"ET.nii.gz": ET, "NCR.nii.gz": NETC, "ED.nii.gz": SNFH})
    index = next(n for n, i in enumerate(plan.items) if i.path.name == "NCR.nii.gz")
    (labels,) = stored(with_include(plan, index, False))
    assert np.array_equal(labels, np.where(NETC, 0, MASK))
    assert with_role(plan, index, FLAIR).items[index].part_of == ""


CHANNELS = {
    "tissues": ([NETC, SNFH, ET], [1, 2, 3]),
    "tissues and no cavity": ([NETC, SNFH, ET, np.zeros_like(ET)], [1, 2, 3, None]),
    "background first": ([MASK == 0, NETC, SNFH, ET], [1, 2, 3]),
    "background last": ([NETC, SNFH, ET, MASK == 0], [1, 2, 3]),
    "regions": ([ET | NETC, MASK > 0, ET], [1, 2, 3]),
    "regions, largest first": ([MASK > 0, ET | NETC, ET], [2, 1, 3]),
}


@pytest.mark.parametrize(("channels", "expected"), CHANNELS.values(), ids=CHANNELS)
def test_a_channel_for_each_tissue_or_region_makes_one_mask(
    tmp_path: Path, channels: list[NDArray[np.bool_]], expected: list[int | None]
) -> None:
    plan = visit_with(tmp_path, {"seg.nii.gz": np.stack(channels, axis=-1)})
    included = [i for i in masks(plan) if i.include]
    assert [i.mapping.get(1) for i in included] == expected
    (labels,) = stored(plan)
    assert np.array_equal(labels, MASK)


def test_channels_that_overlap_in_part_stay_apart_and_are_to_be_checked(tmp_path: Path) -> None:
    halves = [np.indices(MASK.shape)[0] < n for n in (16, 20)]
    plan = visit_with(tmp_path, {"seg.nii.gz": np.stack([*halves, ~halves[0]], axis=-1)})
    assert [i.part_of for i in masks(plan)] == ["", "", ""]
    assert all("check which tissue" in i.warnings[0] for i in masks(plan))


def ball(i: int, radius: float) -> NDArray[np.bool_]:
    place = np.moveaxis(np.indices(MASK.shape), 0, -1) - (i, 16, 16)
    return np.asarray((place**2).sum(axis=-1) <= radius**2)


NO_TISSUES = {
    "lesions": [ball(6, 2), ball(14, 2), ball(22, 2)],
    "one lesion": [ball(6, 2), ball(6, 0) & False, ball(6, 0) & False],
    "readers who agree": [ball(14, 4)] * 3,
}


@pytest.mark.parametrize("channels", NO_TISSUES.values(), ids=NO_TISSUES)
def test_channels_that_may_be_lesions_or_readers_stay_apart(tmp_path: Path, channels: list[NDArray[np.bool_]]) -> None:
    plan = visit_with(tmp_path, {"lesions.nii.gz": np.stack(channels, axis=-1)})
    assert [i.part_of for i in masks(plan)] == ["", "", ""]


def test_one_tissues_mask_alone_is_read_as_before_unless_its_name_is_clear(tmp_path: Path) -> None:
    (mask,) = masks(visit_with(tmp_path / "a", {"seg_RC.nii.gz": ET}))
    assert (mask.mapping[1], mask.part_of) == (1, "")
    assert "check which tissue" in mask.warnings[0]
    (clear,) = masks(visit_with(tmp_path / "b", {"enhancing_mask.nii.gz": ET}))
    assert (clear.mapping[1], clear.warnings) == (3, ("Its name says ET.",))
    (own,) = masks(visit_with(tmp_path / "c", {"edema_mask.nii.gz": ET}, value=3))
    assert own.mapping[3] == 3, "a value of the program's own"
