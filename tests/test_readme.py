"""Everything the README tells people to type works as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text()
PDF = """%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 144] /Contents 4 0 R
 /Resources <</Font <</F1 <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>>>>>>> endobj
4 0 obj <</Length 62>> stream
BT /F1 18 Tf 10 80 Td (Retries are handled with patience.) Tj ET
endstream endobj
trailer <</Root 1 0 R>>
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with all the names that the README uses."""
    folder = tmp_path_factory.mktemp("readme")
    project = folder / "home" / "src" / "project"
    for root in (folder, project):
        (root / "docs").mkdir(parents=True, exist_ok=True)
        (root / "src").mkdir(exist_ok=True)
        (root / "docs" / "guide.md").write_text(
            "# Guide\n\nRetries are handled by the client. It waits longer each time.\n"
        )
        filler = "\n".join(f"def step_{n}(value):\n    return value + {n}\n" for n in range(45))
        (root / "src" / "client.py").write_text(f"def retry(call):\n    return call()\n\n\n{filler}\n")
    shutil.copy(Path(__file__).parents[1] / "docs" / "verdict.md", folder / "docs")
    for name in ("animals", "relations"):
        shutil.copytree(Path(__file__).parents[1] / "docs" / name, folder / "docs" / name)
    (folder / "paper.pdf").write_text(PDF)
    (folder / "things" / "discs").mkdir(parents=True)
    Image.new("L", (8, 8), 200).save(folder / "things" / "discs" / "1.png")
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "how are retries handled"}\n')
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tdocs/guide.md\t1\n")
    return folder


def environment(place: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "HOME": str(place / "home"), "PATH": path, "TELLAPART_CACHE": str(place / "cache")}


def typed() -> list[str]:
    """The commands, in the order in which they stand there."""
    console = [
        line.removeprefix("$ ").split("  #")[0].strip()
        for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
        for line in block.splitlines()
    ]
    table = re.findall(r"^\| `(tellapart .*?)` \|", README, re.MULTILINE)
    return [command for command in console + table if command.startswith("tellapart")]


@pytest.mark.slow
def test_commands(place):
    pytest.importorskip("pypdf", reason="the README indexes a PDF: install the extra `documents`")
    commands = typed()
    assert len(commands) >= 10
    for command in commands:
        if command.startswith("tellapart models add"):
            continue  # it fetches 90 MB
        line = command.replace('"..."', '"retries"')
        if command.startswith("tellapart watch"):
            line = f"timeout --preserve-status --signal INT 20 {line}"  # until Ctrl-C
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=place,
            env=environment(place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # Too small a corpus to adapt to or to prefer an encoder on (exit 1), or to calibrate on (exit 2): they say so.
        refused = {
            "tellapart adapt": ("not recommended", 1),
            "tellapart calibrate": ("with an answer to calibrate on", 2),
            "tellapart migrate": ("stays in use", 1),
        }
        said, code = refused.get(" ".join(command.split()[:2]), ("", 0))
        expected = code if said and said in done.stdout + done.stderr else 0
        assert done.returncode == expected, f"{command}: {done.stderr}"
        if shlex.split(command)[1] in ("search", "related"):
            assert done.stdout, command


def test_examples_find_what_the_readme_shows(place):
    """The same places; scores may differ in the third decimal from machine to machine, and so near neighbours swap."""
    block = next(b for b in re.findall(r"```console\n(.*?)```", README, re.DOTALL) if "--like chihuahua" in b)
    commands = re.findall(r"^\$ (.*)\n((?:[^$\n].*\n)*)", block, re.MULTILINE)
    assert sum(bool(shown) for _, shown in commands) >= 3
    for command, shown in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=place,
            env=environment(place),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        if shown:
            assert {line.split()[1] for line in done.stdout.splitlines()} == {
                line.split()[1] for line in shown.splitlines()
            }


def test_python(place):
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=place,
            env=environment(place),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "docs/guide.md" in done.stdout


def test_links():
    root = Path(__file__).parents[1]
    for document in [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_makefile_has_the_two_commands():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"^\$ make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_page_of_figures_is_made_by_make_bench_or_named_as_one_that_is_not():
    root = Path(__file__).parents[1]
    makefile, readme = (
        (root / "Makefile").read_text(),
        (root / "docs" / "benchmarks" / "README.md").read_text(),
    )
    told, _, table = readme.partition("| page |")
    listed = makefile.partition("BENCHES := ")[2].partition("\n\n")[0].replace("\\", " ").split()
    for name in listed:
        assert (root / "bench" / f"{name}.py").is_file(), f"make bench runs bench/{name}.py"
    for page in sorted((root / "docs" / "benchmarks").glob("*.md")):
        name = page.stem
        if name == "README":
            continue
        assert f"[{name}]" in table, f"docs/benchmarks/README.md does not list {name}"
        made = name in listed or f"bench/{name}.py" in makefile or f"docs/benchmarks/{name}.md" in makefile
        assert made or re.search(rf"\b{name}\b", told), name
