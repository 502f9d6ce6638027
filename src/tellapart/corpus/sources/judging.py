"""What a file's text says against it: generated or minified code."""

from __future__ import annotations

import re

_GENERATED = re.compile(
    r"^[^\w\n@]{0,12}(?:"
    r"@generated\b"
    r"|(?:this (?:file|code|module|class) (?:is|was|has been) )?(?:file |code )?"
    r"(?:auto(?:matically)?[- ]?)?generated\b[^\n]{0,200}\bdo not (?:edit|modify|change)"
    r"|do not (?:edit|modify)[^\n]{0,80}\bgenerated\b"
    r"|this (?:file|code|module|class) (?:is|was|has been) (?:auto(?:matically)?[- ]?)generated\b"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
"""Marks at the start of a comment line: Go's convention (`go help generate`), Facebook's `@generated`,
protoc, and the sentences of other generators in the same words."""

_HEAD_CHARACTERS = 3_000
"""Where the mark must stand; beyond the licence header that often comes first (ours, not measured)."""

_WEB_LINE = 110
"""Mean characters a line above which JavaScript and CSS count as minified; github-linguist's rule and
number."""

_CODE_LINE = 500
"""The same for other code; ours: five times linguist's, since their lines carry data too."""

_LEAST_MINIFIED = 1_000
"""Characters below which nothing is called minified; a one-line script is just short."""


def useless_code(text: str, language: str | None) -> str | None:
    """Why code is not worth indexing, or None; prose is never asked."""
    if _GENERATED.search(text[:_HEAD_CHARACTERS]):
        return "generated: it says so at its top"
    if len(text) >= _LEAST_MINIFIED:
        mean = len(text) / (text.count("\n") + 1)
        if mean > (_WEB_LINE if language in ("javascript", "css") else _CODE_LINE):
            return f"minified: {mean:,.0f} characters a line"
    return None
