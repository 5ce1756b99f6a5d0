"""Every repository of one database."""

from __future__ import annotations

from glioma_annotator.db.audit import AuditTrail
from glioma_annotator.db.cohort import CohortRepository
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.course import EventRepository, MeasurementRepository, NoteRepository, ResponseRepository
from glioma_annotator.db.findings import FindingRepository, VasariRepository
from glioma_annotator.db.histology import HistologyRepository
from glioma_annotator.db.identities import IdentityRepository
from glioma_annotator.db.label_schemes import LabelSchemeRepository
from glioma_annotator.db.measures import MeasureRepository
from glioma_annotator.db.patients import PatientRepository
from glioma_annotator.db.registrations import RegistrationRepository
from glioma_annotator.db.revisions import RevisionRepository
from glioma_annotator.db.search import SearchRepository
from glioma_annotator.db.timepoints import TimepointRepository
from glioma_annotator.db.verify import Audited
from glioma_annotator.db.view_states import ViewStateRepository


class Repositories:
    """What the parts of a workspace share; `actor` as in `AuditTrail`."""

    def __init__(self, connections: Connections, actor: str) -> None:
        self.connections = connections
        self.audit = AuditTrail(connections, actor)
        self.patients = PatientRepository(connections, self.audit)
        self.timepoints = TimepointRepository(connections, self.audit)
        self.schemes = LabelSchemeRepository(connections, self.audit)
        self.revisions = RevisionRepository(connections, self.audit)
        self.findings = FindingRepository(connections, self.audit)
        self.vasari = VasariRepository(connections, self.audit)
        self.histology = HistologyRepository(connections, self.audit)
        self.measures = MeasureRepository(connections)
        self.events = EventRepository(connections, self.audit, self.measures)
        self.measurements = MeasurementRepository(connections, self.audit)
        self.responses = ResponseRepository(connections, self.audit)
        self.notes = NoteRepository(connections, self.audit)
        self.registrations = RegistrationRepository(connections, self.audit)
        self.identities = IdentityRepository(connections, self.audit)
        self.search = SearchRepository(connections)
        self.cohort = CohortRepository(connections, self.audit)
        self.view_states = ViewStateRepository(connections)

    @property
    def audited(self) -> tuple[Audited, ...]:
        """Those whose every record is in the audit table."""
        return (
            self.findings, self.vasari, self.histology, self.events, self.measurements, self.responses, self.notes,
            self.registrations, self.identities, self.cohort,
        )  # fmt: skip
