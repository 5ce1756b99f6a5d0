"""`measure` and `rano`: a patient's volumes and response by command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar
from glioma_annotator.domain.rano_visit import TARGET_LIMIT
from glioma_annotator.domain.response import ResponseMethod
from glioma_annotator.workflow.alignment import VisitAlignment
from glioma_annotator.workflow.course_plots import write_plots
from glioma_annotator.workflow.histology_entry import SAMPLE_COLUMNS, sample_rows
from glioma_annotator.workflow.lesion_names import readable
from glioma_annotator.workflow.measure import measure_course, with_own_labels
from glioma_annotator.workflow.patient_course import load_course
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.response import assess_response, measure_lesions
from glioma_annotator.workflow.vasari_entry import current_sheet, merged_sheet, value_text
from glioma_annotator.workflow.vasari_sheet import propose_sheet

if TYPE_CHECKING:
    from glioma_annotator.domain.histology import HistologySample
    from glioma_annotator.domain.rano import RanoProposal
    from glioma_annotator.domain.response import ResponseAssessment
    from glioma_annotator.domain.task_profile import TaskProfile
    from glioma_annotator.domain.vasari import VasariEntry
    from glioma_annotator.workflow.measure import Change, MeasuredVisit
    from glioma_annotator.workflow.patient_course import CourseVisit, PatientCourse
    from glioma_annotator.workflow.response import CourseResponse, MeasuredCourse

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Sheet = Mapping[str, "VasariEntry"]


def add_measure_parser(commands: Commands) -> None:
    parser = commands.add_parser("measure", help="volumes of every visit, with change and doubling time")
    _add_patient(parser)
    parser.add_argument("--vasari", action="store_true", help="also the VASARI features that the masks give")
    parser.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="write volume curves and the components' waterfall as SVG, PNG and CSV",
    )
    parser.set_defaults(run=run_measure_command)


def add_rano_parser(commands: Commands) -> None:
    parser = commands.add_parser("rano", help="propose the RANO 2.0 response at every visit, with its reasons")
    _add_patient(parser)
    parser.add_argument("--targets", type=int, choices=(1, 2, 3), default=TARGET_LIMIT, help="number of target lesions")
    parser.set_defaults(run=run_rano_command)


def _add_patient(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", required=True, type=Path)
    parser.add_argument("--patient", required=True, metavar="KEY")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run_measure_command(args: argparse.Namespace) -> int:
    store = app.open_store(args.workspace, read_only=True)
    try:
        profile = with_own_labels(store, load_profile())
        course = load_course(store, args.patient)
        sheets: dict[str, Sheet] = {}
        written: tuple[Path, ...] = ()
        samples = store.histology.of_patient(args.patient)
        with progress_bar("Measuring") as (report, cancel):
            measured = measure_course(store, course, profile, report, cancel)
            if args.vasari:
                for index, visit in enumerate(course.visits):
                    if visit.revision is not None:
                        key = visit.timepoint.key
                        proposed = propose_sheet(store, course, index, profile, cancel)
                        sheets[key] = merged_sheet(current_sheet(store, args.patient, key), proposed)
            if args.plots:
                align = VisitAlignment(store, report, cancel)
                lesions = measure_lesions(store, course, profile, align, report, cancel)
                written = write_plots(args.plots, measured, lesions, profile)
    finally:
        store.close()
    if args.json:
        print_json(_measure_json(course, measured, sheets, profile, written) | {"histology": _samples_json(samples)})
    else:
        _print_measures(course, measured, sheets, profile, written)
    return ExitCode.DONE


def run_rano_command(args: argparse.Namespace) -> int:
    store = app.open_store(args.workspace, read_only=True)
    try:
        profile = load_profile()
        course = load_course(store, args.patient)
        with progress_bar("Measuring lesions") as (report, cancel):
            align = VisitAlignment(store, report, cancel)
            measured = measure_lesions(store, course, profile, align, report, cancel)
        responses = [assess_response(store, measured, method, args.targets) for method in ResponseMethod]
    finally:
        store.close()
    if args.json:
        print_json(_rano_json(measured, responses, align.messages))
    else:
        _print_rano(measured, responses, align.messages)
    return ExitCode.DONE


# volumes


def _visit_json(visit: CourseVisit) -> dict[str, Any]:
    timepoint, revision = visit.timepoint, visit.revision
    return {
        "timepoint": timepoint.key,
        "date": timepoint.date,
        "day": visit.day,
        "phase": timepoint.phase.value,
        "revision": revision.number if revision else None,
        "status": revision.status.value if revision else None,
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in change.__slots__}


def _measure_json(
    course: PatientCourse,
    measured: Sequence[MeasuredVisit],
    sheets: Mapping[str, Sheet],
    profile: TaskProfile,
    written: Sequence[Path],
) -> dict[str, Any]:
    visits = []
    for item in measured:
        key = item.visit.timepoint.key
        entry = _visit_json(item.visit) | {
            "voxel_volume_ml": item.visit.timepoint.grid.voxel_volume_ml,
            "labels": {name: _change_json(change) for name, change in item.labels.items()},
            "regions": {name: _change_json(change) for name, change in item.regions.items()},
        }
        if key in sheets:
            entry["vasari"] = [
                {
                    "feature": e.feature,
                    "title": feature.title if (feature := profile.feature(e.feature)) else "",
                    "value": e.value,
                    "text": value_text(profile, e),
                    "computed": e.computed,
                    "confirmed": e.confirmed,
                    "reason": e.reason,
                }
                for e in sheets[key].values()
            ]
        visits.append(entry)
    return {
        "patient": course.patient,
        "baseline": course.visits[course.baseline].timepoint.key,
        "baseline_reason": course.baseline_reason,
        "timepoints": visits,
        "files": [str(path) for path in written],
    }


def _samples_json(samples: Sequence[HistologySample]) -> list[dict[str, Any]]:
    """The columns of an export's `histology.csv`; site points as numbers, RAS mm."""
    rows = zip(samples, sample_rows(samples), strict=True)
    return [
        dict(zip(SAMPLE_COLUMNS, row, strict=True)) | {"sites_mm": [list(p) for p in s.sites_mm]} for s, row in rows
    ]


def _print_measures(
    course: PatientCourse,
    measured: Sequence[MeasuredVisit],
    sheets: Mapping[str, Sheet],
    profile: TaskProfile,
    written: Sequence[Path],
) -> None:
    print(f"Baseline: {course.visits[course.baseline].timepoint.title}. {course.baseline_reason}")
    rows = []
    for item in measured:
        title, mask = item.visit.timepoint.title, _mask(item.visit)
        volumes = {**item.labels, **item.regions}  # a region of one label has its name and its volume
        for name, change in volumes.items():
            rows.append((title, mask, name, f"{change.volume_ml:.2f}", *_compared(change)))
        if not volumes:
            rows.append((title, mask, "", "", "", "", ""))
    print_table(("VISIT", "MASK", "TISSUE", "ML", "FROM BASELINE", "FROM NADIR", "DOUBLES IN"), rows)
    for item in measured:
        sheet = sheets.get(item.visit.timepoint.key)
        if sheet:
            print(f"\nVASARI, {item.visit.timepoint.title}")
            entries = [(e, profile.feature(e.feature)) for e in sheet.values()]
            print_table(
                ("FEATURE", "VALUE", "STATUS", "HOW"),
                [
                    (f"{e.feature} {f.title if f else ''}", value_text(profile, e), _status(e), e.reason)
                    for e, f in entries
                ],
            )
    for path in written:
        print(path)


def _mask(visit: CourseVisit) -> str:
    return f"{visit.revision.number} {visit.revision.status.value}" if visit.revision else "none"


def _compared(change: Change) -> tuple[str, str, str]:
    doubling = f"{change.doubling_days:.0f} days" if change.doubling_days is not None else "-"
    return _percent(change.from_baseline), _percent(change.from_nadir), doubling


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:+.0%}"


def _status(entry: VasariEntry) -> str:
    return "confirmed" if entry.confirmed else "computed" if entry.computed else "entered"


# response


def _rano_json(
    measured: MeasuredCourse, responses: Sequence[CourseResponse], messages: Sequence[str]
) -> dict[str, Any]:
    course = measured.course
    lesions = {
        visit.timepoint.key: [
            {
                "lesion": lesion.lesion,
                "change": lesion.change.value if lesion.change else None,
                "earlier_ml": lesion.earlier_ml,
                "volume_ml": lesion.volume_ml,
                "merged": list(lesion.merged),
            }
            for lesion in own
        ]
        for visit, own in zip(course.visits, measured.lesions, strict=True)
    }
    return {
        "patient": course.patient,
        "rule": "RANO 2.0",
        "baseline": course.visits[course.baseline].timepoint.key,
        "baseline_reason": course.baseline_reason,
        "timepoints": [_visit_json(visit) for visit in course.visits],
        "lesions": lesions,
        "methods": {
            response.method.value: {
                "targets": list(response.targets),
                "assessments": [_proposal_json(p, response.decisions.get(p.timepoint)) for p in response.proposals],
            }
            for response in responses
        },
        "messages": list(messages),
    }


def _proposal_json(proposal: RanoProposal, decision: ResponseAssessment | None) -> dict[str, Any]:
    decided = None
    if decision is not None and decision.decided is not None:
        decided = {
            "category": decision.decided.value,
            "reader": decision.reader,
            "decided_utc": decision.decided_utc,
            "comment": decision.comment,
        }
    return {
        "timepoint": proposal.timepoint,
        "proposed": proposal.category.value,
        "reasons": list(proposal.reasons),
        "inputs": proposal.inputs,
        "baseline": proposal.baseline,
        "nadir": proposal.nadir,
        "decided": decided,
    }


def _print_rano(measured: MeasuredCourse, responses: Sequence[CourseResponse], messages: Sequence[str]) -> None:
    titles = {visit.timepoint.key: visit.timepoint.title for visit in measured.course.visits}
    for message in messages:
        print(message)
    rows = [
        (
            titles[visit.timepoint.key],
            readable(lesion.lesion, measured.titles),
            f"{lesion.volume_ml:.2f}",
            lesion.change.value if lesion.change else "-",
        )
        for visit, own in zip(measured.course.visits, measured.lesions, strict=True)
        for lesion in own
    ]
    print_table(("VISIT", "LESION", "ML", "CHANGE"), rows)
    for response in responses:
        print(f"\n{response.method.value.capitalize()}, RANO 2.0: proposals; the reader decides")
        rows = []
        for p in response.proposals:
            decision = response.decisions.get(p.timepoint)
            size = p.inputs["burden"]
            text = "-" if size is None else f"{size:.2f} {p.inputs['unit']}"
            by_reader = f"{decision.decided.value} ({decision.reader})" if decision and decision.decided else "-"
            rows.append((titles[p.timepoint], text, p.category.value, by_reader))
        print_table(("VISIT", "BURDEN", "PROPOSED", "DECIDED"), rows)
        for p in response.proposals:
            print(f"{titles[p.timepoint]}: {p.category.value}")
            for reason in p.reasons:
                print(f"  {readable(reason, measured.titles)}")
