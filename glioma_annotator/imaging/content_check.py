"""Does an image look like the contrast its name says?

Judged in the core of the head: its deepest half litre, which holds ventricles and deep white matter whether the skull
is there or not. Two measures, both free of intensity units:

* the *tail ratio*, how far the bright tail reaches above the median relative to the dark tail below it: cerebrospinal
  fluid is far brighter than tissue on T2 and darker on the others (T2 3.7 to 9, the others 0.2 to 2.7 in 15 visits of
  BraTS, BraTS-Reg, TCGA, Kirby21 and open-MS data, with and without skull);
* *rank correlations* between images: T1 goes with T1Gd and against T2, FLAIR less so.

Warnings only: tumours, blood and artefacts can mislead both.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.imaging.resampling import resample_to

COARSE_MM = 3.0
CORE_ML = 500.0
LEAST_CORE_VOXELS = 200

#: Tail ratios: an image alone is taken for T2 from here on, ...
FLUID_BRIGHT = 3.2
#: ... a T2 alone is doubted below this, ...
FLUID_NOT_BRIGHT = 2.0
#: ... and with a T2 beside it another image is doubted when its ratio is larger by this factor.
FLUID_BRIGHTER = 1.3
#: Two images are taken for swapped when correlations favour the exchange by this much.
EXCHANGE_MARGIN = -0.15
#: T1 and T1Gd are taken for swapped when the tail of voxels brighter on "T1" is longer by this factor.
ENHANCEMENT_FACTOR = 1.7
#: Depth in mm below the brain's surface from which enhancement is looked for, away from sinuses and partial volume.
ENHANCEMENT_DEPTH_MM = 8.0
#: No head fits into less than this along its second longest side (a newborn's has 90 mm), or fills more.
LEAST_HEAD_MM, MOST_HEAD_MM = 80.0, 400.0

Warnings = dict[SequenceRole, list[str]]


def shrink(volume: Volume) -> Volume:
    """A coarse copy of a volume: means of blocks of about `COARSE_MM`."""
    factor = [max(1, round(COARSE_MM / s)) for s in volume.grid.spacing_mm]
    n, m, p = (max(1, size // f) for size, f in zip(volume.data.shape, factor, strict=True))
    f, g, h = (min(f, size) for f, size in zip(factor, volume.data.shape, strict=True))
    data = volume.data[: n * f, : m * g, : p * h]
    data = data.reshape(n * f, m * g, p, h).mean(axis=3).reshape(n * f, m, g, p).mean(axis=2)
    data = data.reshape(n, f, m, p).mean(axis=1)
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.index_to_world((np.array((f, g, h)) - 1) / 2)
    affine[:3, :3] *= (f, g, h)
    return Volume(data.astype(np.float32), Grid((n, m, p), affine))


def size_warnings(grid: Grid) -> tuple[str, ...]:
    """What to tell of a field of view that no scan of a head has; one sentence or none."""
    sides = [size * mm for size, mm in zip(grid.shape, grid.spacing_mm, strict=True)]
    if sorted(sides)[1] >= LEAST_HEAD_MM and max(sides) <= MOST_HEAD_MM:
        return ()
    what = "little" if sorted(sides)[1] < LEAST_HEAD_MM else "much"
    covered = " x ".join(f"{side:.0f}" for side in sides)
    return (
        f"It covers {covered} mm, too {what} for a head: check the voxel size in its header, volumes depend on it.",
    )


def check_contents(images: Mapping[SequenceRole, Volume]) -> Mapping[SequenceRole, tuple[str, ...]]:
    """Warnings, one sentence each, by role for images of one visit; roles in order have none.

    Parameters
    ----------
    images: at most one image per conventional role, each on its own grid, as coarse as `shrink` makes them.
    """
    known: list[SequenceRole] = [role for role in REFERENCE_ORDER if role in images and role is not SequenceRole.OTHER]
    if not known:
        return {}
    grid = images[known[0]].grid
    volumes = {role: resample_to(images[role], grid).data for role in known}
    from scipy.ndimage import distance_transform_edt  # here, to keep it off the program's start

    depth_mm = distance_transform_edt(np.pad(brain_mask(list(volumes.values())), 1), sampling=grid.spacing_mm)
    depth_mm = depth_mm[1:-1, 1:-1, 1:-1]
    core = _deepest(depth_mm, round(CORE_ML / grid.voxel_volume_ml))
    warnings: Warnings = {role: [] for role in known}
    if np.count_nonzero(core) < LEAST_CORE_VOXELS:
        return {}
    _warn_of_copies(warnings, volumes)
    values = {role: data[core] for role, data in volumes.items() if np.ptp(data[core]) > 0}
    if not _warn_of_fluid(warnings, {role: tail_ratio(v) for role, v in values.items()}):
        ranks = {role: _ranks(v) for role, v in values.items()}
        doubted = _warn_of_flair(warnings, ranks)
        if not doubted and SequenceRole.T1 in volumes and SequenceRole.T1GD in volumes:
            deep = depth_mm > ENHANCEMENT_DEPTH_MM
            _warn_of_enhancement(warnings, volumes[SequenceRole.T1][deep], volumes[SequenceRole.T1GD][deep])
    return {role: tuple(sentences) for role, sentences in warnings.items() if sentences}


def tail_ratio(values: NDArray[np.floating]) -> float:
    """(99th percentile - median) / (median - 1st percentile); infinite without a dark tail."""
    low, middle, high = (float(p) for p in np.percentile(values, (1, 50, 99)))
    return (high - middle) / (middle - low) if middle > low else float("inf")


def _deepest(depth_mm: NDArray[np.float64], voxels: int) -> NDArray[np.bool_]:
    inside = depth_mm[depth_mm > 0]
    if inside.size <= voxels:
        return np.asarray(depth_mm > 0)
    return np.asarray(depth_mm >= np.partition(inside, -voxels)[-voxels])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Position of each value in ascending order; `scipy.stats` does it too, but takes 0.7 s of the start to import."""
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks


def _swapped(one: SequenceRole, other: SequenceRole) -> str:
    return f"{one.value} and {other.value} may be swapped."


def _warn_of_copies(warnings: Warnings, volumes: Mapping[SequenceRole, NDArray[np.float32]]) -> None:
    for one, other in combinations(volumes, 2):
        if np.array_equal(volumes[one], volumes[other]):
            warnings[one].append(f"It is the same image as {other.value}.")
            warnings[other].append(f"It is the same image as {one.value}.")


def _warn_of_fluid(warnings: Warnings, ratios: Mapping[SequenceRole, float]) -> bool:
    """Doubt images by the brightness of their fluid; whether any was doubted."""
    t2 = SequenceRole.T2
    doubted = False
    if t2 not in ratios:
        for role, ratio in ratios.items():
            if ratio > FLUID_BRIGHT:
                warnings[role].append("Its fluid is bright, as on T2; it may be a T2.")
                doubted = True
        return doubted
    brightest = max(ratios, key=lambda role: ratios[role])
    if brightest is not t2 and ratios[brightest] > FLUID_BRIGHTER * ratios[t2]:
        warnings[brightest].append(f"Its fluid is brighter than that of the T2: {_swapped(brightest, t2)}")
        warnings[t2].append(f"Its fluid is less bright than that of the {brightest.value}: {_swapped(t2, brightest)}")
        doubted = True
    elif ratios[t2] < FLUID_NOT_BRIGHT:
        warnings[t2].append("Its fluid is not bright as on T2; it may be another contrast.")
        doubted = True
    return doubted


def _warn_of_flair(warnings: Warnings, ranks: Mapping[SequenceRole, NDArray[np.float64]]) -> bool:
    """Doubt the FLAIR and that T1 or T1Gd with which it should change places, if any; whether they were doubted."""
    flair = SequenceRole.FLAIR
    weighted = [role for role in (SequenceRole.T1, SequenceRole.T1GD) if role in ranks]
    if flair not in ranks or not weighted:
        return False
    favour, role = min((_favour(ranks, role), role) for role in weighted)
    if favour >= EXCHANGE_MARGIN:
        return False
    warnings[role].append(f"Its contrast is less like T1 than that of the FLAIR: {_swapped(role, flair)}")
    warnings[flair].append(f"Its contrast is more like T1 than that of the {role.value}: {_swapped(flair, role)}")
    return True


def _favour(ranks: Mapping[SequenceRole, NDArray[np.float64]], role: SequenceRole) -> float:
    """How much better `role` goes with the other T1-weighted image, and against T2, than the FLAIR does."""
    flair, t2 = SequenceRole.FLAIR, SequenceRole.T2
    partner = SequenceRole.T1GD if role is SequenceRole.T1 else SequenceRole.T1
    favour = 0.0
    if partner in ranks:
        favour += _correlation(ranks[role], ranks[partner]) - _correlation(ranks[flair], ranks[partner])
    if t2 in ranks:
        favour += _correlation(ranks[flair], ranks[t2]) - _correlation(ranks[role], ranks[t2])
    return favour


def _warn_of_enhancement(warnings: Warnings, t1: NDArray[np.float32], t1gd: NDArray[np.float32]) -> None:
    """Doubt a T1 that has bright spots which the T1Gd has not: contrast medium only ever adds them."""
    present = (t1 > 0.2 * np.median(t1)) & (t1gd > 0.2 * np.median(t1gd))
    if np.count_nonzero(present) < LEAST_CORE_VOXELS:
        return
    gain = np.log(t1gd[present]) - np.log(t1[present])
    low, middle, high = (float(p) for p in np.percentile(gain, (0.5, 50, 99.5)))
    if middle - low > ENHANCEMENT_FACTOR * (high - middle):
        one, other = SequenceRole.T1, SequenceRole.T1GD
        warnings[one].append(f"It is brighter in places than the T1Gd, as if enhanced: {_swapped(one, other)}")
        warnings[other].append(f"It is darker in places than the T1: {_swapped(other, one)}")


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
