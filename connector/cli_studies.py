"""``somnoaudit studies`` and ``somnoaudit trail``: what a service has kept, and its proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.errors import InputRefused, UsageError
from connector.cli_common import JsonPath, check_file, check_outputs, open_store, say, write

studies_app = typer.Typer(no_args_is_help=True, help="See, cancel and retry studies.")
trail_app = typer.Typer(no_args_is_help=True, help="Check and export the audit trail.")


@studies_app.command("list")
def list_studies(
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only those in this state.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """List the studies named last, with their state, and why those that failed did."""
    from connector.studies_table import studies_document, studies_table

    check_outputs(json_path)
    with open_store() as store:
        document = studies_document(store, state)
    if json_path is not None:
        write(document, json_path)
    else:
        say(studies_table(document))


@studies_app.command()
def cancel(study_id: Annotated[str, typer.Argument(metavar="ID", help="A study.")]) -> None:
    """End a study that has not ended; a worker that has it lets go of it."""
    with open_store() as store:
        store.cancel(study_id)
    say(f"study {study_id} is cancelled")


@studies_app.command()
def retry(study_id: Annotated[str, typer.Argument(metavar="ID", help="A study.")]) -> None:
    """Queue a study that failed or was cancelled once more."""
    with open_store() as store:
        store.retry(study_id)
    say(f"study {study_id} is queued")


@trail_app.command("verify")
def verify_trail(
    file: Annotated[
        Path | None,
        typer.Argument(help="What was exported of one study; the whole trail if none."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The public key, in PEM, that must have signed FILE."),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEQ:HASH",
            help="A hash that was noted elsewhere, as in a report's Provenance; any number.",
        ),
    ] = None,
) -> None:
    """Check the audit trail, or what was exported of it, and say where it breaks."""
    from connector.settings import load_store_settings
    from connector.trail import AnchorFile, anchor_of
    from connector.trail_words import bundle_words, trail_words

    if file is not None:
        if anchor:
            raise UsageError("--anchor is of the whole trail: leave FILE out")
        from connector.trail_bundle import verify_bundle
        from connector.trail_key import public_key

        bundle = verify_bundle(file, public_key(key) if key else None)
        say(bundle_words(bundle))
        breaks = bundle.breaks
    else:
        if key is not None:
            raise UsageError("--key is of a FILE: name that too")
        noted = AnchorFile(load_store_settings().anchors).anchors()
        anchors = (*noted, *map(anchor_of, anchor or ()))
        with open_store() as store:
            checked = store.verify_trail(anchors)
        say(trail_words(checked, len(anchors)))
        breaks = checked.breaks
    if breaks:
        name = str(file) if file else "audit trail"
        raise InputRefused(name, breaks[0].problem, "find out who changed it, and restore it")


@trail_app.command("export")
def export_trail(
    study_id: Annotated[str, typer.Argument(metavar="ID", help="A study.")],
    file: Annotated[Path, typer.Argument(help="The file that is written.")],
) -> None:
    """Write all of one study's decisions into a signed file that is checked without us."""
    from connector.settings import load_store_settings
    from connector.stored import utc_now
    from connector.trail import Action
    from connector.trail_bundle import export_bundle
    from connector.trail_key import fingerprint, signing_key

    settings = load_store_settings()
    check_file(str(file), file)
    key = signing_key(settings.signing_key_path, make=settings.trail_key is None)
    with open_store() as store:
        bundle = export_bundle(store, study_id, key, utc_now())
        write(bundle, str(file))
        store.tell(Action.EXPORTED, study_id, {"key": fingerprint(key.public_key())})
    say(f"{file}: signed by key {fingerprint(key.public_key())}")
