"""``somnoaudit train``: both training phases of the vision-language stager."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.errors import UsageError
from connector.cli_common import check_folder, writing_to

if TYPE_CHECKING:
    from staging.training.nights import TrainingNight

app = typer.Typer(
    no_args_is_help=True,
    help="Train the vision-language stager: phase 1 (wpt), then phase 2 (sft).",
)


class Preset(StrEnum):
    """What is trained: the model that ships, or a large one as published."""

    COMPACT = "compact"
    SLEEPVLM_3B = "sleepvlm-3b"


PresetName = Annotated[
    Preset, typer.Option("--preset", help="The model that ships with somnoaudit, or SleepVLM-3B.")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where everything is written.")]
Start = Annotated[
    Path | None,
    typer.Option(
        "--start",
        metavar="DIR",
        help="The checkpoint to start from; for sft, OUT/wpt where nothing is said.",
    ),
]
Recordings = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="EDF files that people scored; without, simulated nights."),
]
Annotations = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Holds fine/SUBJECT.csv and coarse/SUBJECT.csv."),
]
FirstEpoch = Annotated[
    int, typer.Option(metavar="N", help="The number that annotations give the first epoch.")
]
HeldOut = Annotated[
    int, typer.Option(min=1, metavar="N", help="Of the recordings, how many are only checked on.")
]
Nights = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Simulated nights; the preset's by default.")
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Of the compact model; the preset's by default."),
]
Workers = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes and threads; 1 on a GPU.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Everything random follows from it.")]
PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt", metavar="FILE", help="The prompt to train SleepVLM-3B with."),
]


@app.command()
def wpt(
    out: Out,
    preset: PresetName = Preset.COMPACT,
    start: Start = None,
    recordings: Recordings = None,
    annotations: Annotations = None,
    first_epoch: FirstEpoch = 0,
    held_out: HeldOut = 1,
    nights: Nights = None,
    steps: Steps = None,
    workers: Workers = 2,
    seed: Seed = 0,
) -> None:
    """Phase 1: from one image, what each second of it holds.

    Stopped, it goes on when started again with the same folder.
    """
    from staging.qwen.folder import look_through
    from staging.training.presets import COMPACT, SLEEPVLM_3B

    if start is not None:
        look_through(start)
    train, check = _nights(out, recordings, annotations, first_epoch, held_out, nights, workers)
    if preset is Preset.COMPACT:
        from staging.training.wpt_compact import train_wpt_compact

        train_wpt_compact(
            train,
            check,
            out,
            start=start,
            steps=steps or COMPACT.wpt_steps,
            batch=COMPACT.wpt_batch,
            peak=COMPACT.peak,
            seed=seed,
            threads=workers,
        )
    else:
        from staging.qwen.find import find_model
        from staging.training.published import train_wpt_published

        base = start or find_model(SLEEPVLM_3B.base)
        train_wpt_published(base, train, check, out, SLEEPVLM_3B, seed=seed)


@app.command()
def sft(
    out: Out,
    preset: PresetName = Preset.COMPACT,
    start: Start = None,
    recordings: Recordings = None,
    annotations: Annotations = None,
    first_epoch: FirstEpoch = 0,
    held_out: HeldOut = 1,
    nights: Nights = None,
    steps: Steps = None,
    workers: Workers = 2,
    seed: Seed = 0,
    prompt: PromptFile = None,
) -> None:
    """Phase 2: from three images, the stage, its rules and the reasons.

    Stopped, it goes on when started again with the same folder.
    """
    from staging.qwen.folder import look_through
    from staging.training.presets import COMPACT, SLEEPVLM_3B

    begin = start or out / "wpt"
    if not begin.is_dir():
        raise UsageError(f"{begin} is not there: run train wpt first, or name --start")
    look_through(begin)
    train, check = _nights(out, recordings, annotations, first_epoch, held_out, nights, workers)
    if preset is Preset.COMPACT:
        from staging.training.sft_compact import train_sft_compact

        train_sft_compact(
            begin,
            train,
            check,
            out,
            steps=steps or COMPACT.sft_steps,
            batch=COMPACT.sft_batch,
            peak=COMPACT.peak,
            seed=seed,
            threads=workers,
        )
    else:
        from staging.training.published import train_sft_published

        train_sft_published(begin, train, check, out, SLEEPVLM_3B, seed=seed, prompt_file=prompt)


def _nights(
    out: Path,
    recordings: Path | None,
    annotations: Path | None,
    first_epoch: int,
    held_out: int,
    n_nights: int | None,
    workers: int,
) -> tuple[list[TrainingNight], list[TrainingNight]]:
    """The nights to train on, and those to check on; made first where they are not there."""
    from staging.training.nights import read_night

    if (recordings is None) != (annotations is None):
        raise UsageError("--recordings and --annotations go together")
    check_folder(f"--out {out}", out)
    if recordings is not None and annotations is not None:
        stems = _recorded(out / "nights", recordings, annotations, first_epoch)
        if len(stems) <= held_out:
            raise UsageError(
                f"{len(stems)} recordings leave none to train on besides those held out"
            )
        stems, checks = stems[:-held_out], stems[-held_out:]
    else:
        stems, checks = _simulated(out / "nights", n_nights, workers)
    return [read_night(stem) for stem in stems], [read_night(stem) for stem in checks]


def _recorded(folder: Path, recordings: Path, annotations: Path, first_epoch: int) -> list[Path]:
    from connector.edf import read_recording
    from staging.training.recordings import subjects, write_subject
    from staging.vlm_settings import load_vlm_settings

    mains_hz = load_vlm_settings().mains_hz
    with writing_to(f"--out {folder.parent}"):
        return [
            write_subject(subject, read_recording, folder, mains_hz, first_epoch)
            for subject in subjects(annotations, recordings)
        ]


def _simulated(folder: Path, n_nights: int | None, workers: int) -> tuple[list[Path], list[Path]]:
    from staging.training.phantom_nights import Kind, NightOrder, make_nights
    from staging.training.presets import COMPACT

    def orders(first: int, n: int) -> Sequence[NightOrder]:
        return [
            NightOrder(seed, COMPACT.hours, Kind.VARIED, folder) for seed in range(first, first + n)
        ]

    train = orders(COMPACT.first_seed, n_nights or COMPACT.nights)
    check = orders(COMPACT.held_out_seed, COMPACT.held_out)
    with writing_to(f"--out {folder.parent}"):
        for made, order in enumerate(make_nights([*check, *train], workers), start=1):
            print(
                f"night {made} of {len(train) + len(check)}: {order.stem.name}",
                file=sys.stderr,
                flush=True,
            )
    return [order.stem for order in train], [order.stem for order in check]
