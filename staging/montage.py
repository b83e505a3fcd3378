"""Which of a recording's channels fills which role in scoring.

Labels of the real world are first read as standard names ("EEG F4:A1" is F4-M1, "LOC-A2" is
E1-M2, "EMG submental" is Chin). Each role then takes the first derivation of its list that was
recorded or can be derived by subtraction. A hospital's own names come before these lists. One
channel may fill two roles where nothing better was recorded, and ``how`` says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from auditor.errors import SettingsRefused, os_reason
from auditor.vocabulary import (
    Channel,
    Derivation,
    Montage,
    Recording,
    Role,
    Samples,
    SampleSource,
)

# ── what is preferred ─────────────────────────────────────────────────────────────────────

PREFERENCE: Mapping[Role, tuple[str, ...]] = {
    Role.FRONTAL: (
        *("F4-M1", "F3-M2", "F4-M2", "F3-M1", "F4-M1M2", "F3-M1M2"),
        *("Fz-M1 | Fz-M2 | Fz-M1M2", "F4", "F3", "Fz"),
        *("Fz-Cz", "Fpz-Cz", "F4-C4", "F3-C3"),
    ),
    Role.CENTRAL: (
        *("C4-M1", "C3-M2", "C4-M2", "C3-M1", "C4-M1M2", "C3-M1M2"),
        *("Cz-M1 | Cz-M2 | Cz-M1M2", "C4", "C3", "Cz"),
        *("Cz-Oz", "Fz-Cz", "Fpz-Cz", "C4-P4", "C3-P3"),
        *("EEG", "EEG1", "EEG2", "EEG3"),
    ),
    Role.OCCIPITAL: (
        *("O2-M1", "O1-M2", "O2-M2", "O1-M1", "O2-M1M2", "O1-M1M2"),
        *("Oz-M1 | Oz-M2 | Oz-M1M2", "O2", "O1", "Oz"),
        *("Cz-Oz", "Pz-Oz", "P4-O2", "P3-O1"),
    ),
    Role.LEFT_EYE: ("E1-M2 | E1-M1", "E1-M1M2", "E1-Fpz", "E1", "EOG1", "E1-E2 | E2-E1", "EOG"),
    Role.RIGHT_EYE: ("E2-M2 | E2-M1", "E2-M1M2", "E2-Fpz", "E2", "EOG2"),
    Role.CHIN: (
        *("Chin1-Chin2 | Chin1-ChinZ | Chin2-ChinZ", "Chin", "Chin1", "Chin2", "ChinZ"),
        *("EMG", "EMG1", "EMG2", "EMG1-EMG2"),
    ),
}
"""Standard names, best first; a bar parts those that are equally good.

AASM scoring manual, section on technical specifications: the first of each is recommended; F3,
C3 and O1 against the other mastoid are the backup; Fz-Cz, Cz-Oz and E1-Fpz, E2-Fpz belong to
the acceptable alternative. The rest is what recordings without any of these offer.
"""

MINIMUM_RATE_HZ: Mapping[Role, float] = {
    Role.FRONTAL: 60.0,
    Role.CENTRAL: 60.0,
    Role.OCCIPITAL: 60.0,
    Role.LEFT_EYE: 30.0,
    Role.RIGHT_EYE: 30.0,
    Role.CHIN: 60.0,
}
"""Twice the highest frequency that is needed: 30 Hz of the EEG (spindles and the onset of
arousals), 15 Hz of the eyes, and the lowest part of the chin's 10 to 100 Hz (AASM scoring manual,
technical specifications). A slower "EMG" is an envelope, such as the 1 Hz one of Sleep-EDF."""

_NO_REFERENCE = "its label names no reference"
_NO_POSITION = "its label names no position"
_NO_SIDE = "its label names no side"
_NO_MUSCLE = "its label names no muscle"
_BIPOLAR = "between two scalp electrodes, where amplitudes come out smaller"

REMARKS: Mapping[str, str] = {
    **dict.fromkeys(("F4", "F3", "Fz", "C4", "C3", "Cz", "O2", "O1", "Oz"), _NO_REFERENCE),
    **dict.fromkeys(("E1", "E2", "Chin1", "Chin2", "ChinZ"), _NO_REFERENCE),
    **dict.fromkeys(("Fz-Cz", "Fpz-Cz", "F4-C4", "F3-C3", "Cz-Oz", "C4-P4", "C3-P3"), _BIPOLAR),
    **dict.fromkeys(("Pz-Oz", "P4-O2", "P3-O1"), _BIPOLAR),
    **dict.fromkeys(("EEG", "EEG1", "EEG2", "EEG3"), _NO_POSITION),
    **dict.fromkeys(("EOG", "EOG1", "EOG2"), _NO_SIDE),
    **dict.fromkeys(("E1-E2", "E2-E1"), "both eyes against each other"),
    **dict.fromkeys(("EMG", "EMG1", "EMG2", "EMG1-EMG2"), _NO_MUSCLE),
}
"""What must be known about a derivation that fills a role for want of a better one."""

_SPOKEN = {
    Role.FRONTAL: "frontal EEG",
    Role.CENTRAL: "central EEG",
    Role.OCCIPITAL: "occipital EEG",
    Role.LEFT_EYE: "left eye",
    Role.RIGHT_EYE: "right eye",
    Role.CHIN: "chin EMG",
}


# ── a hospital's own names ────────────────────────────────────────────────────────────────


class ChannelNames(BaseModel):
    """A hospital's own labels for each role, in order of preference.

    Each is a label as in the file, or two parted by " - ", the second to be subtracted from
    the first. Case and the width of spaces do not matter. They come before the names known
    here, which remain where none of them was recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frontal: tuple[str, ...] = ()
    central: tuple[str, ...] = ()
    occipital: tuple[str, ...] = ()
    left_eye: tuple[str, ...] = ()
    right_eye: tuple[str, ...] = ()
    chin: tuple[str, ...] = ()

    def of(self, role: Role) -> tuple[str, ...]:
        names: tuple[str, ...] = getattr(self, role.value)
        return names


_LONGEST_NAMES_BYTES = 1 << 18

NO_OWN_NAMES = ChannelNames()


def load_channel_names(path: Path) -> ChannelNames:
    """Own names from a YAML file such as ``frontal: ["EEG 4", "Fp4 - Ref1"]``.

    Raises:
        SettingsRefused: the file is missing, is not YAML, or has a key or a value that it
            cannot have.
    """
    expected = f"map any of {', '.join(Role)} to a list of labels"
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_NAMES_BYTES + 1).decode("utf-8")
        if len(text) > _LONGEST_NAMES_BYTES:
            raise SettingsRefused(path, "is too long for a file of channel names", expected)
        # Everything is text to this loader: labels such as 1:30, NO and 2001-99-99 are labels.
        content = yaml.load(text, yaml.BaseLoader)  # noqa: S506 it makes nothing but text
        return ChannelNames.model_validate({} if content is None else content)
    except OSError as error:
        raise SettingsRefused(
            path, f"cannot be read ({os_reason(error)})", "check its name"
        ) from None
    except UnicodeDecodeError:
        raise SettingsRefused(path, "is not UTF-8 text", "save it as UTF-8") from None
    except RecursionError:
        raise SettingsRefused(path, "is nested too deeply", expected) from None
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f" in line {mark.line + 1}" if mark else ""
        raise SettingsRefused(path, f"is not YAML{where}", expected) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ", entry ".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise SettingsRefused(path, f"{key}: {first['msg'].lower()}", expected) from None


# ── what a label says ─────────────────────────────────────────────────────────────────────

_SPELLINGS = tuple(
    (re.compile(rf"\b(?:{spelling})\b"), name)
    for spelling, name in (
        # Applied in this order to a label's words in lower case, one space between them.
        (r"(?:eog )?(?:eog (?:l|left)(?: horiz)?|(?:l|left) (?:eog|eye)|leog|eogl|loc)", "e1"),
        (r"(?:eog )?(?:eog (?:r|right)(?: horiz)?|(?:r|right) (?:eog|eye)|reog|eogr|roc)", "e2"),
        (r"eog h|eog horizontal|horizontal eog|heog|eogh", "e1 e2"),
        (r"submental|submentalis|mental|mentalis", "chin"),
        (r"chin ?(?:1|l|left)|(?:l|left) ?chin", "chin1"),
        (r"chin ?(?:2|r|right)|(?:r|right) ?chin", "chin2"),
        (r"chin ?(?:3|z|c)|c ?chin", "chinz"),
        (r"chin1 2|chin1chin2", "chin1 chin2"),
        # Nox numbers the chin electrodes, and calls the one above the jaw F.
        (r"^(?:emg )?1 2$", "chin1 chin2"),
        (r"^(?:emg )?1 f$", "chin1 chinz"),
        (r"^(?:emg )?2 f$", "chin2 chinz"),
        (r"(eeg|eog|emg) ([123])", r"\1\2"),
        (r"eeg sec", "eeg2"),
        (r"loc([am][12])", r"e1 \1"),
        (r"roc([am][12])", r"e2 \1"),
        (r"(f[34z]|c[34z]|o[12z]|e[12])((?:[am][12])+)", r"\1 \2"),
        (r"a1 ?a2|m1 m2|le|cle|ler", "m1m2"),
        (r"a([12])", r"m\1"),
    )
)

_KINDS = {
    # What a signal so announced can be.
    "EEG": re.compile(r"F[34z]|Fpz|[CP][34z]|O[12z]|E[12]|M1|M2|M1M2|EEG\d"),
    "EOG": re.compile(r"E[12]|M1|M2|M1M2|Fpz|EOG\d"),
    "EMG": re.compile(r"Chin[12Z]?|EMG\d"),
}

_ELECTRODES = {
    name.lower(): name
    for names in PREFERENCE.values()
    for name in re.findall(r"\w+", " ".join(names))
}

_SAYS_NOTHING = {"ref", "avg", "psg"}


def standard_name(label: str) -> str | None:
    """A label as the standard name of an electrode or a derivation; None for any other signal.

    Every word of the label must be known, so that "C4 Impédance" or "EMG Tibialis" is neither.
    """
    # Signals of the same label were numbered by our reader, "F4-M1 (2)", or others: "F4-M1-0".
    text = " ".join(re.findall(r"[^\W_]+", re.sub(r" \(\d+\)$", "", label).lower()))
    for spelling, name in _SPELLINGS:
        text = spelling.sub(name, text)
    words = [word for word in text.split() if word not in _SAYS_NOTHING]
    if len(words) > 1 and words[-1].isdecimal():
        words.pop()
    if not words or any(word not in _ELECTRODES for word in words):
        return None
    names = [_ELECTRODES[word] for word in words]
    kinds = [name for name in names if name in _KINDS]
    electrodes = [name for name in names if name not in _KINDS]
    if not all(_KINDS[kind].fullmatch(name) for kind in kinds for name in electrodes):
        return None
    if len(electrodes) > 2 or len(set(kinds)) > 1:
        return None
    return "-".join(electrodes) or kinds[0]


# ── choosing ──────────────────────────────────────────────────────────────────────────────


def choose_montage(recording: Recording, names: ChannelNames = NO_OWN_NAMES) -> Montage:
    """The recording's channels by role; no sample is read.

    The choice does not depend on the channels' order: of channels that serve equally well, the
    one with the highest rate is taken, then the first by label.
    """
    search = _Search.through(recording.channels)
    roles: dict[Role, Derivation] = {}
    missing: dict[Role, str] = {}
    for role in Role:
        obstacles: dict[str, None] = {}
        for candidate in search.candidates(role, names.of(role)):
            if isinstance(candidate, Derivation):
                how = "; ".join(filter(None, (candidate.how, *obstacles)))
                roles[role] = replace(candidate, how=how)
                break
            obstacles[candidate] = None
        else:
            nothing = f"no usable channel is labelled as {_SPOKEN[role]}"
            missing[role] = "; ".join((nothing, *obstacles))
    return Montage(recording, roles, missing)


@dataclass(frozen=True, slots=True)
class DifferenceSource:
    """One electrode minus another, subtracted as it is read."""

    electrode: SampleSource
    reference: SampleSource

    def read(self, start: int, stop: int) -> Samples:
        return self.electrode.read(start, stop) - self.reference.read(start, stop)


_Obstacle: TypeAlias = str
_ByName: TypeAlias = Mapping[str, Sequence[Channel]]


@dataclass(frozen=True, slots=True)
class _Search:
    """The channels of a recording by name, the best of each name first."""

    by_standard_name: _ByName
    by_label: _ByName

    @classmethod
    def through(cls, channels: Sequence[Channel]) -> _Search:
        by_standard_name: defaultdict[str, list[Channel]] = defaultdict(list)
        by_label: defaultdict[str, list[Channel]] = defaultdict(list)
        for channel in sorted(channels, key=lambda c: (-c.sampling_rate_hz, c.label)):
            by_label[_plain(channel.label)].append(channel)
            if name := standard_name(channel.label):
                by_standard_name[name].append(channel)
        return cls(dict(by_standard_name), dict(by_label))

    def candidates(self, role: Role, own: Sequence[str]) -> Iterator[Derivation | _Obstacle]:
        """What can fill the role, best first, and on the way what cannot, and why."""
        chosen = "by the hospital's own names"
        for name in map(_plain, own):
            yield from _recorded(role, self.by_label.get(name, ()), chosen)
            electrode, minus, reference = name.partition(" - ")
            if minus:
                pairs = product(self.by_label.get(electrode, ()), self.by_label.get(reference, ()))
                yield from _derived(role, name.upper(), pairs, chosen)
        if own:
            yield "none of the hospital's own names for it was recorded"
        first, *others = PREFERENCE[role]
        best = first.split(" | ")[0]
        for entry in (first, *others):
            equals = entry.split(" | ")
            instead = "" if entry == first else f"in place of {best}"
            for name in equals:
                remark = ": ".join(filter(None, (instead, REMARKS.get(name))))
                yield from _recorded(role, self.by_standard_name.get(name, ()), remark)
            for name in equals:
                yield from _derived(role, name, self._pairs(name), instead)

    def _pairs(self, name: str) -> Iterator[tuple[Channel, Channel]]:
        """Channels whose difference is this derivation: F4 and M1, or F4-Cz and M1-Cz."""
        electrode, _, reference = name.partition("-")
        if reference in ("", "M1M2"):
            return  # a channel named M1M2 may be their mean or their difference
        shared = sorted(other.partition("-")[1:] for other in self.by_standard_name)
        for suffix in dict.fromkeys(map("".join, shared)):
            yield from product(
                self.by_standard_name.get(electrode + suffix, ()),
                self.by_standard_name.get(reference + suffix, ()),
            )


def _recorded(
    role: Role, channels: Sequence[Channel], remark: str
) -> Iterator[Derivation | _Obstacle]:
    for channel in channels:
        if channel.sampling_rate_hz >= MINIMUM_RATE_HZ[role]:
            how = f"{channel.label} {remark}" if remark else ""
            yield Derivation(channel, how, bipolar=remark == _BIPOLAR)
        else:
            yield _too_slow(role, channel)


def _derived(
    role: Role, name: str, pairs: Iterable[tuple[Channel, Channel]], remark: str
) -> Iterator[Derivation | _Obstacle]:
    for electrode, reference in pairs:
        said = f"{electrode.label} minus {reference.label}"
        rate_hz, n_samples = electrode.sampling_rate_hz, electrode.n_samples
        if (rate_hz, n_samples) != (reference.sampling_rate_hz, reference.n_samples):
            yield f"{said} is not possible, as their rates differ"
        elif rate_hz < MINIMUM_RATE_HZ[role]:
            yield _too_slow(role, electrode)
        else:
            source = DifferenceSource(electrode.source, reference.source)
            channel = Channel(name, rate_hz, n_samples, source)
            yield Derivation(channel, f"{said} {remark}".strip(), bipolar=remark == _BIPOLAR)


def _too_slow(role: Role, channel: Channel) -> _Obstacle:
    return (
        f"{channel.label} has {channel.sampling_rate_hz:g} Hz, "
        f"and {MINIMUM_RATE_HZ[role]:g} Hz are needed"
    )


def _plain(label: str) -> str:
    return " ".join(label.casefold().split())
