"""The store on 2,000 patients x 10 visits x 20 findings, generated: searching, asking, opening a course, adding.

Records are added through the store itself, visits and masks without files by SQL. Times
are pairs: elapsed, and of the processor alone. Options: --patients, --runs, --workspace (kept, and used again).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.finding import Confidence, Finding, FindingSource, FindingStatus, LesionChange, Side
from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.histology import (
    HistologySample,
    IntegratedDiagnosis,
    Marker,
    MarkerResult,
    MarkerStatus,
    SampleKind,
    TumourType,
)
from glioma_annotator.domain.identity import new_id
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.domain.response import ResponseAssessment, ResponseCategory, ResponseMethod

VISITS, FINDINGS = 10, 20
AT_ONCE = 50  # patients in a transaction
MOMENT = "2026-11-20T00:00:00.000000+00:00"
KINDS = ("satellite", "nodular_enhancement", "rim_enhancement", "flair_progression", "cyst", "haemorrhage", "necrosis")
LOCATIONS = ("frontal", "temporal", "parietal", "occipital", "insula", "thalamus", "corpus callosum", "brain stem")
WORDS = (
    "small ring lesion new since previous visit stable in size slight growth along cavity margin posterior anterior"
    " medial lateral diffusion restricted perfusion raised low blood products cortical pial ependymal involvement"
    " unchanged oedema mass effect midline shift suspicious for recurrence radiation necrosis possible follow closely"
).split()
RARE = ("leptomeningeal", "hydrocephalus", "abscess", "meningioma")

QUESTIONS = (
    "idh = wildtype and mgmt = methylated and ET volume up 40 % from nadir",
    "ET volume > 10 ml",
    "finding status = open",
    "finding where (kind = satellite and volume > 5 ml and side = left)",
    "finding location = thalamus",
    "finding text ~ recurrence",
    '"recurrence"',
    '"left"',
    "not had bevacizumab and grade = 4",
    "kps <= 60 or steroids > 8 mg",
    "phase = follow-up and date >= 2022-01-01",
    "response = PD",
    '"leptomeningeal" and WT volume up 25 % from baseline',
    "patient = P01*",
)
SEARCHES = ("leptomeningeal", "recurrence", "lesion", "ring lesion frontal", '"radiation necrosis"', "hydro", "left")


def build(workspace: Workspace, patients: int) -> None:
    for first in range(len(workspace.patients()), patients, AT_ONCE):
        rng = random.Random(first)
        with workspace._connections.writing("bench"):
            add_patients(workspace, range(first, min(first + AT_ONCE, patients)), rng)
        print(f"\r{first + AT_ONCE} patients", end="", file=sys.stderr)
    print(file=sys.stderr)


def add_patients(workspace: Workspace, numbers: range, rng: random.Random) -> None:
    affine = json.dumps([[1.0, 0, 0, -90], [0, 1.0, 0, -126], [0, 0, 1.0, -72], [0, 0, 0, 1]])
    for number in numbers:
        key = f"P{number:04d}"
        patient = workspace.add_patient(key)
        start = dt.date(2019, 1, 1) + dt.timedelta(days=rng.randrange(1500))
        with workspace._connections.writing("bench") as database:
            for visit in range(VISITS):
                date = (start + dt.timedelta(days=80 * visit)).isoformat()
                phase = ("pre-operative", "early post-operative", "post-radiotherapy baseline")[visit : visit + 1]
                row = (patient.id, date, date, visit, date, (*phase, "follow-up")[0], affine, new_id())
                timepoint = database.execute(
                    """INSERT INTO timepoints (patient_id, key, folder, course_order, date, phase, affine, uid,
                       created_utc, reference, source_axes, shape)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'T1Gd', 'RAS', '[9, 9, 9]')""",
                    (*row, MOMENT),
                ).lastrowid
                revision = database.execute(
                    """INSERT INTO revisions (timepoint_id, path, scheme, created_utc, number, origin, author,
                       file_sha256, content_sha256, model, note)
                       VALUES (?, ?, ?, ?, 1, 'manual', 'bench', '', '', '', '')""",
                    (timepoint, f"{key}/{visit}", GLIOMA_POST_TREATMENT.name, MOMENT),
                ).lastrowid
                database.execute("INSERT INTO revision_status VALUES (NULL, ?, 'approved', '')", [revision])
                for label in GLIOMA_POST_TREATMENT.labels:
                    database.execute(
                        "INSERT INTO revision_volumes VALUES (?, ?, ?)", (revision, label.name, rng.expovariate(0.1))
                    )
                places = {name: (rng.uniform(-60, 60), 0.0, 0.0) for name in ("ET", "WT", "TC", "SNFH", "NETC")}
                workspace.measures.add_mask(database, revision or 0, GLIOMA_POST_TREATMENT, places)
            workspace.measures.refresh(database, patient.id or 0)
            records(workspace, key, start, rng)


def sentence(rng: random.Random, length: int) -> str:
    return " ".join([*rng.choices(WORDS, k=length), *((rng.choice(RARE),) if rng.random() < 0.002 else ())])


def records(workspace: Workspace, key: str, start: dt.date, rng: random.Random) -> None:
    """Everything clinical of one patient; lesions go on from visit to visit."""
    markers = [
        MarkerResult(marker, MarkerStatus.RESULT, rng.random() < 0.4)
        for marker in (Marker.IDH1, Marker.MGMT, Marker.ATRX, Marker.TERT, Marker.EGFR, Marker.CODELETION_1P19Q)
    ]
    markers.append(MarkerResult(Marker.KI67, MarkerStatus.RESULT, percent=float(rng.randrange(60))))
    diagnosis = IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4)
    sample = HistologySample(
        key, SampleKind.RESECTION, start, markers=tuple(markers), diagnosis=diagnosis, microscopy=sentence(rng, 12)
    )
    workspace.histology.add(sample)
    events = [ClinicalEvent(key, EventKind.SURGERY, start, extent=rng.choice(tuple(ExtentOfResection)))]
    events.append(ClinicalEvent(key, EventKind.RADIOTHERAPY, start + dt.timedelta(30), dose_gy=60.0, fractions=30))
    for visit in range(VISITS):
        day = start + dt.timedelta(days=80 * visit)
        events.append(ClinicalEvent(key, EventKind.KPS, day, score=rng.randrange(40, 101, 10)))
        events.append(ClinicalEvent(key, EventKind.STEROIDS, day, dose_mg=float(rng.randrange(0, 12, 2))))
    if rng.random() < 0.3:
        events.append(ClinicalEvent(key, EventKind.BEVACIZUMAB, start + dt.timedelta(days=400)))
    workspace.events.add(*events)
    before: list[Finding] = []
    for visit in range(VISITS):
        date = (start + dt.timedelta(days=80 * visit)).isoformat()
        now = [finding(key, date, rng, before[n] if before else None, sample) for n in range(FINDINGS)]
        workspace.findings.add(*now)
        workspace.notes.add(Note(key, sentence(rng, 40), NoteKind.REPORT, "MRI report", date, "reader"))
        category = rng.choice(tuple(ResponseCategory))
        proposed = ResponseAssessment(key, date, ResponseMethod.VOLUMETRIC, category, ("bench",))
        workspace.responses.add(replace(proposed, decided=category, reader="bench", decided_utc=proposed.created_utc))
        before = now


def finding(key: str, date: str, rng: random.Random, before: Finding | None, sample: HistologySample) -> Finding:
    return Finding(
        key,
        date,
        before.kind if before else rng.choice(KINDS),
        (rng.uniform(-70, 70), rng.uniform(-100, 70), rng.uniform(-40, 80)),
        "ET",
        rng.choice((Side.LEFT, Side.RIGHT)),
        rng.choice(LOCATIONS),
        sentence(rng, 8),
        rng.choice(tuple(Confidence)),
        rng.choice(tuple(FindingStatus)),
        FindingSource.COMPONENT,
        1,
        Box((10, 20, 30), (20, 30, 40)),
        rng.expovariate(0.3),
        before.lesion if before else "",
        rng.choice(tuple(LesionChange)) if before else None,
        (before.id,) if before else (),
        (sample.id,) if rng.random() < 0.05 else (),
        "reader",
    )


def milliseconds(task: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Medians of elapsed and of processor time; the first run, which warms the caches, does not count."""
    times = []
    for _ in range(runs + 1):
        began, worked = time.perf_counter(), time.process_time()
        task()
        times.append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)))
    elapsed, work = zip(*times[1:], strict=True)
    return round(statistics.median(elapsed), 1), round(statistics.median(work), 1)


def seconds(task: Callable[[], Any]) -> tuple[float, float]:
    """Elapsed and processor time of one run."""
    began, worked = time.perf_counter(), time.process_time()
    task()
    return round(time.perf_counter() - began, 2), round(time.process_time() - worked, 2)


def open_course(workspace: Workspace, key: str) -> None:
    """Everything that the course of a patient shows."""
    patient = workspace.patient(key)
    assert patient is not None
    for visit in workspace.timepoints(patient.id or 0):
        workspace.revisions(visit.id or 0)
    for kind in ("findings", "vasari", "histology", "events", "measurements", "responses", "notes", "measures"):
        getattr(workspace, kind).of_patient(key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workspace", type=Path, help="build here, or use what was built here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.workspace or Path(folder) / "workspace"
        began = time.perf_counter()
        with open_workspace(path) as workspace:
            build(workspace, args.patients)
            built = time.perf_counter() - began
        began, worked = time.perf_counter(), time.process_time()
        with open_workspace(path) as workspace:
            opened = round(time.perf_counter() - began, 2), round(time.process_time() - worked, 2)
            print(json.dumps(measure(workspace, args.runs, built, opened), indent=2))


def measure(workspace: Workspace, runs: int, built: float, opened: tuple[float, float]) -> dict[str, Any]:
    key = workspace.patients()[len(workspace.patients()) // 2].key
    rng = random.Random(1)
    visit = workspace.timepoints(workspace.patient(key).id or 0)[0]  # type: ignore[union-attr]
    sample = workspace.histology.of_patient(key)[0]
    size = sum(f.stat().st_size for f in workspace.path.glob("glioma.db*"))
    return {
        "built s": round(built, 1),
        "opened s": opened,
        "database MB": round(size / 1e6),
        "findings": workspace._connections.bare().execute("SELECT count(*) FROM findings").fetchone()[0],
        "ask, 200 hits shown, ms": {q: milliseconds(lambda q=q: workspace.cohort.ask(q, 200), runs) for q in QUESTIONS},
        "ask, visits": {q: workspace.cohort.ask(q, 0).visits for q in QUESTIONS},
        "search, 100 hits shown, ms": {s: milliseconds(lambda s=s: workspace.search.find(s), runs) for s in SEARCHES},
        "search of one patient, ms": milliseconds(lambda: workspace.search.find("lesion", key), runs),
        "changes of a patient, ms": milliseconds(lambda: workspace.audit.of_patient(key), runs),
        "open a course, ms": milliseconds(lambda: open_course(workspace, key), runs),
        "add a finding, committed, ms": milliseconds(
            lambda: workspace.findings.add(finding(key, visit.key, rng, None, sample)), 4 * runs
        ),
        "whole database checked s": seconds(workspace.check_database),
        "runs": runs,
    }


if __name__ == "__main__":
    main()
