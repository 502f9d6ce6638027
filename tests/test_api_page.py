"""docs/api.md is what tools/api.py makes of the docstrings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_page_of_the_python_api_is_what_the_docstrings_say():
    tool = Path(__file__).parents[1] / "tools" / "api.py"
    checked = subprocess.run([sys.executable, str(tool), "--check"], check=False)
    assert checked.returncode == 0, "run: python tools/api.py"
    assert " at 0x" not in (tool.parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
