"""Rules of a card's post-processing that a reader's masks contradict are not an adapted model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.features import Marked
from glioma_annotator.adaptation.held_out import as_proposed
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.mask_rules import PostProcessing
from glioma_annotator.domain.model_card import ModelCard

#: Of a reader's mask, in mL: a rule that would change as much of it is not how the reader outlines.
CONTRADICTED_ML = 0.5
#: Of all of a reader's tumour, the share by which the rule for extents may enlarge it: on the two development cases of
#: clear oedema 0.01 and less, on the two of faint one, whose masks are better than what the rule makes of them, 0.15
#: and more (benchmarks/measured/adaptation.md).
EXTENDED_SHARE = 0.1

#: What a rule is about, by its name in `PostProcessing`: they follow from definitions that readers may not share.
_RULES = {
    "unenclosed": "core without an enhancing rim after surgery",
    "linings": "thin enhancement along a cavity after surgery",
    "paired": "parts that the other side shows as well",
    "least_cores": "a tumour without enhancement, less than half of which is core",
}
_AFTER_SURGERY = ("unenclosed", "linings")


def as_readers_outline(card: ModelCard, cases: Sequence[PreparedCase]) -> tuple[ModelCard, tuple[str, ...]]:
    """The card without the rules that the masks contradict, and what the reader should know.

    Else the model's proposals would lose again and again what the reader put in, or gain what the reader took out, and
    nothing could be learnt about it.
    """
    messages = []
    for name, what in _RULES.items():
        rules = getattr(card.post_processing, name)
        only: dict[str, Any] = {name: rules}
        alone = replace(card, post_processing=PostProcessing(0.0, **only))
        asked = [case for case in cases if rules and (case.operated or name not in _AFTER_SURGERY)]
        if any(_changed_ml(case, alone) >= CONTRADICTED_ML for case in asked):
            none: dict[str, Any] = {name: ()}
            card = replace(card, post_processing=replace(card.post_processing, **none))
            messages.append(f"The masks show {what}: the adapted model leaves it as it is.")
    extents = card.post_processing.extents
    alone = replace(card, post_processing=PostProcessing(0.0, extents=extents))
    tumour_ml = sum(np.count_nonzero(case.tumour) * case.voxel_ml for case in cases)
    if extents and sum(_changed_ml(case, alone) for case in cases) > EXTENDED_SHARE * tumour_ml:
        card = replace(card, post_processing=replace(card.post_processing, extents=()))
        names = " and ".join(rule.sequence.value for rule in extents)
        messages.append(
            f"The masks are drawn closer than by brightness on {names}: the adapted model does not add to it."
        )
    return card, tuple(messages)


def _changed_ml(case: PreparedCase, card: ModelCard) -> float:
    drawn = Marked(case.classes, np.zeros((0, *case.shape), dtype=np.uint8))  # these rules do not ask how sure it is
    as_it_is = as_proposed(drawn, case, replace(card, post_processing=PostProcessing(0.0)))
    changed = (as_proposed(drawn, case, card) != as_it_is) & (case.classes != IGNORE)
    return float(np.count_nonzero(changed) * case.voxel_ml)
