"""The report of a night as a document: one template, read as a page or printed as a PDF."""

from __future__ import annotations

from importlib.metadata import version
from typing import TypeAlias

from auditor.errors import ServerFailed
from connector.desk.opened import OpenedStudy
from connector.desk.review import Meaning, Review
from connector.desk.study_view import view_study
from connector.html import PAGES, render
from connector.wording import epoch_time, recording_start

Pdf: TypeAlias = bytes

PRELIMINARY = (
    "AI-generated sleep staging, not reviewed by a physician: preliminary and unsigned until a "
    "physician has reviewed and signed it."
)
SIGNED = "AI-generated sleep staging, reviewed and signed by a physician as stated below."
CHANGED = "Changed after it was signed: the changes are not signed."


def report_status(review: Review) -> str:
    """As DiagnosticReport.status has it: preliminary, final or amended."""
    if review.signed is None or review.changed_since_signed:
        return "preliminary"
    return "amended" if review.signed.meaning is Meaning.AMENDMENT else "final"


def report_html(opened: OpenedStudy, review: Review, *, alone: bool = False) -> str:
    """The report as a page; ``alone`` where it must need no other file."""
    start = recording_start(opened.audit)
    notice = SIGNED if review.signed else PRELIMINARY
    overridden = [
        (epoch_time(opened.audit, epoch), review.settled[epoch]) for epoch in review.overridden
    ]
    return render(
        "document.html",
        study=opened.study,
        audit=opened.audit,
        review=review,
        view=view_study(opened, review),
        status=report_status(review),
        notice=CHANGED if review.changed_since_signed else notice,
        began=start and f"{start:%Y-%m-%d %H:%M:%S}",
        settled=len(opened.flagged) - len(set(opened.flagged) & set(review.open)),
        overridden=overridden,
        program=version("somnoaudit"),
        style=(PAGES / "document.css").read_text(encoding="utf-8") if alone else "",
    )


def report_pdf(opened: OpenedStudy, review: Review) -> Pdf:
    """The same as a tagged PDF (PDF/UA-1).

    Raises:
        ServerFailed: this machine lacks the libraries that set the type.
    """
    try:
        # Here, so that a machine without them runs all the rest.
        from weasyprint import HTML
    except OSError:
        raise ServerFailed(
            "the PDF cannot be made: Pango is missing on this machine; install the Debian packages "
            "libpango-1.0-0 and libpangoft2-1.0-0"
        ) from None
    page = HTML(string=report_html(opened, review, alone=True), url_fetcher=_fetch_nothing)
    pdf: Pdf = page.write_pdf(pdf_variant="pdf/ua-1")
    return pdf


def _fetch_nothing(url: str, *_: object, **__: object) -> object:
    # It needs no other file; a page with a patient's night in it asks nobody for anything.
    raise ValueError(f"nothing is fetched: {url}")
