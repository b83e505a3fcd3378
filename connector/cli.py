"""The command ``somnoaudit``: parses, calls, prints. What it calls is imported when used, so
that ``--help`` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.errors import SomnoauditError, UsageError
from connector import cli_studies, cli_train
from connector.cli_common import (
    JsonPath,
    check_folder,
    check_outputs,
    open_store,
    printing,
    read_text,
    say,
    write,
    writing_to,
)
from connector.plain_text import one_line

if TYPE_CHECKING:
    from connector.pipeline import AuditedStudy
    from staging.montage import ChannelNames

app = typer.Typer(
    name="somnoaudit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, patients' among them
    help=(
        "Stage a polysomnography, audit every reason given for a stage against the measured "
        "signal, and put before a physician the epochs that matter.\n\n"
        "Start with `somnoaudit demo`. Exit codes: 0 done, 2 wrong usage, 3 the input is "
        "refused, 4 the EHR or another server failed, 1 a defect of somnoaudit."
    ),
)

app.add_typer(cli_studies.studies_app, name="studies")
app.add_typer(cli_studies.trail_app, name="trail")
app.add_typer(cli_train.app, name="train")

RecordingPath = Annotated[Path, typer.Argument(metavar="RECORDING", help="An EDF or BDF file.")]
ChannelsPath = Annotated[
    Path | None,
    typer.Option("--channels", metavar="FILE", help="A YAML file of your own channel names."),
]

Since = Annotated[
    datetime | None,
    typer.Option(
        metavar="DATE", formats=["%Y-%m-%d"], help="Leave out studies named before this day."
    ),
]

SecondOpinion = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Another stager, whose disagreement is flagged."),
]


@app.command()
def demo(
    recording: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Use this EDF or BDF; else a simulated one of 90 min."),
    ] = None,
    serve: Annotated[
        bool, typer.Option(help="Leave EHR and review page up at the end, until Ctrl-C.")
    ] = True,
    keep: Annotated[bool, typer.Option(help="Keep the demo's folder at the end.")] = True,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the demo keeps everything.")
    ] = Path("somnoaudit-demo"),
) -> None:
    """Run one study from a real FHIR server through to the report, here and now.

    Starts a FHIR server on loopback, puts a study into it, is notified by it, pulls, stages,
    audits and writes the report back. Killed in between, it goes on when started again.
    """
    from connector.demo import run_demo

    run_demo(folder, recording, serve=serve, keep=keep)


@app.command()
def serve() -> None:
    """Serve one EHR: notifications in, reports and review pages out.

    Set up by environment variables, SOMNOAUDIT_FHIR_URL at least; the README lists them.
    """
    from connector.logs import configure_logs
    from connector.service import end_process, service, until_told_to_stop
    from connector.settings import load_settings
    from connector.telemetry import tracing

    settings = load_settings()
    configure_logs(settings.log_format)
    with tracing(), service(settings) as running:
        print(f"somnoaudit serves {running.address}", file=sys.stderr, flush=True)
        until_told_to_stop(running.worker)
    end_process()


@app.command()
def worker() -> None:
    """Work on studies that a service has queued, and serve nothing.

    Any number of workers share one PostgreSQL, by SOMNOAUDIT_DATABASE_URL; an SQLite database
    has one, which is in the service.
    """
    from connector.logs import configure_logs
    from connector.service import end_process, lone_worker, until_told_to_stop
    from connector.settings import load_settings
    from connector.telemetry import tracing

    settings = load_settings()
    configure_logs(settings.log_format)
    with tracing(), lone_worker(settings) as running:
        print("somnoaudit works on studies", file=sys.stderr, flush=True)
        until_told_to_stop(running)
    end_process()


@app.command()
def stage(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="REFERENCE...", help="As DocumentReference/12 or ServiceRequest/3, in the EHR."
        ),
    ],
) -> None:
    """Queue a study of the EHR by hand, whether or not the EHR has told of it.

    A study that is already known is left as it is; `studies retry` sets it on its way again.
    """
    from connector.by_hand import queue_by_hand
    from connector.settings import load_settings

    settings = load_settings()
    with open_store() as store:
        for sentence in queue_by_hand(settings, store, references):
            say(sentence)


@app.command()
def score(
    recording: RecordingPath,
    stager: Annotated[
        str, typer.Option(help="Who stages: `yasa`, or any that an installed package offers.")
    ] = "yasa",
    model: Annotated[
        str | None, typer.Option(metavar="PATH_OR_URL", help="The model that the stager uses.")
    ] = None,
    json_path: JsonPath = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report.html and audit.json into DIR."),
    ] = None,
    channels: ChannelsPath = None,
    second_opinion: SecondOpinion = None,
) -> None:
    """Stage a recording and audit the result.

    Prints a summary: hypnogram, sleep figures, the flagged epochs with what was claimed and
    what was measured.
    """
    from connector import pipeline
    from connector.second_opinion import with_second_opinion
    from connector.terminal import progress_on_stderr
    from staging.stager import make_stager

    chosen = with_second_opinion(make_stager(stager, model), stager, second_opinion)
    check_outputs(json_path, report)
    with progress_on_stderr() as progress:
        study = pipeline.score(recording, chosen, progress, _channel_names(channels))
    _show(study, json_path, report)


@app.command()
def audit(
    recording: RecordingPath,
    scoring: Annotated[
        Path,
        typer.Option(metavar="FILE", help="A scoring file (JSON) or an EDF+ hypnogram."),
    ],
    json_path: JsonPath = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report.html and audit.json into DIR."),
    ] = None,
    channels: ChannelsPath = None,
    second_opinion: SecondOpinion = None,
) -> None:
    """Audit a scoring that was made elsewhere, rationales included."""
    from connector import pipeline
    from connector.scored import ScoredStager, read_scoring
    from connector.second_opinion import with_second_opinion
    from connector.terminal import progress_on_stderr

    foreign = ScoredStager(read_scoring(scoring))
    chosen = with_second_opinion(foreign, "scored", second_opinion)
    check_outputs(json_path, report)
    with progress_on_stderr() as progress:
        study = pipeline.score(recording, chosen, progress, _channel_names(channels))
    _show(study, json_path, report)


@app.command()
def evidence(
    recording: RecordingPath,
    json_path: JsonPath = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw each epoch with its events as an image in DIR."),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="RANGES", help="Draw these only, such as 3-5,12, counted from 0."),
    ] = None,
    channels: ChannelsPath = None,
) -> None:
    """Measure only: events and per-epoch measures, without any scoring."""
    from auditor.evidence import measure
    from connector import pipeline
    from connector.documents import evidence_json
    from connector.epochs import parse_epochs
    from connector.terminal import evidence_summary, progress_on_stderr

    check_outputs(json_path)
    _check_plot(plot, epochs)
    with progress_on_stderr() as progress:
        montage = pipeline.read_montage(recording, progress, _channel_names(channels))
        n_epochs = montage.recording.n_epochs
        drawn = range(n_epochs) if epochs is None else parse_epochs(epochs, n_epochs)
        found = measure(montage, progress)
    document = evidence_json(found)
    if json_path is not None:
        write(document, json_path)
    else:
        say(evidence_summary(document))
    if plot is not None:
        from connector.plots import draw_epochs

        with progress_on_stderr() as progress, writing_to(f"--plot {plot}"):
            draw_epochs(montage, found, drawn, plot, progress)


@app.command()
def render(
    recording: RecordingPath,
    epochs: Annotated[
        str, typer.Option(metavar="RANGES", help="Which, such as 3-5,12, counted from 0.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where epoch-0003.png and so on are written.")
    ],
    mains_hz: Annotated[
        float | None,
        typer.Option(
            metavar="HZ", min=40, max=70, help="Frequency of the mains; SOMNOAUDIT_MAINS_HZ or 50."
        ),
    ] = None,
    channels: ChannelsPath = None,
) -> None:
    """Write the images that the vision-language model sees."""
    from auditor.wording import spoken
    from connector import pipeline
    from connector.epochs import parse_epochs
    from connector.images import write_images
    from connector.terminal import progress_on_stderr
    from staging.vlm_settings import load_image_settings

    frequency = mains_hz or load_image_settings().mains_hz
    check_folder(f"--out {out}", out)
    with progress_on_stderr() as progress:
        montage = pipeline.read_montage(recording, progress, _channel_names(channels))
        chosen = parse_epochs(epochs, montage.recording.n_epochs)
        with writing_to(f"--out {out}"):
            write_images(montage, chosen, out, frequency, progress)
    for role, why in montage.missing.items():
        print(f"not drawn: {spoken(role)}, {why}", file=sys.stderr)


@app.command()
def claims(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Rationale text; standard input if none.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Read rationale text and print the claims found in it."""
    from auditor.claims import read_claims
    from connector.documents import claim_json
    from connector.terminal import claims_summary

    check_outputs(json_path)
    document = [claim_json(claim) for claim in read_claims(read_text(file))]
    if json_path is not None:
        write(document, json_path)
    else:
        say(claims_summary(document))


@app.command()
def rules(
    rule_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="A rule such as N2.1; all if none.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the rulebook as a book, DIR/index.html, to read and print."
        ),
    ] = None,
) -> None:
    """List the rulebook, explain one rule with its thresholds and sources, or write the book."""
    from auditor.rulebook import load_rulebook
    from connector.rulebook_text import rule_explanation, rulebook_table

    if html is not None:
        if rule_id is not None:
            raise UsageError(f"--html writes all rules: leave out {rule_id}")
        _write_book(html)
        return
    rulebook = load_rulebook()
    if rule_id is None:
        say(rulebook_table(rulebook))
        return
    rule = next((r for r in rulebook.rules if r.id.casefold() == rule_id.casefold()), None)
    if rule is None:
        known = ", ".join(r.id for r in rulebook.rules)
        raise UsageError(f"there is no rule {rule_id!r}; the rulebook has: {known}")
    say(rule_explanation(rule, rulebook))


@app.command()
def evaluate(
    predicted: Annotated[Path, typer.Argument(help="A scoring, or a folder of scorings.")],
    reference: Annotated[Path, typer.Argument(help="The scoring it is held against, or a folder.")],
    json_path: JsonPath = None,
) -> None:
    """Agreement of two scorings, or of many: stages, cited rules, and claims that hold."""
    from connector.agreement import evaluate as compare
    from connector.agreement_table import agreement_summary

    check_outputs(json_path)
    document = compare(predicted, reference)
    if json_path is not None:
        write(document, json_path)
    else:
        say(agreement_summary(document))


@app.command()
def reaudit(
    since: Since = None,
    json_path: JsonPath = None,
) -> None:
    """Audit stored studies again with today's rulebook, and say what changed and why.

    Works on the evidence that was kept with each audit: nothing is staged or measured again, and
    nothing is written to the EHR. Finds the studies by SOMNOAUDIT_DATA or
    SOMNOAUDIT_DATABASE_URL.
    """
    from auditor.rulebook import load_rulebook
    from connector import reaudit as again
    from connector.terminal import progress_on_stderr

    check_outputs(json_path)
    day = _day(since)
    rulebook = load_rulebook()
    with open_store() as store, progress_on_stderr() as progress:
        studies = tuple(again.reaudit(store, rulebook, progress, day))
    if json_path is not None:
        write(again.reaudit_json(studies, rulebook.identity), json_path)
    else:
        say(again.reaudit_summary(studies, rulebook.identity, store.address))


@app.command("export-training")
def export_training(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where annotations/fine and /coarse are written.")
    ],
    since: Since = None,
) -> None:
    """Write what physicians decided in signed nights as training data, without identifiers.

    The layout is that of MASS-EX, which `somnoaudit train sft` reads: epochs with their rationale
    where the stage was accepted and no claim in it is contradicted, with stage and rules alone
    otherwise. Prints which subject is which study; recordings are not written.
    """
    from connector.kept_secret import kept_secret
    from connector.settings import load_store_settings
    from connector.shelf import training_export
    from connector.terminal import progress_on_stderr

    check_folder(f"--out {out}", out)
    day = _day(since)
    key = kept_secret(load_store_settings().training_key_path).encode()
    with open_store() as store, progress_on_stderr() as progress:
        nights = tuple(training_export.export_training(store, out, key, progress, day))
    say(training_export.export_summary(nights, out))


def _day(since: datetime | None) -> datetime | None:
    """The beginning of a day by this machine's clock.

    Raises:
        UsageError: that clock begins later.
    """
    try:
        return since.astimezone() if since else None
    except (ValueError, OverflowError):
        raise UsageError(f"--since {since:%Y-%m-%d}: name a later day") from None


def _channel_names(path: Path | None) -> ChannelNames | None:
    from staging.montage import load_channel_names

    return load_channel_names(path) if path else None


def _write_book(folder: Path) -> None:
    from connector.rulebook_book import write_book

    with writing_to(f"--html {folder}"):
        written = write_book(folder)
    say(written)


def _check_plot(plot: Path | None, epochs: str | None) -> None:
    """As :func:`check_outputs`, for images."""
    if plot is None:
        if epochs is not None:
            raise UsageError("--epochs says which epochs to draw: give --plot DIR too")
        return
    check_folder(f"--plot {plot}", plot)


def _show(study: AuditedStudy, json_path: str | None, report: Path | None) -> None:
    from connector.documents import audit_json
    from connector.terminal import summary

    document = audit_json(study.audit, study.evidence, study.figures.document())
    if report is not None:
        from connector.pages import write_report

        write_report(document, report)
    if json_path is not None:
        write(document, json_path)
    else:
        say(summary(document))


def main() -> None:
    """Runs the command; every error that somnoaudit raises on purpose ends in one line."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # None where the user closed it
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:  # likewise; print() would turn to standard output instead
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 open to the end
    asks_for_help = "--help" in sys.argv or len(sys.argv) == 1
    try:
        # What a command prints, it guards itself; help is printed by others.
        with printing() if asks_for_help else nullcontext():
            app()
    except SomnoauditError as error:
        print(f"somnoaudit: {one_line(str(error))}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
