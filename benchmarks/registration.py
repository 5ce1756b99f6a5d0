"""Landmark error of registered visits beside that of the identity: BraTSReg_002, six pairs set by its publishers.

The visits are imported into a workspace of their own and registered as the window does it, the follow-up fixed. They
lie on one atlas already, so the same is done with the earlier visit moved away by a known matrix. With them: the least
error that any rigid matrix could reach (fitted to the landmarks themselves), and how alike the two scans are around
each pair, which says whether the table is read in the right axes.
Options: --data, the folder of real MRI (default: what GLIOMA_TEST_DATA names, else ../shared/data).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from glioma_annotator import app
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.registration import Method
from glioma_annotator.imaging.reslicing import Placement
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.import_study import propose_import, run_import
from glioma_annotator.workflow.timepoints_together import bend, register_visits

AWAY_MM, AWAY_DEG = (6.0, -5.0, 6.2), (5.0, -4.0, 4.8)
"""10 mm and 8 degrees in all, about the world's axes at the middle of the grid."""

Points = NDArray[np.float64]


def landmarks(path: Path) -> Points:
    """World RAS mm (n, 3) of a BraTS-Reg table, which is in LPS."""
    with path.open(newline="") as file:
        return np.array([[-float(r["X"]), -float(r["Y"]), float(r["Z"])] for r in csv.DictReader(file)])


def away(grid: Grid) -> Points:
    """World to world: where the earlier visit is moved to."""
    centre = grid.index_to_world((np.array(grid.shape) - 1) / 2)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", AWAY_DEG, degrees=True).as_matrix()
    matrix[:3, 3] = centre + AWAY_MM - matrix[:3, :3] @ centre
    return matrix


def move_earlier_visit(folder: Path, target: Path, matrix: Points) -> Path:
    """A copy of the study whose first visit lies elsewhere: the headers say so, no voxel is touched."""
    shutil.copytree(folder, target)
    for path in (target / "tp0_preop_day0000").glob("*.nii.gz"):
        image = nib.load(path)
        moved = nib.Nifti1Image(np.asanyarray(image.dataobj), matrix @ image.affine)
        path.unlink()
        nib.save(moved, path)
    return target


def register(folder: Path, first: Points, last: Points, name: str) -> list[dict[str, object]]:
    """The table's rows for one import of the two visits."""
    cancel = CancelToken()
    with tempfile.TemporaryDirectory() as temporary:
        store = app.open_store(Path(temporary) / "workspace")
        try:
            run_import(propose_import([folder], ignore_progress, cancel), store, "bench", ignore_progress, cancel)
            (patient,) = store.patients()
            earlier, later = store.timepoints(patient.id or 0)
            rows = [_row(name + "identity", Placement(np.eye(4)), first, last, 0.0)]
            for method in (Method.RIGID, Method.AFFINE):
                start = time.process_time()
                found = register_visits(store, later, earlier, method, ignore_progress, cancel)
                took = time.process_time() - start
                rows.append(_row(name + method.value, Placement(found.placed.matrix), first, last, took))
                rows[-1]["shared information"] = [round(found.registration.quality_before, 3), round(found.quality, 3)]
                if method is Method.RIGID:
                    start = time.process_time()
                    field = bend(store, later, earlier, found, ignore_progress, cancel)
                    took = time.process_time() - start
                    bent = _row(name + "rigid, then deformed", Placement(found.placed.matrix, field), first, last, took)
            return [*rows, bent]
        finally:
            store.close()


def _row(name: str, placement: Placement, first: Points, last: Points, seconds: float) -> dict[str, object]:
    error = np.linalg.norm(placement.apply(last) - first, axis=1)
    return {
        "method": name,
        "median_mm": round(float(np.median(error)), 2),
        "mean_mm": round(float(error.mean()), 2),
        "worst_mm": round(float(error.max()), 2),
        "processor_s": round(seconds, 1),
    }


def best_rigid(first: Points, last: Points) -> Points:
    """The rigid matrix from `last` to `first` with the least sum of squares (Kabsch)."""
    matrix = np.eye(4)
    turn, _ = Rotation.align_vectors(first - first.mean(0), last - last.mean(0))
    matrix[:3, :3] = turn.as_matrix()
    matrix[:3, 3] = first.mean(0) - matrix[:3, :3] @ last.mean(0)
    return matrix


def likeness(folder: Path, first: Points, last: Points) -> dict[str, float]:
    """Mean correlation of 9 mm cubes of the two T1Gd: around each pair, and around the same place in both.

    Landmarks that are read rightly mark the same tissue, so that the pairs are more alike than the same places.
    """
    scans = [read_volume(next(folder.glob(f"tp{n}_*")) / "t1ce.nii.gz").volume for n in (0, 1)]
    offsets = np.stack(np.meshgrid(*[np.arange(-4.0, 5.0)] * 3, indexing="ij"), -1).reshape(-1, 3)

    def alike(one: Points, other: Points) -> float:
        cubes = [
            [map_coordinates(scan.data, scan.grid.world_to_index(p + offsets).T, order=1) for p in points]
            for scan, points in zip(scans, (one, other), strict=True)
        ]
        return round(float(np.nanmean([np.corrcoef(a, b)[0, 1] for a, b in zip(*cubes, strict=True)])), 2)

    ends = scans[0].grid.index_to_world(np.array([(0, 0, 0), np.array(scans[0].grid.shape) - 1]))[:, 0]
    mirrored = [p * (-1, 1, 1) + (ends.sum(), 0, 0) for p in (first, last)]
    return {
        "pairs": alike(first, last),
        "same place in both": alike(first, first),
        "pairs, left and right exchanged": alike(mirrored[0], mirrored[1]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GLIOMA_TEST_DATA", beside)))
    folder = parser.parse_args().data / "longitudinal" / "BraTSReg_002"
    if not folder.is_dir():
        print("BraTSReg_002 is absent: name the folder of real MRI with --data")
        return 0
    first, last = landmarks(folder / "landmarks_00_0000.csv"), landmarks(folder / "landmarks_01_0262.csv")
    rows = register(folder, first, last, "")
    rows.insert(1, _row("rigid, fitted to the landmarks", Placement(best_rigid(first, last)), first, last, 0.0))
    matrix = away(read_volume(next(folder.glob("tp0_*")) / "t1ce.nii.gz").volume.grid)
    with tempfile.TemporaryDirectory() as temporary:
        moved = move_earlier_visit(folder, Path(temporary) / folder.name, matrix)
        rows += register(moved, first @ matrix[:3, :3].T + matrix[:3, 3], last, "moved away: ")
    print(json.dumps({"rows": rows, "likeness": likeness(folder, first, last)}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
