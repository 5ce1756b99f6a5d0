"""Agreement of two masks, region by region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from glioma_annotator.domain.geometry import Box, FloatArray, Grid
from glioma_annotator.domain.labels import IGNORE, LabelScheme
from glioma_annotator.domain.measurement import RegionScores
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti_header import largest_gap_mm

Mask = NDArray[np.bool_]

#: Share of a voxel by which two headers of one grid may differ: a program that knows no shear rounds it away.
_SAME_VOXEL = 0.25


def volume_scores(reference: Volume, prediction: Volume, scheme: LabelScheme) -> tuple[RegionScores, ...]:
    """`region_scores` of two label volumes. Raises `UserError` when they do not lie on the same grid."""
    if not reference.grid.matches(prediction.grid, _SAME_VOXEL * min(reference.grid.spacing_mm)):
        raise UserError(
            f"The two masks do not lie on the same grid: {_difference(reference.grid, prediction.grid)}.",
            "Export both on the grid of the same sequence, then compare again.",
        )
    return region_scores(reference.data, prediction.data, reference.grid, scheme)


def region_scores(
    reference: LabelArray, prediction: LabelArray, grid: Grid, scheme: LabelScheme
) -> tuple[RegionScores, ...]:
    """Scores of every region of the scheme, in its order.

    Parameters
    ----------
    reference, prediction: label values (i, j, k) on `grid`. Voxels that the reference marks as not reviewed are left
        out of both.

    Raises `UserError` when the shapes differ.
    """
    if not reference.shape == prediction.shape == grid.shape:
        raise UserError(
            f"The masks do not match: the reference has {reference.shape} voxels, the prediction {prediction.shape}, "
            f"their grid {grid.shape}.",
            "Compare masks of the same scan.",
        )
    reviewed = reference != IGNORE
    scores = []
    for region in scheme.regions:
        a, b = region.mask(reference), region.mask(prediction) & reviewed
        both, in_a, in_b = int(np.count_nonzero(a & b)), int(np.count_nonzero(a)), int(np.count_nonzero(b))
        scores.append(
            RegionScores(
                region=region.name,
                dice=2 * both / (in_a + in_b) if in_a + in_b else 1.0,
                hd95_mm=hd95_mm(a, b, grid),
                sensitivity=both / in_a if in_a else None,
                precision=both / in_b if in_b else None,
                reference_ml=in_a * grid.voxel_volume_ml,
                prediction_ml=in_b * grid.voxel_volume_ml,
            )
        )
    return tuple(scores)


def hd95_mm(a: Mask, b: Mask, grid: Grid) -> float | None:
    """95 % Hausdorff distance of two masks (i, j, k) in mm.

    The larger of the two directed 95th percentiles of the distance from a surface voxel of one mask to the nearest
    surface voxel of the other, between voxel centres, as the BraTS evaluation and MONAI have it. A surface voxel has a
    face neighbour outside its mask. 0 when both masks are empty, None when one is.
    """
    return surface_distances_mm(a, b, grid)[0]


def surface_distances_mm(a: Mask, b: Mask, grid: Grid) -> tuple[float | None, float | None]:
    """95 % Hausdorff distance (see `hd95_mm`) and mean surface distance of two masks (i, j, k) in mm.

    The mean is over the surface voxels of both masks, each with its distance to the other's nearest surface voxel. Both
    are 0 when both masks are empty, None when one is.
    """
    surface_a, surface_b = _surface_mm(a, grid), _surface_mm(b, grid)
    if surface_a is None or surface_b is None:
        empty = 0.0 if surface_a is surface_b else None
        return empty, empty
    a_to_b, _ = KDTree(surface_b).query(surface_a)
    b_to_a, _ = KDTree(surface_a).query(surface_b)
    hd95 = float(max(np.percentile(a_to_b, 95), np.percentile(b_to_a, 95)))
    return hd95, float(np.concatenate([a_to_b, b_to_a]).mean())


def _surface_mm(mask: Mask, grid: Grid) -> FloatArray | None:
    """World coordinates (n, 3) of the surface voxels' centres; None for an empty mask."""
    box = Box.around(mask)
    if box is None:
        return None
    inside = mask[box.slices]
    surface = inside & ~ndimage.binary_erosion(inside)
    return grid.index_to_world(np.argwhere(surface) + np.asarray(box.start))


def _difference(reference: Grid, prediction: Grid) -> str:
    sizes = _describe(reference), _describe(prediction)
    if sizes[0] != sizes[1]:
        return f"{sizes[0]} for the reference and {sizes[1]} for the prediction"
    apart_mm = largest_gap_mm(reference.affine, prediction.affine, reference.shape)
    return f"both have {sizes[0]}, but by their headers the same voxel lies up to {apart_mm:.3g} mm apart"


def _describe(grid: Grid) -> str:
    spacing = " x ".join(f"{mm:.3g}" for mm in grid.spacing_mm)
    return f"{' x '.join(map(str, grid.shape))} voxels of {spacing} mm"
