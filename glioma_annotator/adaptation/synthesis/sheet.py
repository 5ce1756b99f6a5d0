"""A picture sheet of training samples, to look at before training on them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from glioma_annotator.adaptation.augmentation import TorchIOAugmentation
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds, load_label_maps, load_shapes
from glioma_annotator.adaptation.synthesis.samples import CHANNELS, Sample, SampleSource, draw_sample
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import GliomaError

_INCHES = 1.3


def draw_sheet(samples: Sequence[Sample], path: Path, columns: int = 2) -> None:
    """Write a PNG: per sample its four sequences and the labels on FLAIR, in the axial slice with most tumour.

    Grey is the brain's mean intensity (z-score 0); a sequence that a sample lacks is an even grey.
    """
    rows = -(-len(samples) // columns)
    width = len(CHANNELS) + 1
    figure = Figure(figsize=(columns * width * _INCHES, rows * _INCHES * 1.12), facecolor="black", dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns * width, squeeze=False)
    labels = GLIOMA_POST_TREATMENT.labels
    colours = ListedColormap([label.colour for label in labels])
    for axis in axes.ravel():
        axis.axis("off")
    for number, sample in enumerate(samples):
        row, first = divmod(number, columns)
        per_slice = (sample.labels > 0).sum(axis=(0, 1))
        k = int(per_slice.argmax()) if per_slice.any() else sample.labels.shape[2] // 2
        panes = axes[row, first * width : (first + 1) * width]
        shown = [*sample.images, sample.images[CHANNELS.index("FLAIR")]]
        for pane, image in zip(panes, shown, strict=True):
            pane.imshow(image[:, :, k].T, cmap="gray", vmin=-2.5, vmax=3.0, origin="lower")
        mask = np.ma.masked_equal(sample.labels[:, :, k].T, 0)
        panes[-1].imshow(mask, cmap=colours, vmin=1, vmax=len(labels), alpha=0.6, origin="lower")
        titles = [*CHANNELS, sample.kind]
        for pane, title in zip(panes, titles, strict=True):
            pane.set_title(title, color="white", fontsize=6, pad=2)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.98, 0.03, 0.16)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    """`python -m glioma_annotator.adaptation.synthesis.sheet --data DIR --out SHEET.png`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with healthy/, atlas/, label_maps/, ...")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--patch", type=int, default=80, help="edge of a sample in voxels of 1 mm")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.samples < 1 or options.patch < 16 or options.seed < 0:
        parser.error("there must be a sample, of 16 voxels at least, and the seed cannot be negative")
    source = SampleSource(
        load_backgrounds(options.data),
        load_label_maps(options.data),
        load_shapes(options.data),
        augment=TorchIOAugmentation(),
    )
    samples = [draw_sample(source, options.patch, options.seed, number) for number in range(options.samples)]
    draw_sheet(samples, options.out)


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
