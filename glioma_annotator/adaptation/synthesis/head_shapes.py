"""Heads of other shapes than those that were mapped: what lies between them, and a little beyond.

Seventeen heads are few for a network that is to know any. So all are registered to one of them, and the tissue of one
is bent to a weighted mean of the shapes of all (a statistical shape model: Rueckert, Frangi, Schnabel, "Automatic
construction of 3-D statistical deformation models of the brain", IEEE TMI 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.head_contrast import CLASSES
from glioma_annotator.adaptation.synthesis.noise import Field

if TYPE_CHECKING:
    import SimpleITK

    from glioma_annotator.adaptation.synthesis.heads import HeadMap

_STEP_MM = 3.0
_REACH_MM = 129.0  # to each side of the brain's middle
_POINTS = 1 + 2 * round(_REACH_MM / _STEP_MM)
_BLUR_MM = 2.0
_DEMONS = ((2, 60), (1, 40))  # coarser by, iterations
_FIELD_SIGMA = 1.5  # of the smoothing of the displacements, in voxels of `_STEP_MM`
_INVERSIONS = 2

#: By concentration: the lower, the fewer heads make up most of a mixture.
_CONCENTRATION = 0.4
_BEYOND = (0.8, 1.4)  # times the way from the mean of all shapes to the mixture

#: Brightness of the tissues for registration; those not named 0.8, air 0.
_BRIGHT = {
    "grey": 0.7,
    "cerebellar grey": 0.7,
    "white": 1.0,
    "cerebellar white": 1.0,
    "ventricle": 0.3,
    "fluid": 0.3,
    "eye": 0.3,
    "bone": 0.15,
    "marrow": 0.35,
    "muscle": 0.4,
    "mucosa": 0.45,
    "soft tissue": 0.5,
    "rest": 0.5,
    "skin": 0.55,
}


@dataclass(frozen=True, slots=True, eq=False)
class HeadShapes:
    """`shifts`, float32 (head, 3, i, j, k) in mm on points `_STEP_MM` apart about the brain's middle: from a place in
    the first head, relative to its brain's middle, to the same place of the anatomy in each head.
    """

    shifts: NDArray[np.float32]

    def bent(
        self, head: int, place: tuple[Field, Field, Field], rng: np.random.Generator
    ) -> tuple[Field, Field, Field]:
        """Where in a head, in mm from its brain's middle, what lies at `place` in a head of a new shape comes from."""
        weights = rng.dirichlet(np.full(len(self.shifts), _CONCENTRATION))
        weights = weights.mean() + rng.uniform(*_BEYOND) * (weights - weights.mean())
        new = np.tensordot(weights.astype(np.float32), self.shifts, axes=1)
        here = common = np.stack(place)
        for _ in range(_INVERSIONS):
            common = here - _at(new, common)
        result = common + _at(self.shifts[head], common)
        return result[0], result[1], result[2]


def learn_shapes(maps: Sequence[HeadMap]) -> HeadShapes:
    """Register every head to the first: about 5 s each."""
    first = _drawn(maps[0])
    shifts = [np.zeros((3, *(_POINTS,) * 3), dtype=np.float32)]
    shifts += [_shift(first, _drawn(head)) for head in maps[1:]]
    return HeadShapes(np.stack(shifts))


def _drawn(head: HeadMap) -> SimpleITK.Image:
    """A head in one fixed contrast, on the points of the shifts."""
    import SimpleITK

    table = np.array([0.0, *(_BRIGHT.get(name, 0.8) for name in CLASSES)], dtype=np.float32)
    image = ndimage.gaussian_filter(table[head.classes], _BLUR_MM)
    axes = [middle + np.linspace(-_REACH_MM, _REACH_MM, _POINTS) for middle in head.middle]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    values = ndimage.map_coordinates(image, points, order=1, mode="constant").astype(np.float32)
    drawn = SimpleITK.GetImageFromArray(values.transpose(2, 1, 0))
    drawn.SetSpacing((_STEP_MM,) * 3)
    drawn.SetOrigin((-_REACH_MM,) * 3)
    return drawn


def _shift(fixed: SimpleITK.Image, moving: SimpleITK.Image) -> NDArray[np.float32]:
    """(3, i, j, k) in mm: from places in `fixed` to those of `moving`."""
    import SimpleITK  # here, to keep it off the program's start

    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 100)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    method.SetInitialTransform(SimpleITK.AffineTransform(3), inPlace=False)
    affine = method.Execute(fixed, moving)
    near = SimpleITK.Resample(moving, fixed, affine, SimpleITK.sitkLinear, 0.0)
    field: SimpleITK.Image | None = None
    for coarser, iterations in _DEMONS:
        one, other = (SimpleITK.Shrink(image, [coarser] * 3) for image in (fixed, near))
        demons = SimpleITK.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(iterations)
        demons.SetStandardDeviations(_FIELD_SIGMA)
        if field is None:
            field = demons.Execute(one, other)
        else:
            rough = SimpleITK.Resample(field, one, SimpleITK.Transform(), SimpleITK.sitkLinear, 0.0)
            field = demons.Execute(one, other, rough)
    assert field is not None
    both = SimpleITK.CompositeTransform(
        [affine, SimpleITK.DisplacementFieldTransform(SimpleITK.Cast(field, SimpleITK.sitkVectorFloat64))]
    )
    whole = SimpleITK.TransformToDisplacementField(
        both, SimpleITK.sitkVectorFloat32, fixed.GetSize(), fixed.GetOrigin(), fixed.GetSpacing()
    )
    return np.ascontiguousarray(SimpleITK.GetArrayFromImage(whole).transpose(3, 2, 1, 0))


def _at(shift: NDArray[np.float32], place: Field) -> Field:
    """Shifts (3, i, j, k) interpolated at places (3, ...) in mm; beyond the points those of the border."""
    # grid_sample wants (k, j, i) from -1 to 1, where these are the middles of the first and the last point.
    grid = torch.from_numpy(np.ascontiguousarray(np.moveaxis(place[::-1], 0, -1) / np.float32(_REACH_MM)))
    found = torch.nn.functional.grid_sample(
        torch.from_numpy(shift)[None], grid[None], padding_mode="border", align_corners=True
    )
    return np.asarray(found[0].numpy())
