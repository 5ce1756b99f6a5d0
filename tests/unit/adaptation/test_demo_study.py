"""The demo study, built on a coarse grid."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from glioma_annotator.adaptation.synthesis import demo_study
from glioma_annotator.adaptation.synthesis.tumour import ET, NETC, RC, SNFH
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging.label_conventions import LabelConvention, read_mask
from glioma_annotator.progress import CancelToken, Progress, ignore_progress

STEP = 3


def build(folder: Path, report=ignore_progress) -> Path:  # type: ignore[no-untyped-def]
    return demo_study.build_demo_study(folder, report, CancelToken(), step=STEP)


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("nilearn")
    return build(tmp_path_factory.mktemp("home") / "demo")


def files(study: Path) -> list[Path]:
    return sorted(study.rglob("*.nii.gz"))


def truth(study: Path, visit: int) -> np.ndarray:
    session = demo_study.VISITS[visit].session
    return voxels(study.parent / demo_study.TRUTH / f"sub-DEMO_ses-{session}_dseg.nii.gz")


def image(study: Path, visit: int, name: str) -> np.ndarray:
    session = demo_study.VISITS[visit].session
    return voxels(study / "sub-DEMO" / f"ses-{session}" / "anat" / f"sub-DEMO_ses-{session}_{name}.nii.gz")


def test_three_visits_of_four_sequences_share_one_grid(study: Path) -> None:
    assert len(files(study)) == 12
    assert len({nib.load(f).shape for f in files(study)}) == 1
    first = nib.load(files(study)[0]).affine
    assert all(np.array_equal(nib.load(f).affine, first) for f in files(study))
    assert nib.aff2axcodes(first) == ("R", "A", "S")


def test_true_masks_lie_outside_the_folder_that_is_imported(study: Path) -> None:
    assert not list(study.rglob("*dseg*"))
    assert len(list((study.parent / demo_study.TRUTH).glob("*_dseg.nii.gz"))) == 3


def test_true_masks_are_read_as_what_they_are(study: Path) -> None:
    for path in (study.parent / demo_study.TRUTH).glob("*_dseg.nii.gz"):  # a 4 without a 3 is ET in other files
        mask, convention = read_mask(path, GLIOMA_POST_TREATMENT)
        assert convention is LabelConvention.PROGRAM and np.array_equal(mask.data, voxels(path))


def test_sessions_table_gives_the_dates_in_order(study: Path) -> None:
    rows = (study / "sub-DEMO" / "sub-DEMO_sessions.tsv").read_text().splitlines()
    assert rows[0].split("\t")[:2] == ["session_id", "acq_time"]
    dates = [row.split("\t")[1] for row in rows[1:]]
    assert dates == sorted(dates)
    assert all((study / "sub-DEMO" / row.split("\t")[0]).is_dir() for row in rows[1:])


def test_visits_show_tumour_then_cavity_then_recurrence(study: Path) -> None:
    before, after, recurrence = (set(np.unique(truth(study, n))) - {0} for n in range(3))
    assert before == {NETC, SNFH, ET}
    assert after == {SNFH, RC}
    assert {SNFH, ET, RC} <= recurrence


def test_contrasts_are_those_of_a_glioma(study: Path) -> None:
    labels = truth(study, 0)
    t1, t1gd, t2, flair = (image(study, 0, n).astype(float) for n in ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR"))
    brain = (labels == 0) & (t1 > 0)
    assert np.median(t1gd[labels == ET]) > 1.3 * np.median(t1gd[brain])
    assert np.median(t1[labels == ET]) < np.median(t1[brain])
    assert np.median(flair[labels == SNFH]) > 1.2 * np.median(flair[brain])
    assert np.median(t2[labels == NETC]) > 1.3 * np.median(t2[brain])
    cavity = truth(study, 1) == RC
    assert np.median(image(study, 1, "FLAIR")[cavity]) < np.median(flair[brain])


def test_every_voxel_outside_the_brain_is_zero_in_all_sequences(study: Path) -> None:
    for visit in range(3):
        outside = image(study, visit, "T1w") == 0
        labels = truth(study, visit)
        assert not labels[outside].any()


def test_a_second_build_gives_the_same_voxels(study: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "demo")
    for one, other in zip(files(study), files(again), strict=True):
        assert np.array_equal(voxels(one), voxels(other))


def test_a_finished_study_is_not_built_again(study: Path) -> None:
    reports: list[Progress] = []
    before = {f: f.stat().st_mtime_ns for f in files(study)}
    assert build(study.parent, reports.append) == study
    assert not reports
    assert {f: f.stat().st_mtime_ns for f in files(study)} == before


def test_an_older_version_is_replaced(tmp_path: Path) -> None:
    pytest.importorskip("nilearn")
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / demo_study.STAMP).write_text('{"version": 0}')
    (folder / "old").write_text("")
    assert len(files(build(folder))) == 12
    assert not (folder / "old").exists()


def test_a_folder_with_other_content_is_refused_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="something other"):
        build(folder)
    assert (folder / "precious.txt").read_text() == "mine"


def test_a_cancelled_build_leaves_nothing_behind(tmp_path: Path) -> None:
    pytest.importorskip("nilearn")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        demo_study.build_demo_study(tmp_path / "demo", ignore_progress, cancel, step=STEP)
    assert list(tmp_path.iterdir()) == []


def test_without_nilearn_the_user_is_told_which_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(demo_study, "find_spec", lambda name: None if name == "nilearn" else real(name))
    with pytest.raises(UserError, match=r"glioma-annotator\[demo\]"):
        build(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []
