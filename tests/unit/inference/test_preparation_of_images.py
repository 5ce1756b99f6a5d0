"""What a network reads of images that do not show all of the brain."""

from __future__ import annotations

from typing import Any

import numpy as np

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.inference.preparation import prepare
from glioma_annotator.progress import CancelToken


def test_a_sequence_is_absent_where_it_does_not_reach(phantom: Any, card: ModelCard) -> None:
    whole = prepare(phantom.images, card, CancelToken())
    t2 = phantom.images[SequenceRole.T2]
    beyond = np.arange(t2.data.shape[2]) < t2.data.shape[2] // 2
    short = prepare(
        {**phantom.images, SequenceRole.T2: Volume(np.where(beyond, 0, t2.data).astype(np.float32), t2.grid)},
        card,
        CancelToken(),
    )
    channel = card.channels.index(SequenceRole.T2)
    seen = short.images[channel]
    lacking = short.brain & beyond[short.box.slices[2]]
    assert not seen[lacking].any()
    assert abs(float(seen[short.brain & ~lacking].mean())) < 1e-3
    assert abs(float(seen[short.brain & ~lacking].std()) - 1) < 1e-2
    assert any("The T2 shows only" in message for message in short.messages)
    assert whole.messages == ()
    others = [n for n in range(len(card.channels)) if n != channel]
    assert np.array_equal(short.images[others], whole.images[others])
