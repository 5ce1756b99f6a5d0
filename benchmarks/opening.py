"""Opening a visit of four 240 x 240 x 155 sequences and a mask, beside nibabel reading the same four files as float64.

Both read the workspace's own files in alternation; the ratio is taken pair by pair. Options: --runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from glioma_annotator import app
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.study import StudySession

SHAPE = (240, 240, 155)
ROLES = (SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)


def brain_image(seed: int) -> np.ndarray:
    """A textured ellipsoid in an empty field, as a skull-stripped scan has it: int-valued float32."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE).astype(np.float32), 2)
    axes = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE], indexing="ij", sparse=True)
    inside = (axes[0] / 0.58) ** 2 + (axes[1] / 0.72) ** 2 + (axes[2] / 0.85) ** 2 < 1
    noise = rng.standard_normal(SHAPE).astype(np.float32)
    return np.rint((800 + 2000 * texture + 12 * noise) * inside).clip(0)


def build(folder: Path) -> StudySession:
    session = app.make_session(folder)
    patient = session.store.add_patient("BENCH")
    assert patient.id is not None
    grid = Grid(SHAPE, np.eye(4))
    sequences = tuple(Sequence(role.value, role, "") for role in ROLES)
    images = {role.value: Volume(brain_image(n), grid) for n, role in enumerate(ROLES)}
    visit = session.store.add_timepoint(Timepoint(patient.id, "visit-1", 0, grid, "T1Gd", sequences=sequences), images)
    mask = np.zeros(SHAPE, np.uint8)
    mask[90:140, 80:140, 60:100] = 2
    session.store.add_revision(visit, mask, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="bench")
    session.select_patient("BENCH")
    return session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        session = build(Path(folder) / "workspace")
        visit = session.timepoints()[0]
        files = [session.store.path / s.path for s in visit.sequences]
        ours, plain = [], []
        for _ in range(args.runs + 1):
            began = time.perf_counter()
            session.load(visit, ignore_progress, CancelToken())
            middle = time.perf_counter()
            for file in files:
                nibabel.load(file).get_fdata()
            ours.append(middle - began)
            plain.append(time.perf_counter() - middle)
        session.store.close()
    ours, plain = ours[1:], plain[1:]  # the first pair warms the caches
    ratios = [a / b for a, b in zip(ours, plain, strict=True)]
    print(
        json.dumps(
            {
                "open visit (4 images, windows, mask, journal) s": round(statistics.median(ours), 3),
                "nibabel float64, 4 images only s": round(statistics.median(plain), 3),
                "ratio, median of pairs": round(statistics.median(ratios), 2),
                "runs": args.runs,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
