"""Tissues and regions in the names of masks that mark one of them each: mask_ET, seg_whole_tumor, edema."""

from __future__ import annotations

import re

from glioma_annotator.workflow.recognition.words import tokens

#: Values of the program by tissue, and of the outermost tissue by region: what lies within is marked by others.
ET, NETC, SNFH, RC = 3, 1, 2, 4
#: Layers of a mask made of parts, from below: regions hold one another, so the inner one is laid on top.
LAYERS = (SNFH, NETC, ET, RC)

_NOT = frozenset("non no not without nonenhancing noncontrast ne".split())
_ENHANCING = frozenset("et enhancing enhancement enhancingtumor enhancingtumour contrastenhancing".split())
_TISSUES = {
    RC: frozenset("rc cavity cavities resectioncavity".split()),
    SNFH: frozenset("ed snfh edema oedema odema peritumoraledema peritumoral".split()),
    NETC: frozenset("netc ncr net ncrnet necrosis necrotic necroticcore nonenhancing nec".split()),
    ET: _ENHANCING,
}
#: What marks a region that holds other tissues: alone, it is not one tissue's mask. A necrotic core is a tissue.
_CORE = frozenset("tc core tumorcore tumourcore".split())
_WHOLE = frozenset("wt whole wholetumor wholetumour".split())
_KNOWN = _CORE.union(_WHOLE, *_TISSUES.values())
#: Too short to be sure of where no other tissue's mask lies beside it: a reader may be called RC.
_SHORT = frozenset("rc ed net et ncr nec".split())

_SAYS_NOTHING = frozenset(
    "seg segm segmentation segmentations mask masks label labels labelmap roi gt truth tumor tumour tissue region class"
    " glioma lesion resection contrast brats dseg".split()
)


def tissue_of(name: str) -> int | None:
    """The program's value for the tissue that a mask's name tells; None when it tells none, or several."""
    words = _words(name)
    present = frozenset(words)
    found = {value for value, known in _TISSUES.items() if present & known}
    if _denied(words):
        found = found - {ET} | {NETC}
    if found:
        return found.pop() if len(found) == 1 else None
    return NETC if present & _CORE else SNFH if present & _WHOLE else None


def tells_alone(name: str) -> bool:
    """Whether a name tells the tissue of a mask that has no other tissue's mask beside it."""
    known = known_words(name)
    return tissue_of(name) is not None and not known & (_CORE | _WHOLE) and not known <= _SHORT


def known_words(name: str) -> frozenset[str]:
    """The words of a mask's name that tell a tissue or a region."""
    return _KNOWN.intersection(_words(name))


def other_words(name: str) -> frozenset[str]:
    """The words of a mask's name that tell neither tissue nor that it is one: what the parts of one mask share."""
    return frozenset(_words(name)) - _KNOWN - _NOT - _SAYS_NOTHING


def _words(name: str) -> tuple[str, ...]:
    """Lower-case words, also of EnhancingTumor and tumorCore."""
    return tokens(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))


def _denied(words: tuple[str, ...]) -> bool:
    """Whether the name says non-enhancing, non-contrast-enhancing or the like."""
    return any(
        word in _NOT and not _ENHANCING.isdisjoint([w for w in words[n + 1 :] if w != "contrast"][:1])
        for n, word in enumerate(words)
    )
