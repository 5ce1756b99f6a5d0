"""Landmark error of registered visits beside that of the identity: BraTSReg_002, six pairs set by its publishers.

The visits are imported into a workspace of their own and registered as the window does it, the follow-up fixed.
Options: --data, the folder of real MRI (default: what GLIOMA_TEST_DATA names, else ../shared/data).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioma_annotator import app
from glioma_annotator.imaging.registration import Method
from glioma_annotator.imaging.reslicing import Placement
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.import_study import propose_import, run_import
from glioma_annotator.workflow.timepoints_together import bend, register_visits


def landmarks(path: Path) -> NDArray[np.float64]:
    """World RAS mm (n, 3) of a BraTS-Reg table, which is in LPS."""
    with path.open(newline="") as file:
        return np.array([[-float(r["X"]), -float(r["Y"]), float(r["Z"])] for r in csv.DictReader(file)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GLIOMA_TEST_DATA", beside)))
    folder = parser.parse_args().data / "longitudinal" / "BraTSReg_002"
    if not folder.is_dir():
        print("BraTSReg_002 is absent: name the folder of real MRI with --data")
        return 0
    first, last = landmarks(folder / "landmarks_00_0000.csv"), landmarks(folder / "landmarks_01_0262.csv")
    cancel = CancelToken()
    with tempfile.TemporaryDirectory() as temporary:
        store = app.open_store(Path(temporary) / "workspace")
        try:
            run_import(propose_import([folder], ignore_progress, cancel), store, "bench", ignore_progress, cancel)
            (patient,) = store.patients()
            earlier, later = store.timepoints(patient.id or 0)
            rows = [_row("identity", Placement(np.eye(4)), first, last, 0.0)]
            for method in (Method.RIGID, Method.AFFINE):
                start = time.process_time()
                found = register_visits(store, later, earlier, method, ignore_progress, cancel)
                took = time.process_time() - start
                rows.append(_row(method.value, Placement(found.placed.matrix), first, last, took))
                rows[-1]["shared information"] = [round(found.registration.quality_before, 3), round(found.quality, 3)]
                if method is Method.RIGID:
                    start = time.process_time()
                    field = bend(store, later, earlier, found, ignore_progress, cancel)
                    took = time.process_time() - start
                    bent = _row("rigid, then deformed", Placement(found.placed.matrix, field), first, last, took)
            rows.append(bent)
        finally:
            store.close()
    print(json.dumps(rows, indent=2))
    return 0


def _row(
    name: str, placement: Placement, first: NDArray[np.float64], last: NDArray[np.float64], seconds: float
) -> dict[str, object]:
    error = np.linalg.norm(placement.apply(last) - first, axis=1)
    return {
        "method": name,
        "median_mm": round(float(np.median(error)), 2),
        "mean_mm": round(float(error.mean()), 2),
        "worst_mm": round(float(error.max()), 2),
        "processor_s": round(seconds, 1),
    }


if __name__ == "__main__":
    raise SystemExit(main())
