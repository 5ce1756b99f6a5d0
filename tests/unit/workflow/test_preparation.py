"""Raw scans are registered and stripped on their way into the workspace."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeStore
from numpy.typing import NDArray
from phantoms import FLAIR, T1GD, T2, head, tumour_mask, write_nifti
from scipy.ndimage import binary_dilation
from scipy.spatial.transform import Rotation

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.import_plan import ImportPlan, Preparation
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging import registration
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress
from glioma_annotator.workflow.import_study import propose_import, run_import, with_preparation
from glioma_annotator.workflow.preparation import NO_MODEL, Prepared, place_mask

SKULL = 600.0
_FOUND: dict[str, registration.Registration] = {}


@pytest.fixture(autouse=True)
def _each_pair_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registering is the longest part of these tests, and the same scans with the same masks give the same place."""
    real = registration.register

    def register(
        fixed: Volume,
        moving: Volume,
        *,
        fixed_mask: NDArray[np.bool_] | None,
        moving_mask: NDArray[np.bool_] | None,
        finest_mm: float,
        cancel: CancelToken,
    ) -> registration.Registration:
        given = (fixed.data, fixed.grid.affine, moving.data, moving.grid.affine, fixed_mask, moving_mask)
        told = [b"" if a is None else str(a.shape).encode() + a.tobytes() for a in given]
        key = hashlib.sha256(b"|".join([*told, repr(finest_mm).encode()])).hexdigest()
        if key not in _FOUND or cancel.cancelled:
            _FOUND[key] = real(
                fixed, moving, fixed_mask=fixed_mask, moving_mask=moving_mask, finest_mm=finest_mm, cancel=cancel
            )
        return _FOUND[key]

    monkeypatch.setattr(registration, "register", register)


def upright(mm: float = 6.0, slice_mm: float | None = None) -> Grid:
    size = np.array([mm, mm, slice_mm or mm])
    shape = np.ceil(np.array([176.0, 208, 176]) / size).astype(int)
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = -(shape - 1) / 2 * size
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def with_skull(role: SequenceRole, grid: Grid) -> NDArray[np.float32]:
    """The phantom's brain within bone and scalp, in noisy air."""
    brain = head(role, grid)
    ball = np.linalg.norm(np.indices((5, 5, 5)) - 2, axis=0) <= 2
    bone = binary_dilation(brain > 0, ball)
    scalp = binary_dilation(bone, ball)
    air = np.abs(np.random.default_rng(0).normal(0, 4, grid.shape)) + 1
    return np.where(brain > 0, brain, np.where(scalp & ~bone, SKULL, air)).astype(np.float32)


def moved() -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (7, -4, 6), degrees=True).as_matrix()
    matrix[:3, 3] = (9, -6, 12)
    return matrix


def raw_visit(folder: Path, *, mask: bool = False) -> Path:
    """T1Gd, T2 and a FLAIR whose header does not say that the patient moved."""
    visit = folder / "PAT-1"
    for role, name, grid, place in (
        (T1GD, "t1c.nii.gz", upright(), np.eye(4)),
        (T2, "t2.nii.gz", upright(5.0, 7.0), np.eye(4)),
        (FLAIR, "flair.nii.gz", upright(6.0, 5.0), moved()),
    ):
        write_nifti(visit / name, np.rint(with_skull(role, grid)).astype(np.int16), place @ grid.affine)
    if mask:
        flair = upright(6.0, 5.0)
        write_nifti(visit / "seg.nii.gz", tumour_mask(flair, (1, 2, 3)), moved() @ flair.affine)
    return folder


class PhantomBrain:
    """A `BrainFinder` that knows where the phantom's brain is: it is brighter than bone, darker than scalp."""

    def __init__(self, available: bool = True) -> None:
        self.available = available
        self.asked = 0

    def share(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.float32]:
        self.asked += 1
        for place in (np.eye(4), moved()):
            grid = Grid(volume.grid.shape, np.linalg.inv(place) @ volume.grid.affine)
            role = min((T1GD, T2, FLAIR), key=lambda r: np.abs(np.rint(with_skull(r, grid)) - volume.data).mean())
            if np.abs(np.rint(with_skull(role, grid)) - volume.data).mean() < 1:
                return (head(role, grid) > 0).astype(np.float32)
        raise AssertionError("not the phantom")


def propose(path: Path) -> ImportPlan:
    return propose_import([path], ignore_progress, CancelToken())


def run(plan: ImportPlan, brain: PhantomBrain | None, store: FakeStore) -> tuple[str, ...]:
    return run_import(plan, store, "Reader", ignore_progress, CancelToken(), brain).messages


def test_raw_scans_are_recognised_and_stripped_ones_left_alone(tmp_path: Path) -> None:
    plan = propose(raw_visit(tmp_path / "raw"))
    assert [v.preparation for v in plan.visits] == [Preparation.STRIP]
    assert not any(i.warnings for i in plan.items)
    grid = upright()
    write_nifti(tmp_path / "stripped" / "PAT-2" / "t1c.nii.gz", head(T1GD, grid).astype(np.int16), grid.affine)
    assert [v.preparation for v in propose(tmp_path / "stripped").visits] == [Preparation.NONE]


def test_raw_scans_are_registered_to_the_reference_and_stripped(tmp_path: Path) -> None:
    store, brain = FakeStore(), PhantomBrain()
    messages = run(propose(raw_visit(tmp_path, mask=True)), brain, store)
    (patient,) = store.patients()
    (visit,) = store.timepoints(patient.id or 0)
    assert brain.asked == 3
    assert visit.reference == "T1Gd"
    assert visit.grid.matches(read_volume(tmp_path / "PAT-1" / "t1c.nii.gz").volume.grid)
    truth = head(T1GD, visit.grid) > 0
    for name, role in (("T1Gd", T1GD), ("T2", T2), ("FLAIR", FLAIR)):
        data = store.load_image(visit, name).data
        both = np.count_nonzero((data > 0) & truth)
        assert 2 * both / (np.count_nonzero(data > 0) + np.count_nonzero(truth)) > 0.93, name
        inside = (data > 0) & truth
        assert np.corrcoef(data[inside], head(role, visit.grid)[inside])[0, 1] > 0.7, name
    assert {s.name for s in visit.sequences if s.resampled} == {"T2", "FLAIR"}
    assert any("FLAIR was registered to T1Gd" in m for m in messages)
    # The mask was drawn on the FLAIR and goes where the FLAIR went.
    (revision,) = store.revisions(visit.id or 0)
    carried, expected = store.load_labels(revision) > 0, tumour_mask(visit.grid, (1, 2, 3)) > 0
    assert 2 * np.count_nonzero(carried & expected) / (carried.sum() + expected.sum()) > 0.75


@pytest.mark.parametrize("brain", [None, PhantomBrain(available=False)])
def test_without_a_brain_model_the_skull_stays_and_the_reader_is_told(
    tmp_path: Path, brain: PhantomBrain | None
) -> None:
    store = FakeStore()
    assert NO_MODEL in run(propose(raw_visit(tmp_path)), brain, store)
    (patient,) = store.patients()
    (visit,) = store.timepoints(patient.id or 0)
    assert store.load_image(visit, "T1Gd").data.min() > 0


def test_the_reader_can_have_raw_scans_stored_as_they_are(tmp_path: Path) -> None:
    plan = propose(raw_visit(tmp_path))
    (visit,) = plan.visits
    plan = with_preparation(plan, visit.patient, visit.key, Preparation.NONE)
    store, brain = FakeStore(), PhantomBrain()
    assert run(plan, brain, store) == ()
    assert brain.asked == 0


def test_a_localiser_of_a_few_slices_does_not_keep_the_visit_out(tmp_path: Path) -> None:
    folder = raw_visit(tmp_path)
    grid = upright(3.0, 12.0)
    few = np.rint(with_skull(T2, grid)).astype(np.int16)[:, :, 6:9]
    place = grid.affine.copy()
    place[:3, 3] = grid.index_to_world((0, 0, 6))
    write_nifti(folder / "PAT-1" / "localizer.nii.gz", few, place)
    notes = run(propose(folder), None, FakeStore())
    assert "localizer was left where its header puts it: it has too few slices (3) to register." in notes
    assert any(note.startswith("FLAIR was registered to T1Gd") for note in notes)


def test_a_scan_in_which_no_brain_can_be_looked_for_is_named(tmp_path: Path) -> None:
    class TooLong(PhantomBrain):
        def share(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.float32]:
            raise UserError("The scan would be 700 mm long.", "Correct the header, or leave the file out.")

    with pytest.raises(UserError, match=r"T2: The scan would be 700 mm long\. Correct the header"):
        run(propose(raw_visit(tmp_path)), TooLong(), FakeStore())


def test_a_head_without_brain_is_refused_with_a_sentence(tmp_path: Path) -> None:
    class NoBrain(PhantomBrain):
        def share(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.float32]:
            return np.zeros(volume.data.shape, np.float32)

    store = FakeStore()
    with pytest.raises(UserError, match="No brain was found"):
        run(propose(raw_visit(tmp_path)), NoBrain(), store)
    assert store.patients() == ()


def test_a_cancelled_preparation_stores_nothing(tmp_path: Path) -> None:
    plan, store, token = propose(raw_visit(tmp_path)), FakeStore(), CancelToken()

    def report(progress: Progress) -> None:
        if progress.message.startswith("Registering"):
            token.cancel()

    with pytest.raises(Cancelled):
        run_import(plan, store, "Reader", report, token, PhantomBrain())
    assert store.patients() == ()


def test_progress_names_every_step_and_ends_at_one(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run_import(propose(raw_visit(tmp_path)), FakeStore(), "Reader", seen.append, CancelToken(), PhantomBrain())
    assert [p.fraction for p in seen] == sorted(p.fraction for p in seen)
    assert seen[-1].fraction == pytest.approx(1.0)
    assert {"Finding the brain in FLAIR", "Registering FLAIR"} <= {p.message for p in seen}


def moved_apart() -> tuple[Grid, Prepared]:
    """A reference, and a sequence of the same voxels that registration moved by 10 mm."""
    target = upright()
    away = np.eye(4)
    away[0, 3] = 10
    return target, Prepared({}, frozenset(), (), ((target, Grid(target.shape, away @ target.affine)), (target, target)))


def test_a_mask_on_the_reference_s_voxels_stays_where_it_is() -> None:
    target, prepared = moved_apart()
    labels = tumour_mask(target, (1, 2, 3))
    assert np.array_equal(place_mask(labels, target, prepared, target), labels)


def test_a_mask_from_elsewhere_is_refused_for_raw_scans_too(tmp_path: Path) -> None:
    folder = raw_visit(tmp_path)
    far = np.eye(4)
    far[:3, 3] = 850
    write_nifti(folder / "PAT-1" / "seg.nii.gz", tumour_mask(upright(), (1, 2, 3)), far @ upright(5.5).affine)
    with pytest.raises(UserError, match=r"seg\.nii\.gz"):
        run(propose(folder), PhantomBrain(), FakeStore())
