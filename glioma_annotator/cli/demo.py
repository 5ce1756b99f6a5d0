"""`demo`: the demo study in the window, or the main job on it without a screen."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glioma_annotator import app, paths
from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar
from glioma_annotator.cli.screen import has_screen
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.metrics import region_scores
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.progress import Report, part
from glioma_annotator.workflow.export_study import export_patient
from glioma_annotator.workflow.import_study import propose_import, run_import

if TYPE_CHECKING:
    from glioma_annotator.progress import CancelToken
    from glioma_annotator.workflow.study import StudySession

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEME = GLIOMA_POST_TREATMENT


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="the demo study: a synthetic patient with three visits",
        description="Builds a synthetic patient (pre-operative, post-operative, recurrence) at first use and opens the"
        " window on it; without a screen does the main job and writes masks, figures and screenshots.",
    )
    parser.add_argument("--headless", action="store_true", help="no window: import, segment, export, draw")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="where a headless run writes")
    parser.add_argument("--json", action="store_true", help="with --headless: report as JSON")
    parser.set_defaults(run=run_demo_command)


def run_demo_command(args: argparse.Namespace) -> int:
    headless = args.headless or not has_screen()
    workspace = args.out / "workspace" if headless else paths.user_data() / "demo-workspace"
    with progress_bar("Demo study") as (report, cancel):
        patient = _prepare(workspace, report, cancel)
    if not headless:
        from glioma_annotator.ui.application import run_window

        return run_window(app.make_services(workspace, patient=patient), [])
    with progress_bar("Main job") as (report, cancel):
        facts = _main_job(workspace, patient, args.out, report, cancel)
    facts["screenshots"] = _screenshots(workspace, patient, args.out / "screenshots")
    _report(facts, args)
    return ExitCode.DONE


def _prepare(workspace: Path, report: Report, cancel: CancelToken) -> str:
    """Build the demo study and import it unless the workspace has it; the patient's key."""
    folders = app.build_demo(part(report, 0, 0.6), cancel)
    plan = propose_import(folders, part(report, 0.6, 0.7), cancel)
    patient = plan.patients[0]
    store = app.open_store(workspace)
    try:
        if store.patient(patient) is None:
            run_import(plan, store, "demo", part(report, 0.7, 1), cancel)
    finally:
        store.close()
    return patient


def _main_job(workspace: Path, patient: str, out: Path, report: Report, cancel: CancelToken) -> dict[str, Any]:
    """Segment every visit, save, compare with the known masks, export, draw."""
    from glioma_annotator.workflow.pictures import volume_curves  # matplotlib: not on the way to the window

    session = app.make_session(workspace)
    try:
        session.select_patient(patient)
        visits = session.timepoints()
        truths = _true_masks()
        rows = []
        for number, visit in enumerate(visits):
            share = part(report, 0.9 * number / len(visits), 0.9 * (number + 1) / len(visits))
            rows.append(_segment(session, visit, truths[number] if number < len(truths) else None, out, share, cancel))
        curves = {label.name: [row["volumes_ml"][label.name] for row in rows] for label in SCHEME.labels}
        volume_curves(
            out / "volumes.png",
            f"{patient}: volumes proposed by the model",
            [visit.title for visit in visits],
            _days(visits),
            curves,
            SCHEME,
        )
        exported = export_patient(session.store, patient, None, out / "export", part(report, 0.9, 1), cancel)
    finally:
        session.store.close()
    return {"patient": patient, "visits": rows, "exported": [str(path) for path in exported]}


def _segment(
    session: StudySession, visit: Timepoint, truth: LabelArray | None, out: Path, report: Report, cancel: CancelToken
) -> dict[str, Any]:
    from glioma_annotator.workflow.pictures import visit_montage

    loaded = session.load(visit, part(report, 0, 0.1), cancel)
    proposal = session.propose(visit, loaded.images, "", "auto", part(report, 0.1, 0.95), cancel)
    opened = session.show(loaded)
    opened.show_proposal(proposal)
    opened.accept_proposal()
    opened.save("demo")
    masks = {"Proposed mask": proposal.labels}
    row: dict[str, Any] = {"visit": visit.title, "source": proposal.source}
    row["volumes_ml"] = {k: round(v, 2) for k, v in proposal.volumes_ml.items()}
    if truth is not None and truth.shape == visit.grid.shape:
        masks["True mask"] = truth
        row["true_volumes_ml"] = {
            k: round(v, 2) for k, v in label_volumes_ml(truth, visit.grid.voxel_volume_ml, SCHEME).items()
        }
        scores = region_scores(truth, proposal.labels, visit.grid, SCHEME)
        row["dice"] = {score.region: round(score.dice, 3) for score in scores}
    visit_montage(out / f"{visit.key}.png", visit.title, loaded.images, loaded.windows, masks, SCHEME)
    return row


def _true_masks() -> list[LabelArray]:
    """The demo study's known masks, in order of its visits."""
    found = sorted(paths.demo_cache().rglob("truth/**/*.nii.gz"))
    return [read_labels(path).labels for path in found]


def _days(visits: tuple[Timepoint, ...]) -> list[float]:
    dates = [visit.date for visit in visits]
    if all(dates):
        return [float((d - dates[0]).days) for d in dates if d and dates[0]]
    return [float(visit.day if visit.day is not None else visit.order) for visit in visits]


def _screenshots(workspace: Path, patient: str, out: Path) -> list[str]:
    if not has_screen():
        print("No screen: the window was not drawn (xvfb-run lends one, for screenshots).", file=sys.stderr)
        return []
    from glioma_annotator.ui.tour import take_tour

    return [str(path) for path in take_tour(app.make_services(workspace, patient=patient), out)]


def _report(facts: dict[str, Any], args: argparse.Namespace) -> None:
    (args.out / "results.json").write_text(json.dumps(facts, indent=2, default=str), encoding="utf-8")
    if args.json:
        print_json(facts)
        return
    names = [label.name for label in SCHEME.labels]
    regions = [region.name for region in SCHEME.regions]
    print_table(
        ("VISIT", *[f"{n} ML" for n in names], *[f"{r} DICE" for r in regions]),
        [
            (row["visit"], *[row["volumes_ml"][n] for n in names], *[row.get("dice", {}).get(r) for r in regions])
            for row in facts["visits"]
        ],
    )
    print(f"Masks, figures and screenshots are in {args.out}.")
