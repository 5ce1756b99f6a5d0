"""Measure what a model's convolutions read, so that it can be computed in 8 bits, and write it into its card.

`python -m glioma_annotator.adaptation.measure_ranges --model DIR --cases DIR [DIR ...]`: every folder in `--cases` is a
visit, in BraTS naming; masks are not looked at. The weights stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.case_files import CaseFiles, find_cases
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.covering import padded_to_multiple
from glioma_annotator.inference.eight_bit import measured_ranges
from glioma_annotator.inference.model_folder import load_model, save_card
from glioma_annotator.inference.preparation import prepare
from glioma_annotator.progress import CancelToken


def measure_ranges(model: Path, cases: Sequence[Path]) -> ModelCard:
    """Write the ranges over every visit in `cases` into a model's card, and return it.

    Raises `UserError` without visits, for a model of a network that is not computed in 8 bits, and as `prepare` does.
    """
    card, network = load_model(model)
    visits = find_cases(cases)
    ranges = measured_ranges(network, _images(card, network.multiple, visits))
    if not ranges:
        raise UserError(
            f"The network of “{card.name}” is not computed in 8 bits.", "Choose a residual-inception U-Net."
        )
    card = replace(
        card,
        ranges={name: (round(low, 3), round(high, 3)) for name, (low, high) in ranges.items()},
        training={**card.training, "ranges_measured_on": [visit.name for visit in visits]},
    )
    save_card(model, card)
    return card


def _images(card: ModelCard, multiple: int, visits: Sequence[CaseFiles]) -> Iterator[Tensor]:
    for visit in visits:
        images = {role: read_volume(path).volume for role, path in visit.images.items()}
        prepared = prepare(images, card, CancelToken())
        yield torch.from_numpy(padded_to_multiple(prepared.images, multiple))[None]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--cases", type=Path, nargs="+", required=True, help="folders with one folder per visit")
    options = parser.parse_args(arguments)
    try:
        card = measure_ranges(options.model, options.cases)
    except UserError as error:
        raise SystemExit(str(error)) from None
    for name, (low, high) in card.ranges.items():
        print(f"{name}  {low:g} to {high:g}")


if __name__ == "__main__":
    main()
