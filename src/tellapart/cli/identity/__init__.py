"""`tellapart identity ...`: who or what is it, and "unknown" when it is nobody."""

from __future__ import annotations

import typer

from tellapart.cli.identity import asking, grouping, keeping

EXAMPLES = (
    "tellapart identity enrol ada ada-1.jpg ada-2.jpg --gallery people.gal",
    "tellapart identity enrol people/ --gallery people.gal",
    "tellapart identity identify door.jpg --gallery people.gal",
    "tellapart identity verify a.jpg b.jpg --gallery people.gal --far 0.01",
    "tellapart identity cluster holiday/ --gallery people.gal --report people.html",
    "tellapart identity evaluate faces/",
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
for _name, _function, _summary in (
    ("enrol", asking.enrol, "Enrol pictures or texts of an identity, or a folder of folders."),
    ("verify", asking.verify, "Do two files, or a file and a name, show the same?"),
    ("identify", asking.identify, 'Who is it? A name with its probability, or "unknown".'),
    ("cluster", grouping.cluster, "How many are there, and which pictures belong together?"),
    ("evaluate", grouping.evaluate, "How well does an encoder tell these identities apart?"),
    ("list", keeping.list_identities, "Who is enrolled."),
    ("delete", keeping.delete, "Delete an identity or a template, from the disk too."),
    ("merge", keeping.merge, "Make one identity of two."),
    ("split", keeping.split, "Give some templates to another identity."),
    ("rename", keeping.rename, "Call an identity something else."),
    ("duplicates", keeping.duplicates, "Which identities look the same?"),
    ("export", keeping.export, "Write a gallery as JSON lines."),
    ("import", keeping.import_, "Add what another gallery exported."),
    ("log", keeping.log, "What was enrolled, deleted and asked."),
    ("drift", keeping.drift, "Does the gallery still fit whom it meets?"),
):
    app.command(_name, short_help=_summary)(_function)
