"""The figures of one region of one case."""

from __future__ import annotations

from dataclasses import dataclass, fields

from glioma_annotator.domain.labels import IGNORE, LabelScheme
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.lesions import lesion_scores
from glioma_annotator.imaging.metrics import surface_distances_mm, volume_scores

#: What a reader must know about empty masks; printed under every table.
RULES = (
    "Dice is 1 when neither mask has the region, 0 when only one has. Distances are 0 when neither has it and missing "
    "when only one has; sensitivity needs a reference, precision a prediction. Lesions: parts of the reference within "
    "6 mm of each other are one; a predicted part within 3 mm belongs to it; below 0.05 mL neither counts (BraTS "
    "2023). ET may be absent: read its Dice case by case, beside its mL."
)


@dataclass(frozen=True, slots=True)
class CaseScore:
    """Agreement of a predicted with a reference region; None where a figure has no meaning, see `RULES`.

    Attributes
    ----------
    hd95_mm, surface_mm: 95 % Hausdorff and mean surface distance in mm.
    volume_error_ml, volume_error_percent: prediction less reference; per cent of the reference.
    lesions, lesions_found, lesions_invented: of the reference, of these found, and predicted where there is none.
    lesion_dice, lesion_sensitivity, lesion_precision: see `imaging.lesions`.
    """

    case: str
    region: str
    dice: float
    hd95_mm: float | None
    surface_mm: float | None
    sensitivity: float | None
    precision: float | None
    reference_ml: float
    prediction_ml: float
    volume_error_ml: float
    volume_error_percent: float | None
    lesions: int
    lesions_found: int
    lesions_invented: int
    lesion_dice: float | None
    lesion_sensitivity: float | None
    lesion_precision: float | None

    @property
    def present(self) -> bool:
        """Whether the reference has the region."""
        return self.reference_ml > 0


COLUMNS = tuple(field.name for field in fields(CaseScore))


def check_reviewed(name: str, reference: Volume) -> None:
    """Raise `UserError` for a reference that says nothing: two masks without any voxel to compare would agree."""
    if (reference.data == IGNORE).all():
        raise UserError(
            f"{name}: nothing in the reference was reviewed (all is 255).", "Review some of it, or leave it out."
        )


def score_case(case: str, reference: Volume, prediction: Volume, scheme: LabelScheme) -> tuple[CaseScore, ...]:
    """Scores of every region of the scheme; voxels that the reference marks as not reviewed are left out of both.

    Raises `UserError`, naming the case, when the masks do not lie on one grid, or nothing was reviewed.
    """
    check_reviewed(case, reference)
    try:
        basic = volume_scores(reference, prediction, scheme)
    except UserError as error:
        raise UserError(f"{case}: {error.what}", error.todo) from error
    reviewed, grid = reference.data != IGNORE, reference.grid
    scores = []
    for region, figures in zip(scheme.regions, basic, strict=True):
        truth, found = region.mask(reference.data), region.mask(prediction.data) & reviewed
        hd95, surface = surface_distances_mm(truth, found, grid)
        lesions = lesion_scores(truth, found, grid)
        error_ml = figures.prediction_ml - figures.reference_ml
        scores.append(
            CaseScore(
                case=case,
                region=region.name,
                dice=figures.dice,
                hd95_mm=hd95,
                surface_mm=surface,
                sensitivity=figures.sensitivity,
                precision=figures.precision,
                reference_ml=figures.reference_ml,
                prediction_ml=figures.prediction_ml,
                volume_error_ml=error_ml,
                volume_error_percent=100 * error_ml / figures.reference_ml if figures.reference_ml else None,
                lesions=lesions.reference,
                lesions_found=lesions.found,
                lesions_invented=lesions.invented,
                lesion_dice=lesions.dice,
                lesion_sensitivity=lesions.sensitivity,
                lesion_precision=lesions.precision,
            )
        )
    return tuple(scores)
