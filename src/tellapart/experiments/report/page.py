"""The whole page: one file, no network, light and dark."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tellapart.experiments.report import sections
from tellapart.experiments.report.contents import Contents
from tellapart.experiments.report.glossary import glossary
from tellapart.experiments.report.markup import Html, element, join
from tellapart.experiments.textfiles import replacing

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Even if something got past the escaping, a browser would neither run nor fetch it."""


def render(contents: Contents) -> str:
    """Write the page; the same contents give the same characters."""
    verdict = contents.verdict
    style = files("tellapart.experiments.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", f"{contents.title}: {verdict.choice}"),
        element("style", Html(style)),
    )
    body = element(
        "main",
        sections.headline(contents),
        sections.evidence(verdict),
        sections.caution(verdict),
        sections.costs(verdict),
        sections.groups(contents),
        sections.sizes(verdict),
        sections.examples(contents),
        sections.settings(contents),
        glossary(),
        element("footer", f"tellapart; corpus {verdict.corpus}"),
    )
    return "<!DOCTYPE html>\n" + element("html", join([head, element("body", body)]), lang="en") + "\n"


def write_report(contents: Contents, path: Path) -> None:
    """Write the page to a file, whole or not at all."""
    page = render(contents)
    with replacing(path) as stream:
        stream.write(page)
