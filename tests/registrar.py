"""A stand-in for the registration of two visits."""

from __future__ import annotations

import numpy as np

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.registration import Method, Registration
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.workflow.timepoints_together import VisitRegistration

SHIFT = np.eye(4)
SHIFT[0, 3] = 12.0


class Registrar:
    """Its result at once, or a refusal, or it waits to be cancelled first."""

    def __init__(self) -> None:
        self.refusal: UserError | None = None
        self.waits = False

    def __call__(
        self, _store: object, later: Timepoint, earlier: Timepoint, method: Method, report: Report, cancel: CancelToken
    ) -> VisitRegistration:
        while self.waits:
            report(Progress(0.4, "Registering"))
            cancel.raise_if_cancelled()
        if self.refusal is not None:
            raise self.refusal
        found = Registration(SHIFT, method, 1.0, 0.42, 0.1)
        return VisitRegistration(later.key, earlier.key, "T1Gd", found, quality=0.42)
