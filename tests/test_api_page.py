"""docs/api.md is what tools/api.py makes of the docstrings."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MODULES = (
    "tellapart",
    *(f"tellapart.{n}" for n in ("experiments", "learning", "metrics", "rankers", "scores")),
)
OF_OTHERS = ("tellapart.serving.langchain", "tellapart.serving.llamaindex")
"""One class each, for who has the library of that name."""


def test_the_page_of_the_python_api_is_what_the_docstrings_say():
    tool = Path(__file__).parents[1] / "tools" / "api.py"
    checked = subprocess.run([sys.executable, str(tool), "--check"], check=False)
    assert checked.returncode == 0, "run: python tools/api.py"
    assert " at 0x" not in (tool.parents[1] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"], ids=lambda page: page.name
)
def test_what_the_pages_import_is_public(page):
    for module, names in re.findall(
        r"^from (tellapart\S*) import ([^#\n]+)", page.read_text(encoding="utf-8"), re.MULTILINE
    ):
        if module not in OF_OTHERS:
            public = import_module(module).__all__
            assert set(re.split(r",\s*", names.strip())) <= set(public), f"{page.name}: {module}"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_what_the_pages_name_is_public(page):
    for named in re.findall(r"`(tellapart\.[\w.]+)[(`]", page.read_text(encoding="utf-8")):
        module, _, name = named.rpartition(".")
        assert named in MODULES or (module in MODULES and name in import_module(module).__all__), named
