"""`train`: models from a configuration file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from glioma_annotator.adaptation.config import TrainingConfig

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_train_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a model from a configuration file",
        description="Trains what a TOML file describes (see docs/training.md; examples in resources/configs) and writes"
        " a run folder: configuration, provenance, checkpoint, log with pictures, and the model. Ctrl+C stops after a"
        " checkpoint; --resume goes on from there.",
    )
    parser.add_argument("--config", required=True, type=Path, metavar="FILE.toml")
    parser.add_argument("--run", type=Path, metavar="DIR", help="run folder; runs/NAME without it", dest="folder")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder, in the place of the configuration's own")
    parser.add_argument("--minutes", type=float, help="time to train, in the place of the configuration's own")
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's checkpoint")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_train_command)


def run_train_command(args: argparse.Namespace) -> int:
    with progress_bar("Training") as (report, cancel):
        from glioma_annotator.adaptation.config_file import check_config, read_config  # torch comes with them

        config = read_config(args.config)
        config = _overridden(config, args)
        check_config(config, args.config.name)
        from glioma_annotator.adaptation.train import train

        folder = args.folder or Path("runs") / config.name
        result = train(config, folder, args.resume, report, cancel)
    facts = {
        "models": [str(model) for model in result.models],
        "summary": result.summary,
        "scores": [dataclasses.asdict(score) for score in result.scores],
    }
    if args.json:
        print_json(facts)
        return ExitCode.DONE
    for model in result.models:
        print(model)
    if result.summary:
        print_table(
            ("REGION", "MEDIAN DICE", "MEAN DICE", "CASES"),
            [(region, s["median"], s["mean"], s["cases"]) for region, s in result.summary.items()],
        )
    return ExitCode.DONE


def _overridden(config: TrainingConfig, args: argparse.Namespace) -> TrainingConfig:
    """The configuration with what the command line says instead."""
    data, run = config.data, config.run
    place = str(args.data.expanduser().resolve()) if args.data else ""  # --resume knows it from wherever it is named
    if place and data.synthetic:
        cases, validation = (_moved(paths, data.synthetic, place) for paths in (data.cases, data.validation))
        data = dataclasses.replace(data, synthetic=place, cases=cases, validation=validation)
    elif place:
        data = dataclasses.replace(data, cases=(place,))
    if args.minutes is not None:
        run = dataclasses.replace(run, minutes=args.minutes)
    return dataclasses.replace(config, data=data, run=run)


def _moved(paths: tuple[str, ...], before: str, now: str) -> tuple[str, ...]:
    """Folders and patterns of cases, those within the data folder of the file now within the one that was named."""
    inside = [Path(path).is_relative_to(before) for path in paths]
    return tuple(
        str(Path(now) / Path(path).relative_to(before)) if within else path
        for path, within in zip(paths, inside, strict=True)
    )
