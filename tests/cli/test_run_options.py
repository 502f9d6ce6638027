"""Options of `tellapart run` and of the bare command."""

from __future__ import annotations

import json

from tellapart.cli.app import run


def test_the_querys_own_document_can_be_left_out(tmp_path, capsys):
    folder = tmp_path / "b"
    folder.mkdir()
    records = [{"_id": f"d{n}", "title": "", "text": f"roses and water {n}"} for n in range(3)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "d1", "text": "roses water 1"}) + "\n")
    run(["search", "roses", str(folder), "--index", str(tmp_path / "i")])
    found = {}
    for option in ([], ["--ignore-same-id"]):
        out = tmp_path / "run.trec"
        arguments = [
            "run",
            str(tmp_path / "queries.jsonl"),
            "--index",
            str(tmp_path / "i"),
            "--output",
            str(out),
        ]
        assert run([*arguments, "--depth", "2", *option]) == 0
        found[bool(option)] = [line.split()[2] for line in out.read_text().splitlines()]
    assert "d1" in found[False]
    assert sorted(found[True]) == ["d0", "d2"]


def test_the_bare_command_prints_the_help(capsys):
    assert run([]) == 0
    assert "search" in capsys.readouterr().out
