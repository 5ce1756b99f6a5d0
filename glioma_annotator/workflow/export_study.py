"""A patient's images, masks and volumes as files for other programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.measurement import is_seen, label_volumes_ml, region_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionStatus, SegmentationRevision
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write, make_folder
from glioma_annotator.imaging.nifti import write_labels, write_volume
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.export_records import record_tables
from glioma_annotator.workflow.histology_entry import SAMPLE_COLUMNS
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.study_labels import own_labels, study_scheme
from glioma_annotator.workflow.tables import plain_cell
from glioma_annotator.workflow.vasari_entry import VASARI_COLUMNS

VOLUMES_FILE = "volumes.csv"
LABELS_FILE = "labels.csv"
#: First line of the table: by it a later export knows the folder as its own.
_COLUMNS = ("patient", "timepoint", "date", "day", "phase", "revision", "status", "kind", "name", "volume_ml")

_LEGEND_COLUMNS = ("value", "name", "title", "colour")

Row = tuple[object, ...]


def export_patient(
    store: Store, patient_key: str, timepoint_key: str | None, out: Path, report: Report, cancel: CancelToken
) -> tuple[Path, ...]:
    """Write one visit, or all when `timepoint_key` is None, to `out`/PATIENT/TIMEPOINT.

    Every image and the mask of the visit's newest approved revision, else of its newest one, as .nii.gz in the
    reference file's axis order, and `volumes.csv` with mL per label and region (no zeros of what a visit without T1Gd
    cannot show); when all visits are exported, the table of all lies in `out`/PATIENT too, with `vasari.csv` and
    `histology.csv` where there are any. One visit's volumes replace its own in such a table of an earlier export.
    Where labels were added in the workspace, `labels.csv` says what the mask's values mean. An earlier export of the
    patient is replaced, any other file of these names is not, nor the export of another patient whose key makes the
    same folder.

    Returns the files written. Raises `UserError` for an unknown patient or visit, or a folder in use by other files or
    another patient; `EnvironmentFailure` when the disk fails; `Cancelled` between files.
    """
    scheme = study_scheme(store)
    visits = _visits(store, patient_key, timepoint_key)
    folder = out / _file_name(patient_key)
    masks = {visit.key: best_revision(store.revisions(_id(visit))) for visit in visits}
    targets = _targets(folder, visits, masks)
    tables = {visit.key: folder / _file_name(visit.key) / VOLUMES_FILE for visit in visits}
    if timepoint_key is None or _is_export(folder / VOLUMES_FILE):
        tables[""] = folder / VOLUMES_FILE
    legends = [table.with_name(LABELS_FILE) for table in tables.values()] if own_labels(scheme) else []
    told = record_tables(store, patient_key, visits) if timepoint_key is None else {}
    records = {folder / name: table for name, table in told.items()}
    _refuse_others(store, folder, patient_key, visits)
    _refuse_foreign([*targets.values(), *tables.values(), *legends, *records])
    steps = StepProgress(report, len(targets), "Exporting")
    rows: list[Row] = []
    for visit in visits:
        make_folder(tables[visit.key].parent)
        # First, so that a cancelled export is still known as one.
        _write_table(tables[visit.key], ())
        for sequence in visit.sequences:
            cancel.raise_if_cancelled()
            write_volume(targets[visit.key, sequence.name], store.load_image(visit, sequence.name), visit.source_axes)
            steps.step(f"Writing {sequence.name} of {visit.key}")
        if revision := masks[visit.key]:
            cancel.raise_if_cancelled()
            labels = store.load_labels(revision)
            write_labels(targets[visit.key, ""], labels, visit.grid, visit.source_axes)
            steps.step(f"Writing the mask of {visit.key}")
            ml = label_volumes_ml(labels, visit.grid.voxel_volume_ml, scheme)
            own = _rows(patient_key, visit, revision, "label", ml)
            own += _rows(patient_key, visit, revision, "region", region_volumes_ml(ml, scheme))
            _write_table(tables[visit.key], own)
            rows += own
    if "" in tables:
        make_folder(folder)
        if timepoint_key is not None:
            course = [str(plain_cell(visit.key)) for visit in _visits(store, patient_key, None)]
            rows = _among_others(rows, tables[""], str(plain_cell(timepoint_key)), course)
        _write_table(tables[""], rows)
    for path, (columns, recorded) in records.items():
        _write_table(path, recorded, columns)
    for legend in legends:
        _write_legend(legend, scheme)
    if timepoint_key is None:
        _remove_earlier(folder / "vasari.csv", VASARI_COLUMNS, records)
        _remove_earlier(folder / "histology.csv", SAMPLE_COLUMNS, records)
    for table in tables.values():
        _remove_earlier(table.with_name(LABELS_FILE), _LEGEND_COLUMNS, legends)
    return (*targets.values(), *tables.values(), *legends, *records)


def best_revision(revisions: Sequence[SegmentationRevision]) -> SegmentationRevision | None:
    """The newest approved revision, else the newest one."""
    approved = [r for r in revisions if r.status is RevisionStatus.APPROVED]
    return max(approved or revisions, key=lambda r: r.number, default=None)


def _visits(store: Store, patient_key: str, timepoint_key: str | None) -> tuple[Timepoint, ...]:
    patient = store.patient(patient_key)
    if patient is None or patient.id is None:
        known = ", ".join(p.key for p in store.patients()) or "none"
        raise UserError(f"The workspace has no patient {patient_key}.", f"Patients in it: {known}.")
    visits = store.timepoints(patient.id)
    if timepoint_key is None:
        return visits
    chosen = tuple(v for v in visits if v.key == timepoint_key)
    if not chosen:
        known = ", ".join(v.key for v in visits) or "none"
        raise UserError(f"Patient {patient_key} has no visit {timepoint_key}.", f"Visits: {known}.")
    return chosen


def _targets(
    folder: Path, visits: Sequence[Timepoint], masks: dict[str, SegmentationRevision | None]
) -> dict[tuple[str, str], Path]:
    """File by visit key and sequence name; the mask's sequence name is empty."""
    targets: dict[tuple[str, str], Path] = {}
    for visit in visits:
        place = folder / _file_name(visit.key)
        for sequence in visit.sequences:
            name = _file_name(sequence.name)
            taken = masks[visit.key] and name.casefold() == "mask"
            targets[visit.key, sequence.name] = place / (f"{name}-image.nii.gz" if taken else f"{name}.nii.gz")
        if masks[visit.key]:
            targets[visit.key, ""] = place / "mask.nii.gz"
    if len({str(p).lower() for p in targets.values()}) < len(targets):
        raise UserError(
            "Two sequences or visits would be written to the same file: their names differ in special characters only.",
            "Export the visits one by one, each to a folder of its own.",
        )
    return targets


def _refuse_others(store: Store, folder: Path, patient_key: str, visits: Sequence[Timepoint]) -> None:
    """Refuse to mix with the export of another patient or visit whose key makes the same folder name."""
    tables = [folder / VOLUMES_FILE, *sorted(folder.glob(f"*/{VOLUMES_FILE}"))]
    _refuse_other("patient", patient_key, folder, tables, [patient.key for patient in store.patients()])
    patient = store.patient(patient_key)
    keys = [visit.key for visit in store.timepoints(patient.id or 0)] if patient else []
    for visit in visits:
        place = folder / _file_name(visit.key)
        _refuse_other("timepoint", visit.key, place, [place / VOLUMES_FILE], keys)


def _refuse_other(column: str, key: str, folder: Path, tables: Sequence[Path], keys: Sequence[str]) -> None:
    """`keys` are all there are in the workspace: where there is no mask, no row of the tables tells whose they are."""
    named = {row[column] for table in tables for row in _held(table)}
    holds = "holds" if named else "may hold"
    if not named and any(map(_is_export, tables)):
        named = {other for other in keys if _file_name(other).casefold() == _file_name(key).casefold()}
    others = sorted(named - {key, str(plain_cell(key))})
    if others:
        what = "visit" if column == "timepoint" else column
        raise UserError(
            f"The folder {folder} {holds} the export of {what} {others[0]}, whose key makes the same folder name as"
            f" {key}.",
            f"Export {what} {key} to another folder, or move that one away first.",
        )


def _held(table: Path) -> Iterator[Mapping[str, str]]:
    """Every row of an export's table."""
    if _is_export(table):
        with table.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _among_others(rows: Sequence[Row], table: Path, visit: str, course: Sequence[str]) -> list[Row]:
    """A visit's rows with those that an export's table has of other visits, in the order of the course."""
    parts: dict[str, list[Row]] = {visit: list(rows)}
    for row in _held(table):
        if row["timepoint"] != visit:
            parts.setdefault(row["timepoint"], []).append(tuple(row[name] for name in _COLUMNS))
    keys = [*(key for key in course if key in parts), *(key for key in parts if key not in course)]
    return [row for key in keys for row in parts[key]]


def _refuse_foreign(targets: Sequence[Path]) -> None:
    """Refuse to replace a file unless an earlier export's table lies beside it."""
    for target in targets:
        if target.exists() and not _is_export(target.with_name(VOLUMES_FILE)):
            raise UserError(f"{target} is there already and was not written by an export.", "Choose another folder.")


def _remove_earlier(path: Path, columns: Sequence[str], written: Collection[Path]) -> None:
    """Take away a table of an earlier export that has nothing to tell any more. Raises `EnvironmentFailure`."""
    if path in written or not _begins_with(path, columns):
        return
    try:
        path.unlink()
    except OSError as error:
        raise EnvironmentFailure(
            f"{path} tells of what is recorded no more, and could not be removed ({error.strerror or error}).",
            "Close the program that has it open, then export again.",
        ) from error


def _is_export(table: Path) -> bool:
    return _begins_with(table, _COLUMNS)


def _begins_with(table: Path, columns: Sequence[str]) -> bool:
    try:
        return table.read_text(encoding="utf-8").startswith(",".join(columns))
    except (OSError, UnicodeDecodeError):
        return False


def _rows(
    patient: str, visit: Timepoint, revision: SegmentationRevision, kind: str, volumes_ml: Mapping[str, float]
) -> list[Row]:
    date = visit.date.isoformat() if visit.date else ""
    day = "" if visit.day is None else visit.day
    head = (patient, visit.key, date, day, visit.phase.value, revision.number, revision.status.value, kind)
    return [(*head, name, f"{ml:.4f}") for name, ml in volumes_ml.items() if is_seen(name, ml, visit.roles)]


def _write_table(path: Path, rows: Sequence[Row], columns: tuple[str, ...] = _COLUMNS) -> None:
    _write_csv(path, [columns, *rows])


def _write_legend(path: Path, scheme: LabelScheme) -> None:
    rows = [(label.value, label.name, label.title, label.colour) for label in scheme.labels]
    _write_csv(path, [_LEGEND_COLUMNS, *rows])


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([plain_cell(cell) for cell in row] for row in rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8"))


def _file_name(key: str) -> str:
    """A key as a file name that every system takes."""
    name = re.sub(r"[^\w.+-]+", "_", key).strip(". ")
    return name or "_"


def _id(visit: Timepoint) -> int:
    if visit.id is None:
        raise ValueError("a stored visit has an id")
    return visit.id
