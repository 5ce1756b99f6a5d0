"""Made-up data on disk: case folders in BraTS naming, and a tumour-free brain for the generator."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

ENDINGS = ("t1", "t1ce", "t2", "flair")


def write_case(folder: Path, seed: int = 0, size: int = 24, tumour: bool = True) -> Path:
    """A case named as in BraTS 2021: a brain that fills most of the volume, with a bright ball of values 1, 2 and 4."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    axes = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij")) - size / 2
    brain = (axes**2).sum(axis=0) < (0.45 * size) ** 2
    centre = rng.uniform(-size / 8, size / 8, 3)
    distance = np.sqrt(((axes - centre[:, None, None, None]) ** 2).sum(axis=0))
    labels = np.zeros(brain.shape, np.uint8)
    if tumour:
        for value, radius in ((2, size / 4), (4, size / 6), (1, size / 12)):
            labels[distance < radius] = value
    for channel, ending in enumerate(ENDINGS):
        values = np.array([100, 60 + 40 * channel, 130 + 20 * channel, 0, 220 - 10 * channel])
        image = np.where(brain, values[labels] + rng.normal(0, 8, brain.shape), 0).astype(np.float32)
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / f"{folder.name}_{ending}.nii.gz")
    nib.save(nib.Nifti1Image(labels * brain, np.eye(4)), folder / f"{folder.name}_seg.nii.gz")
    return folder


def write_cases(folder: Path, count: int, size: int = 24) -> Path:
    """`count` cases in a folder of their own."""
    for number in range(count):
        write_case(folder / f"case{number + 1}", number, size)
    return folder


def write_healthy_brain(folder: Path) -> Path:
    """T1, T2 and FLAIR of a ball with white, grey and fluid shells."""
    folder.mkdir(parents=True)
    axes = np.meshgrid(*[np.linspace(-1.1, 1.1, 44)] * 3, indexing="ij")
    radius = np.sqrt(sum(a**2 for a in axes))
    tissue = np.digitize(-radius, [-1.0, -0.9, -0.7])
    noise = np.random.default_rng(0).normal(1, 0.02, tissue.shape)
    for name, values in {"MPRAGE": (0, 20, 70, 100), "T2w": (0, 300, 140, 100), "FLAIR": (0, 30, 120, 100)}.items():
        image = (np.array(values)[tissue] * noise).astype(np.float32)
        nib.save(nib.Nifti1Image(image, np.diag([-1, -1, 1, 1])), folder / f"{name}.nii.gz")
    return folder
