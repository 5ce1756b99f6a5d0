"""Tissues and regions in the names of masks that mark one of them each: mask_ET, seg_whole_tumor, edema."""

from __future__ import annotations

import re

from glioma_annotator.workflow.recognition.words import tokens

#: Values of the program by tissue, and of the outermost tissue by region: what lies within is marked by others.
ET, NETC, SNFH, RC = 3, 1, 2, 4
#: Layers of a mask made of parts, from below: regions hold one another, so the inner one is laid on top.
LAYERS = (SNFH, NETC, ET, RC)

_NOT = frozenset(("non", "nonenhancing", "ne", "not"))
#: In this order: necrotic core and non-enhancing core are tissues, core alone is a region.
_WORDS: tuple[tuple[int, frozenset[str]], ...] = (
    (RC, frozenset("rc cavity cavities resectioncavity".split())),
    (SNFH, frozenset("ed snfh edema oedema odema peritumoraledema peritumoral".split())),
    (NETC, frozenset("netc ncr net ncrnet necrosis necrotic necroticcore nonenhancing nec".split())),
    (ET, frozenset("et enhancing enhancement enhancingtumor enhancingtumour contrastenhancing".split())),
    (NETC, frozenset("tc core tumorcore tumourcore".split())),
    (SNFH, frozenset("wt whole wholetumor wholetumour".split())),
)
#: What marks a region that holds other tissues: alone, it is not one tissue's mask.
_REGIONS = frozenset("tc core tumorcore tumourcore wt whole wholetumor wholetumour".split())
#: Too short to be sure of where no other tissue's mask lies beside it: a reader may be called RC.
_SHORT = frozenset("rc ed net et ncr nec".split())

_SAYS_NOTHING = frozenset(
    "seg segm segmentation segmentations mask masks label labels labelmap roi gt truth tumor tumour tissue region class"
    " glioma lesion resection brats dseg".split()
)


def tissue_of(name: str) -> int | None:
    """The program's value for the tissue that a mask's name tells; None when it tells none."""
    words = _words(name)
    present = frozenset(words)
    if _after_not(words):
        return NETC
    return next((value for value, known in _WORDS if present & known), None)


def tells_alone(name: str) -> bool:
    """Whether a name tells the tissue of a mask that has no other tissue's mask beside it."""
    present = frozenset(_words(name))
    known = frozenset(word for _, words in _WORDS for word in words) & present
    return tissue_of(name) is not None and not known & _REGIONS and not known <= _SHORT


def other_words(name: str) -> frozenset[str]:
    """The words of a mask's name that tell neither tissue nor that it is one: what the parts of one mask share."""
    return frozenset(_words(name)).difference(_NOT, _SAYS_NOTHING, *(words for _, words in _WORDS))


def _words(name: str) -> tuple[str, ...]:
    """Lower-case words, also of EnhancingTumor and tumorCore."""
    return tokens(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))


def _after_not(words: tuple[str, ...]) -> bool:
    enhancing = _WORDS[3][1]
    return any(word in _NOT and words[n + 1 : n + 2] and words[n + 1] in enhancing for n, word in enumerate(words))
