"""How many clicks and strokes turn a model's proposal into the expert's mask, with the assistant tools and without.

A scripted reader who knows the expert's mask repairs the proposal in the program's own editor until the mean Dice of
the regions that the expert drew (ET, TC, WT) reaches 0.95 (`parts/reader.py`). An interaction is a click, a stroke
(press, drag, release), a value that is set, or Return that applies a preview; choosing tool, label or size by key or
wheel is free for all. Hands are steady: a stroke never leaves the region that it paints, so the counts are a lower
bound, and only their comparison says something. An assistant tool is used when it saves more strokes than it costs.

Readers:
  by hand      an empty mask; brush and eraser, discs in axial slices
  plain        the proposal accepted whole; brush and eraser, discs in axial slices
  assisted     the proposal accepted whole or by label; the same, and (`parts/assistant.py`) 3D brush, threshold brush,
               adaptive brush, fill (a component becomes another label with a click), margin, smooth, region growing,
               interpolation between slices, grow from seeds

    python benchmarks/correction_effort.py CASE... [--model NAME] [--target 0.95] [--json FILE] [--proposals FOLDER]

CASE is a folder in BraTS naming with an expert's mask. What stands in FILE already is not done again, so a run that
was stopped goes on; FOLDER keeps the proposals.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from parts.assistant import ToolUser
from parts.reader import SCHEME, Case, Reader, regional_dice

from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import GliomaError, UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.proposal import merged

READERS = ("by hand", "plain", "assisted")


def accepted(case: Case, assisted: bool) -> tuple[LabelArray, int]:
    """The mask after accepting the proposal, whole or (assisted) by the labels that are best, and what that took."""
    empty = np.zeros_like(case.proposal)
    whole = merged(empty, case.proposal, None), 1
    if not assisted:
        return whole
    present = [v for v in np.unique(case.proposal).tolist() if v]
    choices = [whole]
    for count in range(1, len(present)):
        for values in combinations(present, count):
            unticked = len(present) - count
            choices.append((merged(empty, case.proposal, values), 1 + unticked))

    def loss(choice: tuple[LabelArray, int]) -> tuple[float, int]:
        return -float(np.mean(list(regional_dice(choice[0], case.expert).values()))), choice[1]

    return min(choices, key=loss)


def work(case: Case, name: str, target: float) -> dict[str, Any]:
    """Interactions of one reader, by tool, with the Dice at the start and at the end."""
    assisted = name == "assisted"
    start, cost = (np.zeros_like(case.proposal), 0) if name == "by hand" else accepted(case, assisted)
    reader = Reader(case, start, cost)
    if assisted:
        reader.assistant = ToolUser(reader)
    before, began = reader.dice, time.process_time()
    for _ in reader.work(target):
        pass
    return {
        "interactions": reader.interactions,
        "by_tool": dict(reader.used.most_common()),
        "dice_at_start": round(before, 3),
        "dice": round(reader.dice, 3),
        "regions": {n: round(d, 3) for n, d in regional_dice(reader.mask, case.expert).items()},
        "reached": reader.dice >= target,
        "processor_s": round(time.process_time() - began, 1),
    }


def measure(case: Case, target: float) -> dict[str, Any]:
    """What every reader needed."""
    cropped = case.cropped()
    return {"case": case.name, "target": target, **{name: work(cropped, name, target) for name in READERS}}


def read_case(folder: Path, model: str, proposals: Path | None = None) -> Case:
    """A case in BraTS naming with a model's proposal, taken from the folder `proposals` where it is there already."""
    from glioma_annotator import paths
    from glioma_annotator.imaging.case_files import find_cases
    from glioma_annotator.imaging.label_conventions import read_mask
    from glioma_annotator.imaging.nifti import read_volume
    from glioma_annotator.inference.segmenter import ModelSegmenter

    (files,) = find_cases([folder])
    if files.mask is None:
        raise UserError(f"The case {files.name} has no expert's mask.", "Choose another case.")
    images = {role: read_volume(path).volume for role, path in files.images.items()}
    expert, _ = read_mask(files.mask, SCHEME)
    segmenter = ModelSegmenter([paths.resources() / "models"])
    card = next(c for c in segmenter.models() if c.name == (model or segmenter.models()[0].name))
    kept = proposals / f"{files.name}-{card.identity.replace('@', '-')}.npz" if proposals is not None else None
    if kept is not None and kept.exists():
        proposal = np.load(kept)["labels"]
    else:
        proposal = segmenter.segment(images, card.name, "cpu", ignore_progress, CancelToken()).labels
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(kept, labels=proposal)
    by_name = {role.value: volume for role, volume in images.items()}
    return Case(f"{files.name} ({card.name})", by_name, expert.data, proposal, expert.grid)


def table(results: list[dict[str, Any]]) -> str:
    rows = [
        "| case | Dice of the proposal | by hand | plain | assisted | assisted / plain |",
        "|---|---|---|---|---|---|",
    ]
    for result in (r for r in results if set(READERS) <= set(r)):
        counts = [result[name]["interactions"] for name in READERS]
        shown = [
            f"{count}" if result[name]["reached"] else f"{count}, not reached"
            for count, name in zip(counts, READERS, strict=True)
        ]
        ratio = counts[2] / max(counts[1], 1)
        rows.append(f"| {result['case']} | {result['plain']['dice_at_start']} | {' | '.join(shown)} | {ratio:.2f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="*", metavar="CASE")
    parser.add_argument("--model", default="", help="name of the model; the one offered first by default")
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--json", type=Path, help="write every figure here, reader by reader")
    parser.add_argument("--proposals", type=Path, help="keep the model's proposals in this folder")
    args = parser.parse_args()
    if not args.cases:
        print("No case was named; see --help.")
        return
    results: list[dict[str, Any]] = json.loads(args.json.read_text()) if args.json and args.json.exists() else []
    for folder in args.cases:
        case = read_case(folder, args.model, args.proposals)
        result = next((r for r in results if r["case"] == case.name and r["target"] == args.target), None)
        if result is None:
            result = {"case": case.name, "target": args.target}
            results.append(result)
        cropped = case.cropped()
        for name in READERS:
            if name not in result:
                result[name] = work(cropped, name, args.target)
                print(json.dumps({"case": case.name, name: result[name]}), flush=True)
                if args.json:
                    args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
