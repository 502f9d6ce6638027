"""Code that is broken, huge, mixed or not inside: searched, or skipped with a reason."""

from __future__ import annotations

import os

import pytest

from tellapart.engine import Index

SOUND = "def parse_header(line):\n    return line.split(':')\n"


def _indexed(tmp_path, files: dict[str, str]) -> Index:
    root = tmp_path / "source"
    for name, text in {"sound.py": SOUND, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Index.build([root], tmp_path / "index", encoders=())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("half.py", "def parse_body(line:\n    return [line\n\nclass Broken(\n  def x(self\n"),
        ("half.js", "function parseBody(line) { if (line) { return [line\n\nclass Broken { x( {\n"),
        ("page.html.erb", "<% if parse_body %>\n<p><%= parse_body(line) %></p>\n<% end %>\n"),
        ("view.tt", "<#@ template #>\npublic class <#= parse_body #> { }\n"),
        (
            "mixed.vue",
            "<template>\n<p>{{ parse_body }}</p>\n</template>\n<script>\nfunction parse_body() {}\n</script>\n",
        ),
    ],
)
def test_what_cannot_be_parsed_is_still_searched(tmp_path, name, text):
    index = _indexed(tmp_path, {name: text})
    skipped = {path for path, _ in index.skipped()}
    found = [hit.path for hit in index.search("parse_body parseBody")]
    assert name in skipped or name in found
    assert index.search("parse_header")[0].path == "sound.py"
    index.close()


def test_a_generated_file_of_30_000_lines_does_not_fill_the_list(tmp_path):
    generated = "".join(f"def parse_header_{n}(line):\n    return line, {n}\n" for n in range(15_000))
    index = _indexed(tmp_path, {"generated.py": generated})
    paths = [hit.path for hit in index.search("parse_header")]
    assert paths[0] == "sound.py"
    assert len(index.search("parse header of a line", k=50)) > 1
    index.close()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").write_text("def parse_secret():\n    return 1\n")
    (tmp_path / "source").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "source" / "link")
    os.symlink(tmp_path / "outside" / "secret.py", tmp_path / "source" / "secret.py")
    index = _indexed(tmp_path, {})
    assert {hit.path for hit in index.search("parse_secret parse_header")} <= {"sound.py"}
    index.close()
