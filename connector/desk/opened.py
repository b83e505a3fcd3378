"""A stored night opened for reading: everything that the desk's pages show of it, at hand.

A night's documents take half a second to read, its recording's headers another part of one; a
reviewer turns sixty pages of the same night. The last few nights are therefore kept open.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from auditor.vocabulary import Epoch, Event, Evidence, Hypnogram, Montage
from connector.desk.spectrogram import spectrogram_png
from connector.documents import Json
from connector.edf import read_recording
from connector.kept import kept_evidence, kept_hypnogram
from connector.looks import shown_by_epoch
from connector.store import Store
from connector.stored import StoredStudy
from staging.montage import ChannelNames, choose_montage
from staging.render import Image, Renderer

RecordingOf: TypeAlias = Callable[[str], Path | None]
"""Where a study's recording lies on this machine; None once it is purged."""

_KEPT_OPEN = 4


@dataclass(frozen=True)
class OpenedStudy:
    """An audited study.

    Attributes:
        study: as it was when it was opened; its state may since have changed.
        hypnogram_id: of the scoring.
        audit: the audit as a document.
        hypnogram: what was audited, rationales included.
        recording: the file; None where it is no longer here.
        names: the hospital's own channel names.
        evidence_document: as it is stored; None for audits from before it was kept.
    """

    study: StoredStudy
    hypnogram_id: int
    audit: Json
    hypnogram: Hypnogram
    recording: Path | None
    names: ChannelNames
    evidence_document: bytes | None

    # What the night's own page does not need is read for the first epoch that is opened.

    @cached_property
    def evidence(self) -> Evidence | None:
        """What the scoring was audited against."""
        return kept_evidence(self.evidence_document) if self.evidence_document else None

    @cached_property
    def montage(self) -> Montage | None:
        """The signals; None where the recording is no longer here."""
        return (
            choose_montage(read_recording(self.recording), self.names) if self.recording else None
        )

    @cached_property
    def epochs(self) -> Mapping[int, Json]:
        """The audit of each epoch, by its number."""
        return {epoch["epoch"]: epoch for epoch in self.audit["epochs"]}

    @cached_property
    def flagged(self) -> tuple[int, ...]:
        """The flagged epochs in review order."""
        return tuple(self.audit["summary"]["review_order"])

    @cached_property
    def _events(self) -> Mapping[int, Sequence[Event]]:
        return shown_by_epoch(self.evidence.events if self.evidence else ())

    def events(self, epoch: Epoch) -> Sequence[Event]:
        """What was found in an epoch; what is clearly not there is left out."""
        return self._events.get(epoch.index, ())

    @cached_property
    def _renderer(self) -> tuple[Renderer, Lock] | None:
        # One figure is drawn on again and again: by one reader at a time.
        return (Renderer(self.montage), Lock()) if self.montage else None

    def image(self, epoch: Epoch) -> Image | None:
        """What a vision-language model is shown; None where the recording is not here."""
        if self._renderer is None:
            return None
        renderer, lock = self._renderer
        with lock:
            return renderer.image(epoch.index)

    @cached_property
    def spectrogram(self) -> bytes | None:
        """A PNG; None where the recording is not here or has no EEG."""
        return spectrogram_png(self.montage) if self.montage else None


class OpenStudies:
    """Opens studies, and keeps the last few open. May be used from any thread."""

    def __init__(
        self, store: Store, recording_of: RecordingOf, names: ChannelNames | None = None
    ) -> None:
        self._store = store
        self._recording_of = recording_of
        self._names = names or ChannelNames()
        self._open: OrderedDict[int, OpenedStudy] = OrderedDict()
        self._lock = Lock()

    def open(self, study_id: str) -> OpenedStudy | None:
        """The study with its latest audit; None where there is none yet."""
        audit_id = self._store.latest_audit_id(study_id)
        if audit_id is None:
            return None
        with self._lock:
            if audit_id not in self._open:
                self._open[audit_id] = self._read(study_id)
                while len(self._open) > _KEPT_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(audit_id)
            return self._open[audit_id]

    def _read(self, study_id: str) -> OpenedStudy:
        found = self._store.audited_study(study_id)
        if found is None:
            raise LookupError(f"study {study_id} has lost its audit")
        return OpenedStudy(
            study=found.study,
            hypnogram_id=found.audit.hypnogram_id,
            audit=json.loads(found.audit.document),
            hypnogram=kept_hypnogram(found.hypnogram),
            recording=self._recording_of(study_id),
            names=self._names,
            evidence_document=found.evidence,
        )
