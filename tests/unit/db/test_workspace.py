"""What goes into a workspace comes out again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glioma_annotator.db import volumes
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import Sequence, SequenceRole, Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure, UserError

Save = Callable[..., SegmentationRevision]
MakeVisit = Callable[..., Timepoint]


def test_a_new_workspace_has_no_patients(workspace: Workspace) -> None:
    assert workspace.patients() == ()
    assert workspace.patient("PAT-0042") is None
    assert not workspace.read_only


def test_a_workspace_is_for_its_owner_only(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    save(visit, labels)
    workspace.journal(visit.id or 0).restart(None)
    for path in [workspace.path, *workspace.path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_patients_come_in_order_of_their_keys(workspace: Workspace) -> None:
    added = {key: workspace.add_patient(key) for key in ("P2", "P10", "P1")}
    assert [p.key for p in workspace.patients()] == ["P1", "P10", "P2"]
    assert workspace.patient("P10") == added["P10"] == Patient("P10", added["P10"].id)


def test_a_patient_key_is_given_once(workspace: Workspace) -> None:
    workspace.add_patient("P1")
    with pytest.raises(UserError, match="already has a patient P1"):
        workspace.add_patient("P1")


@pytest.mark.parametrize("key", ["", "  ", "a\0b", "a\nb"])
def test_a_key_that_cannot_be_shown_is_refused(workspace: Workspace, key: str) -> None:
    with pytest.raises(UserError, match="cannot serve as a patient's key"):
        workspace.add_patient(key)


@pytest.mark.parametrize(
    "key",
    ["../../x", "/etc/passwd", "..", "C:\\x", "nul", "x" * 3000, "Ä ö", "患者", "a/b", "-", "COM1.a", "~", "*?|<>"],
)
def test_hostile_keys_stay_inside_the_workspace(
    workspace: Workspace, make_visit: MakeVisit, grid: Grid, key: str, labels: LabelArray, save: Save
) -> None:
    patient = workspace.add_patient(key)
    image = Volume(np.ones(grid.shape, np.float32), grid)
    sequences = (Sequence(key, SequenceRole.OTHER, ""), Sequence(key.upper() + " ", SequenceRole.OTHER, ""))
    planned = make_visit(patient.id or 0, key, sequences=sequences, reference=key)
    stored = workspace.add_timepoint(planned, {s.name: image for s in sequences})
    revision = save(stored, labels)
    assert workspace.patient(key) == patient
    assert stored.key == key
    assert {s.name for s in stored.sequences} == {s.name for s in sequences}
    for path in (*(s.path for s in stored.sequences), revision.path):
        file = workspace.path / path
        assert file.is_file()
        assert file.resolve().is_relative_to(workspace.path / "patients")
        assert all(len(part) <= 80 for part in Path(path).parts)
    assert not workspace.check()


def test_keys_that_differ_in_case_alone_get_folders_that_do_not_collide(
    workspace: Workspace, make_visit: MakeVisit, images: dict[str, Volume]
) -> None:
    paths = []
    for patient in (workspace.add_patient("pat-1"), workspace.add_patient("PAT-1")):
        for key in ("visit", "VISIT"):
            stored = workspace.add_timepoint(make_visit(patient.id or 0, key, date=None), images)
            paths += [s.path for s in stored.sequences]
    assert len({path.casefold() for path in paths}) == len(paths) == 8


def test_a_visit_comes_back_as_it_was_stored(
    workspace: Workspace, make_visit: MakeVisit, images: dict[str, Volume], tmp_path: Path
) -> None:
    patient = workspace.add_patient("P")
    planned = make_visit(patient.id or 0)
    stored = workspace.add_timepoint(planned, images)
    workspace.close()
    with open_workspace(tmp_path / "study") as reopened:
        (found,) = reopened.timepoints(patient.id or 0)
        assert found.id == stored.id
        assert found.sequences == stored.sequences
        for name in ("patient_id", "key", "order", "date", "day", "phase", "reference", "source_axes"):
            assert getattr(found, name) == getattr(planned, name)
        assert found.grid.shape == planned.grid.shape
        np.testing.assert_array_equal(found.grid.affine, planned.grid.affine)
        for name, image in images.items():
            loaded = reopened.load_image(found, name)
            assert loaded.data.dtype == np.float32
            assert loaded.grid is found.grid
            np.testing.assert_allclose(loaded.data, image.data)
        assert [dataclasses.replace(s, id=None, path="") for s in found.sequences] == list(planned.sequences)


@pytest.mark.parametrize("degrees", [0, 30, 44.99, 45, 45.01, 60])
def test_an_oblique_grid_comes_back_in_the_same_axis_order(
    workspace: Workspace, make_visit: MakeVisit, degrees: float, labels: LabelArray, save: Save
) -> None:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.array([[c, -s, 0, 1 / 3], [s, c, 0, np.pi], [0, 0, 1.7, -1], [0, 0, 0, 1]])
    if degrees > 45:  # canonical axis order: axis 0 runs more to the right than to anterior
        affine = affine[:, [1, 0, 2, 3]] * [-1, 1, 1, 1]
    grid = Grid(labels.shape, affine)
    data = np.arange(labels.size, dtype=np.float32).reshape(grid.shape)
    planned = make_visit(
        workspace.add_patient("P").id or 0, grid=grid, sequences=(Sequence("T1Gd", SequenceRole.T1GD, ""),)
    )
    stored = workspace.add_timepoint(planned, {"T1Gd": Volume(data, grid)})
    np.testing.assert_array_equal(workspace.load_image(stored, "T1Gd").data, data)
    np.testing.assert_array_equal(workspace.load_labels(save(stored, labels)), labels)


def test_a_visit_whose_mask_cannot_be_written_leaves_nothing_behind(
    workspace: Workspace,
    make_visit: MakeVisit,
    images: dict[str, Volume],
    labels: LabelArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patient = workspace.add_patient("P1")

    def full(*_: object) -> str:
        raise EnvironmentFailure("The disk is full.")

    mask = ImportedMask(labels, GLIOMA_POST_TREATMENT, "reader", "Imported from seg.nii.gz")
    with monkeypatch.context() as patched, pytest.raises(EnvironmentFailure):
        patched.setattr(volumes, "save_labels", full)
        workspace.add_timepoint(make_visit(patient.id), images, [mask])
    assert workspace.timepoints(patient.id or 0) == ()
    assert workspace.check() == []
    visit = workspace.add_timepoint(make_visit(patient.id), images, [mask])
    (revision,) = workspace.revisions(visit.id or 0)
    assert np.array_equal(workspace.load_labels(revision), labels)
    assert (revision.origin, revision.note) == (RevisionOrigin.IMPORTED, "Imported from seg.nii.gz")


def test_a_visit_key_is_given_once_per_patient(
    workspace: Workspace, visit: Timepoint, make_visit: MakeVisit, images: dict[str, Volume]
) -> None:
    with pytest.raises(UserError, match="already has a visit 2020-01-31"):
        workspace.add_timepoint(make_visit(visit.patient_id), images)
    other = workspace.add_patient("other")
    workspace.add_timepoint(make_visit(other.id or 0), images)
    assert len(workspace.timepoints(visit.patient_id)) == 1


def test_visits_are_ordered_by_date_then_by_day_then_as_given(
    workspace: Workspace, make_visit: MakeVisit, images: dict[str, Volume]
) -> None:
    def keys(patient: str, *visits: dict[str, object]) -> list[tuple[str, int]]:
        patient_id = workspace.add_patient(patient).id or 0
        for fields in visits:
            workspace.add_timepoint(make_visit(patient_id, **({"date": None} | fields)), images)
        return [(v.key, v.order) for v in workspace.timepoints(patient_id)]

    later, earlier = dt.date(2021, 5, 1), dt.date(2020, 5, 1)
    dated = [{"key": "b", "order": 0, "date": later}, {"key": "a", "order": 0, "date": earlier}]
    assert keys("dated", *dated) == [("a", 0), ("b", 1)]
    assert keys("by day", {"key": "b", "day": 262}, {"key": "a", "day": 0}) == [("a", 0), ("b", 1)]
    given = [{"key": "b", "order": 7}, {"key": "a", "order": 3, "date": later}, {"key": "c", "order": 9}]
    assert keys("as given", *given) == [("a", 0), ("b", 1), ("c", 2)]


def test_a_visit_needs_an_image_for_every_sequence_on_its_own_grid(
    workspace: Workspace, make_visit: MakeVisit, images: dict[str, Volume], grid: Grid
) -> None:
    planned = make_visit(workspace.add_patient("P").id or 0)
    with pytest.raises(ValueError, match="FLAIR"):
        workspace.add_timepoint(planned, {"T1Gd": images["T1Gd"]})
    elsewhere = Volume(images["T1Gd"].data, Grid(grid.shape, np.eye(4)))
    with pytest.raises(ValueError, match="another grid"):
        workspace.add_timepoint(planned, images | {"FLAIR": elsewhere})
    with pytest.raises(UserError, match="needs a key"):
        workspace.add_timepoint(dataclasses.replace(planned, key=" "), images)
    assert workspace.timepoints(planned.patient_id) == ()


def test_a_display_window_is_kept_and_can_be_given_up(workspace: Workspace, visit: Timepoint) -> None:
    sequence = visit.sequences[1]
    workspace.set_window(sequence.id or 0, Window(-12.5, 880.25))
    found = workspace.timepoint(visit.id or 0).sequence("FLAIR")
    assert found is not None
    assert found.window == Window(-12.5, 880.25)
    workspace.set_window(sequence.id or 0, None)
    assert workspace.timepoint(visit.id or 0).sequences == visit.sequences
    with pytest.raises(KeyError):
        workspace.set_window(999, None)


def test_a_revision_comes_back_as_it_was_saved(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save, tmp_path: Path
) -> None:
    before = dt.datetime.now(dt.UTC)
    first = save(visit, labels, origin=RevisionOrigin.AUTOMATIC, model="base@0123", note="first")
    second = save(visit, np.zeros_like(labels), parent_id=first.id)
    workspace.close()
    with open_workspace(tmp_path / "study") as reopened:
        assert reopened.revisions(visit.id or 0) == (first, second)
        np.testing.assert_array_equal(reopened.load_labels(first), labels)
        assert not reopened.load_labels(second).any()
    assert (first.number, second.number) == (1, 2)
    assert (first.path, second.path) == tuple(
        f"patients/PAT-0042/2020-01-31/segmentations/000{n}.nii.gz" for n in (1, 2)
    )
    assert before <= first.created_utc <= second.created_utc
    assert first.created_utc.utcoffset() == dt.timedelta(0)
    assert first.status is RevisionStatus.DRAFT
    voxel_ml = visit.grid.voxel_volume_ml
    assert first.volumes_ml == pytest.approx({"NETC": voxel_ml, "SNFH": 0, "ET": 6 * voxel_ml, "RC": 0})
    assert first.content_sha256 != second.content_sha256


def test_a_mask_on_another_grid_or_of_another_type_is_refused(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    for unfit in (labels[:-1], labels.astype(np.int16)):
        with pytest.raises(ValueError, match="uint8 labels on its grid"):
            save(visit, unfit)
    with pytest.raises(KeyError):
        save(visit, labels, parent_id=99)
    assert workspace.revisions(visit.id or 0) == ()


def test_masks_in_fortran_order_or_with_unknown_values_are_kept_exactly(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    odd = np.asfortranarray(labels)
    odd[0, 0, 0] = 255
    loaded = workspace.load_labels(save(visit, odd))
    np.testing.assert_array_equal(loaded, odd)
    assert loaded.flags.c_contiguous
    assert loaded.flags.writeable


def test_a_revision_can_be_approved_and_become_a_draft_again(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    revision = save(visit, labels)
    for status in (RevisionStatus.APPROVED, RevisionStatus.APPROVED, RevisionStatus.DRAFT):
        workspace.set_status(revision.id or 0, status)
        assert workspace.revisions(visit.id or 0) == (dataclasses.replace(revision, status=status),)
    with pytest.raises(KeyError):
        workspace.set_status(999, RevisionStatus.DRAFT)


def test_a_changed_mask_file_is_noticed(workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save) -> None:
    first, second = save(visit, labels), save(visit, np.zeros_like(labels))
    (workspace.path / first.path).write_bytes((workspace.path / second.path).read_bytes())
    with pytest.raises(UserError, match=r"0001\.nii\.gz has been changed since it was saved"):
        workspace.load_labels(first)


def test_a_missing_or_truncated_file_is_named(workspace: Workspace, visit: Timepoint) -> None:
    first, second = (workspace.path / s.path for s in visit.sequences)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"T1Gd\.nii\.gz is missing"):
        workspace.load_image(visit, "T1Gd")
    with pytest.raises(UserError, match=r"FLAIR\.nii\.gz"):
        workspace.load_image(visit, "FLAIR")
    with pytest.raises(UserError, match="has no sequence ADC"):
        workspace.load_image(visit, "ADC")


def test_the_view_of_each_patient_is_kept(workspace: Workspace, tmp_path: Path) -> None:
    one, two = (workspace.add_patient(key).id or 0 for key in ("one", "two"))
    assert workspace.view_state(one) == {}
    state = {"layout": "planes", "crosshair_mm": [1.5, -2.25, 0], "maximised": None, "nested": {"ü": True}}
    workspace.set_view_state(one, {"old": 1})
    workspace.set_view_state(one, state)
    workspace.close()
    with open_workspace(tmp_path / "study") as reopened:
        assert reopened.view_state(one) == state
        assert reopened.view_state(two) == {}
        with pytest.raises(TypeError):
            reopened.set_view_state(one, {"array": object()})
        assert reopened.view_state(one) == state


def test_unknown_ids_raise_key_errors(workspace: Workspace, make_visit: MakeVisit, images: dict[str, Volume]) -> None:
    with pytest.raises(KeyError):
        workspace.timepoint(5)
    with pytest.raises(KeyError):
        workspace.add_timepoint(make_visit(5), images)


def test_threads_share_a_workspace(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save, images: dict[str, Volume]
) -> None:
    def work(value: int) -> tuple[int, bool]:
        same = np.array_equal(workspace.load_image(visit, "T1Gd").data, images["T1Gd"].data)
        workspace.set_view_state(visit.patient_id, {"value": value})
        revision = save(visit, np.full_like(labels, value))
        return revision.number, same and bool((workspace.load_labels(revision) == value).all())

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(1, 13)))
    assert sorted(number for number, _ in results) == list(range(1, 13))
    assert all(same for _, same in results)
    assert not workspace.check()


def test_unsaved_steps_and_the_view_are_kept_while_volumes_are_written(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, finish = threading.Event(), threading.Event()
    save_labels = volumes.save_labels

    def slowly(*arguments: Any) -> str:
        writing.set()
        assert finish.wait(10)
        return save_labels(*arguments)

    monkeypatch.setattr(volumes, "save_labels", slowly)
    with ThreadPoolExecutor(1) as pool:
        saved = pool.submit(save, visit, labels)
        assert writing.wait(10)
        workspace.journal(visit.id or 0).restart(None)
        workspace.set_view_state(visit.patient_id, {"at": 1})
        workspace.set_window(visit.sequences[0].id or 0, Window(0, 1))
        assert workspace.revisions(visit.id or 0) == ()
        assert not saved.done()
        finish.set()
        assert workspace.revisions(visit.id or 0) in ((), (saved.result(),))


def test_closing_twice_is_harmless(workspace: Workspace) -> None:
    workspace.close()
    workspace.close()
