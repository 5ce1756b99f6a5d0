"""Doses of different steroids made comparable."""

from __future__ import annotations

#: Daily doses in mg that act alike (glucocorticoid effect, British National Formulary), by what a name begins with.
_ALIKE_MG = {
    0.75: ("dexa", "decadron", "fortecortin", "betameth", "celeston"),
    4.0: ("methylpred", "metilpred", "medrol", "solumedrol", "urbason", "triamcin"),
    5.0: ("predni", "decortin", "deltason"),
    6.0: ("deflaz",),
    20.0: ("hydrocort", "hidrocort", "idrocort", "cortef", "solucortef"),
    25.0: ("cortison",),
}
_DEXAMETHASONE_MG = next(iter(_ALIKE_MG))


def as_dexamethasone_mg(dose_mg: float, drug: str) -> float:
    """The dose of dexamethasone that acts like `dose_mg` of a drug; one that is not named or not known counts as it."""
    for word in drug.lower().replace("-", "").split():
        for alike_mg, beginnings in _ALIKE_MG.items():
            if word.startswith(beginnings):
                return dose_mg * _DEXAMETHASONE_MG / alike_mg
    return dose_mg
