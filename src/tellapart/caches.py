"""Where tellapart keeps what it may make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TELLAPART_CACHE"
SWITCHED_OFF = ("off", "none", "no", "0", "false")


def cache_folder() -> Path | None:
    """Give the folder TELLAPART_CACHE names, else the platform's; None when it says `off`."""
    named = os.environ.get(VARIABLE, "")
    if named.lower() in SWITCHED_OFF:
        return None
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("tellapart", appauthor=False))
