"""Tables 3 to 5 of the reference thesis, with their protocol, on BraTS folders of your own.

    python benchmarks/thesis_tables.py --cases 2017=DIR --cases 2019=DIR --cases 2021=DIR --out DIR
    python benchmarks/thesis_tables.py --tables 5 --cases 2021=DIR --centre DIR --out DIR

Table 3: patch strategies (random, balanced, labelled, sequential) on every data set, Dice loss.
Table 4: losses and outputs (Dice, Dice + cross-entropy; multi-class, multi-label) on every data set, random patches.
Table 5: a model trained on the first data set (or --model) is adapted to the cases of another centre, one more at a
    time, last layer only; the same half of the centre's cases is tested on throughout. Error removed is
    (after - before) / (1 - before).

Every training takes --config (the reference design without it) and changes only what its row says. A fifth of a data
set's cases, the same for every row, is kept out and scored. Mean and median Dice per region are over the cases that
have the region; "overall" is the mean of TC, WT and ET. Each row is a run folder: a benchmark cut short goes on where
it stopped, unless the cases changed meanwhile: that is refused. The figures of the thesis (random patches, Dice + CE,
BraTS 2021: overall 83.3, TC 84.2, WT 84.5, ET 80.2) come from 1251 cases and a GPU.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean

from glioma_annotator import paths
from glioma_annotator.adaptation.config import LossKind, Output, Strategy, TrainingConfig
from glioma_annotator.adaptation.config_file import check_config, read_config
from glioma_annotator.adaptation.run import adapt
from glioma_annotator.adaptation.run_folder import CONFIG, MODEL
from glioma_annotator.adaptation.train import summarise, train
from glioma_annotator.adaptation.training_cases import prepare_cases
from glioma_annotator.adaptation.validation import CaseValidation
from glioma_annotator.domain.adaptation import AdaptationCase, AdaptationMethod, AdaptationRequest
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import GliomaError
from glioma_annotator.imaging.case_files import CaseFiles, find_cases
from glioma_annotator.imaging.label_conventions import LabelConvention, convention_of_set, read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.device import choose_device
from glioma_annotator.inference.model_folder import load_card, load_model
from glioma_annotator.progress import CancelToken, Progress, ignore_progress

REGIONS = ("TC", "WT", "ET")
STRATEGIES = (Strategy.RANDOM, Strategy.BALANCED, Strategy.LABELLED, Strategy.SEQUENTIAL)
TEST_SHARE = 0.2
COLUMNS = ("data", "row", "overall", *REGIONS, *(f"{region} median" for region in REGIONS))

Summary = Mapping[str, Mapping[str, float]]


def table_3(config: TrainingConfig, data: Mapping[str, str], out: Path) -> list[tuple[str, ...]]:
    """Patch strategies on every data set."""
    rows = []
    for name, place in data.items():
        for strategy in STRATEGIES:
            patches = dataclasses.replace(config.patches, strategy=strategy)
            loss = dataclasses.replace(config.loss, kind=LossKind.DICE, class_weights=())
            row = dataclasses.replace(config, patches=patches, loss=loss)
            rows.append((name, strategy.value, *_cells(_trained(row, place, out / f"table3-{name}-{strategy.value}"))))
    return rows


def table_4(config: TrainingConfig, data: Mapping[str, str], out: Path) -> list[tuple[str, ...]]:
    """Losses and outputs on every data set."""
    rows = []
    for name, place in data.items():
        for output in Output:
            for kind in LossKind:
                patches = dataclasses.replace(config.patches, strategy=Strategy.RANDOM)
                loss = dataclasses.replace(config.loss, kind=kind, class_weights=())
                row = dataclasses.replace(config, patches=patches, loss=loss, output=output)
                folder = out / f"table4-{name}-{output.value}-{kind.value}"
                rows.append((name, f"{output.value}, {kind.value}", *_cells(_trained(row, place, folder))))
    return rows


def table_5(model: Path, centre: str, budget_s: float, out: Path) -> list[tuple[str, ...]]:
    """Adaptation of a model to 1, 2, ... cases of another centre, the other half of whose cases is tested on."""
    cases = _with_masks(centre)
    stated = read_config(paths.resources() / "configs" / "thesis.toml").data.labels
    labels = convention_of_set([case.mask for case in cases if case.mask is not None], stated)
    learn, test = cases[: len(cases) // 2], cases[len(cases) // 2 :]
    rows = []
    first: float | None = None
    for count in range(len(learn) + 1):
        current = model
        if count:
            current = out / f"table5-{count}"
            shutil.rmtree(current, ignore_errors=True)
            request = AdaptationRequest(
                model="",
                cases=tuple(_adaptation_case(case, labels) for case in learn[:count]),
                name=current.name,
                method=AdaptationMethod.LAST_LAYER,
                budget_s=budget_s,
            )
            adapt(request, model, current, ignore_progress, lambda _point: None, CancelToken())
        summary = _tested(current, test, labels, out / "prepared")
        overall = _overall(summary)
        if count == 0:
            first = overall
        gain = ""
        if count and overall is not None and first is not None and first < 1:
            gain = f", {(overall - first) / (1 - first):.1%} of the error removed"
        rows.append(("centre", f"{count} case{'' if count == 1 else 's'}{gain}", *_cells(summary)))
    return rows


def write(title: str, rows: Sequence[Sequence[str]], out: Path, name: str) -> None:
    """Print a table and write it as `name.md` and `name.csv`."""
    lines = [f"## {title}", "", "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    print("\n".join(lines), end="\n\n", flush=True)
    (out / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def _trained(config: TrainingConfig, place: str, folder: Path) -> Summary:
    data = dataclasses.replace(config.data, cases=(place,), synthetic="", validation=(), validation_share=TEST_SHARE)
    config = dataclasses.replace(config, data=data, name=folder.name)
    check_config(config)

    def told(progress: Progress) -> None:
        if progress.seconds_left is not None:
            print(f"\r{folder.name}: {progress.fraction:.0%} {progress.message}   ", end="", flush=True)

    result = train(config, folder, (folder / CONFIG).exists(), told, CancelToken())
    print()
    return result.summary


def _tested(model: Path, cases: Sequence[CaseFiles], labels: LabelConvention, prepared: Path) -> Summary:
    card, network = load_model(model)
    ready = prepare_cases(cases, card, labels, prepared, ignore_progress, CancelToken())
    validation = CaseValidation(ready, GLIOMA_POST_TREATMENT, card.patch[0])
    return summarise(validation.score(network, choose_device("auto"), CancelToken()))


def _adaptation_case(case: CaseFiles, labels: LabelConvention) -> AdaptationCase:
    assert case.mask is not None
    mask, _ = read_mask(case.mask, GLIOMA_POST_TREATMENT, labels)
    images = {role: read_volume(path).volume for role, path in case.images.items()}
    return AdaptationCase(case.name, images, mask.data, mask.grid)


def _with_masks(place: str) -> list[CaseFiles]:
    return [case for case in find_cases([place]) if case.mask is not None]


def _overall(summary: Summary) -> float | None:
    """Mean over the regions; None where no case has any of them."""
    means = [summary[region]["mean"] for region in REGIONS if region in summary]
    return mean(means) if means else None


def _cells(summary: Summary) -> list[str]:
    overall = _overall(summary)
    figures = ["-" if overall is None else f"{100 * overall:.1f}"]
    for figure in ("mean", "median"):
        figures += [f"{100 * summary[r][figure]:.1f}" if r in summary else "-" for r in REGIONS]
    return figures


def _named(values: Iterable[str]) -> dict[str, str]:
    data = dict(value.split("=", 1) for value in values if "=" in value)
    if len(data) != len(list(values)):
        raise SystemExit("Give every data set as NAME=FOLDER, each name once.")
    return data


def _check_table_5(centre: str | None, model: Path | None) -> None:
    """End the program where something is missing for table 5, which is made last."""
    if not centre:
        raise SystemExit("Table 5 needs --centre.")
    if len(_with_masks(centre)) < 2:
        raise SystemExit(f"Table 5 needs two cases with masks, one to adapt to and one to test on, in “{centre}”.")
    if model is not None:
        load_card(model)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and make the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", action="append", default=[], metavar="NAME=DIR", help="a data set; may be repeated")
    parser.add_argument("--tables", type=int, nargs="+", default=[3, 4, 5], choices=(3, 4, 5))
    parser.add_argument("--config", type=Path, default=paths.resources() / "configs" / "thesis.toml")
    parser.add_argument("--steps", type=int, help="of every training, in the place of the configuration's own")
    parser.add_argument(
        "--model", type=Path, help="table 5: the model to adapt; else one trained on the first data set"
    )
    parser.add_argument("--centre", help="table 5: folder with the other centre's cases")
    parser.add_argument("--budget", type=float, default=300.0, help="table 5: seconds per adaptation")
    parser.add_argument("--out", type=Path, default=Path("runs/thesis-tables"))
    options = parser.parse_args(arguments)
    if not options.cases and not (options.tables == [5] and options.model):
        print("Nothing to do: name the folders of cases with --cases NAME=DIR.")
        return
    config, data = read_config(options.config), _named(options.cases)
    if 5 in options.tables:
        _check_table_5(options.centre, options.model)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.steps:
        config = dataclasses.replace(config, run=dataclasses.replace(config.run, steps=options.steps))
    if 3 in options.tables:
        write("Table 3: patch strategies, Dice x 100", table_3(config, data, options.out), options.out, "table3")
    if 4 in options.tables:
        write("Table 4: losses and outputs, Dice x 100", table_4(config, data, options.out), options.out, "table4")
    if 5 in options.tables:
        model = options.model
        if model is None:
            _trained(config, next(iter(data.values())), options.out / "table5-base")
            model = options.out / "table5-base" / MODEL
        rows = table_5(model, options.centre, options.budget, options.out)
        write("Table 5: adaptation to another centre, Dice x 100", rows, options.out, "table5")


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
