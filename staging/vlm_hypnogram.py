"""What the stagers that ask a vision-language model have in common: windows in, hypnogram out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from auditor.errors import RecordingRefused
from auditor.vocabulary import Hypnogram, Montage, ScoredEpoch, Stage, StagerIdentity
from staging.prompt import Prompt, Window, window_around
from staging.render import Image, Renderer


def windows_of(montage: Montage) -> tuple[Window, ...]:
    """A window around each epoch that was recorded without a gap.

    Raises:
        RecordingRefused: there is none.
    """
    recording = montage.recording
    recorded = {epoch.index for epoch in recording.epochs() if not recording.in_gap(epoch)}
    if not recorded:
        raise RecordingRefused(
            recording.name,
            "no whole 30-s epoch was recorded without a gap",
            "give a recording of at least 30 s",
        )
    return tuple(window_around(index, recorded) for index in sorted(recorded))


def asked_sha256(prompt: Prompt, images: Iterable[Image]) -> str:
    """Of what a model was shown: the prompt, and the images in their order."""
    digest = hashlib.sha256(prompt.sha256.encode())
    for image in images:
        digest.update(image.tobytes())
    return digest.hexdigest()


def hypnogram(
    stager: StagerIdentity,
    montage: Montage,
    renderer: Renderer,
    windows: Sequence[Window],
    scored: Mapping[int, ScoredEpoch],
    notes: Sequence[str],
) -> Hypnogram:
    """The whole recording as a model scored it; epochs of which it was not asked are unscored.

    Args:
        stager: who scored.
        montage, renderer, windows: what the model was shown.
        scored: what became of its replies.
        notes: on the model itself; what must be known of input and replies is added.
    """
    n_epochs = montage.recording.n_epochs
    epochs = tuple(scored.get(i, ScoredEpoch(i, Stage.UNSCORED)) for i in range(n_epochs))
    return Hypnogram(
        stager,
        epochs,
        (*notes, *_notes_on_input(montage, renderer, windows), *_notes_on_replies(epochs)),
    )


def _notes_on_input(
    montage: Montage, renderer: Renderer, windows: Sequence[Window]
) -> Iterator[str]:
    yield f"the model saw {', '.join(montage.roles[r].channel.label for r in renderer.roles)}"
    if renderer.missing:
        lacking = ", ".join(role.value.replace("_", " ") for role in renderer.missing)
        yield f"the model's images lack {lacking}"
    lone = [window.target for window in windows if len(window.epochs) < 3]
    if lone:
        yield (
            f"{_counted(len(lone))} staged with one neighbour or none, as the recording begins, "
            f"ends or breaks off there: {_listed(lone)}"
        )
    in_gaps = montage.recording.n_epochs - len(windows)
    if in_gaps:
        touch, are = ("touches", "is") if in_gaps == 1 else ("touch", "are")
        yield (
            f"{in_gaps} epoch{'s' * (in_gaps > 1)} {touch} a gap in the recording "
            f"and {are} not scored"
        )


def _notes_on_replies(epochs: Sequence[ScoredEpoch]) -> Iterator[str]:
    unreadable = sum(epoch.unreadable_reply is not None for epoch in epochs)
    if unreadable:
        yield f"{unreadable} of the model's replies could not be read"


def _counted(n: int) -> str:
    return "1 epoch was" if n == 1 else f"{n} epochs were"


def _listed(indices: Sequence[int], most: int = 6) -> str:
    return ", ".join(map(str, indices[:most])) + (" …" if len(indices) > most else "")
