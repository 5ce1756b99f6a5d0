"""What a model card may ask for: bounds on memory and time, checked before anything of the model is used."""

from __future__ import annotations

import math

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.inference.network_size import network_size

#: Bytes of a card and of other settings that are read; one of a much adapted model has 40 kB.
MOST_CARD_BYTES = 2 * 2**20
#: Bytes of a model's weights: twice what the largest network takes in float32.
MOST_WEIGHTS_BYTES = 2 * 2**30
#: Every label is a volume of probabilities: 36 MB for a head of 240 x 240 x 155 voxels.
MOST_LABELS = 32
#: mm. A finer voxel size makes a head of 240 x 240 x 155 mm an image of more than 70 million voxels.
LEAST_SPACING_MM, MOST_SPACING_MM, LEAST_VOXEL_MM3 = 0.25, 10.0, 0.125
#: Voxels of a patch's edge, and of a patch.
MOST_EDGE, MOST_PATCH = 256, 192**3
#: mm, of the rules of post-processing: a head is no larger.
MOST_REACH_MM = 100.0
#: Rules of one kind.
MOST_RULES = 64
#: Characters of a title.
MOST_TITLE = 1000


def beyond_bounds(card: ModelCard) -> str:
    """What a card asks for that is not given; empty when nothing is."""
    after = card.post_processing
    rules = (
        after.too_small,
        after.mirrored,
        after.outside,
        after.enclosed,
        after.unenclosed,
        after.linings,
        after.extents,
        after.outlines,
        after.paired,
        after.least_cores,
        after.likelier,
    )
    reaches = (
        *(rule.within_mm for rule in after.mirrored),
        *(mm for rule in after.outside for mm in (rule.gap_mm, rule.notch_mm, rule.margin_mm)),
        *(rule.gap_mm for rule in after.enclosed),
        *(mm for rule in after.linings for mm in (rule.thinner_mm, rule.within_mm)),
        *(mm for rule in after.extents for mm in (rule.within_mm, rule.narrow_mm)),
        *(rule.reach_mm for rule in after.outlines),
        *(mm for rule in after.paired for mm in (rule.thinner_mm, rule.within_mm, rule.around_mm)),
    )
    size = network_size(card.architecture, card.parameters, len(card.channels), len(card.scheme.labels) + 1)
    checks = {
        f"{len(card.scheme.labels)} labels, at most {MOST_LABELS} are possible": len(card.scheme.labels) > MOST_LABELS,
        f"voxels of {_sizes(card)} mm, which are finer or coarser than is possible": not all(
            LEAST_SPACING_MM <= mm <= MOST_SPACING_MM for mm in card.spacing_mm
        )
        or math.prod(card.spacing_mm) < LEAST_VOXEL_MM3,
        "a patch of more voxels than memory holds": max(card.patch) > MOST_EDGE or math.prod(card.patch) > MOST_PATCH,
        f"a rule of its post-processing that reaches farther than {MOST_REACH_MM:.0f} mm": any(
            mm > MOST_REACH_MM for mm in reaches
        ),
        "more rules of post-processing than are possible": max(map(len, rules)) > MOST_RULES,
        "a title that fills pages": len(card.title) > MOST_TITLE,
        size.problem if size is not None else "": size is not None and bool(size.problem),
    }
    return next((problem for problem, present in checks.items() if present), "")


def _sizes(card: ModelCard) -> str:
    return " x ".join(f"{mm:.2g}" for mm in card.spacing_mm)
