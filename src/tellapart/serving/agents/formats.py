"""Adding an entry to a settings file and taking it out: JSON with comments, TOML, YAML, Markdown.

Each format is a pair of functions on text; adding always puts one piece in and changes nothing else.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tellapart.errors import TellapartError
from tellapart.serving.agents import jsonc

NAME = "tellapart"
BEGIN, END = "<!-- tellapart -->", "<!-- /tellapart -->"


class SettingsFormat(Protocol):
    """How an entry stands in a file."""

    def added(self, text: str, value: Mapping[str, object]) -> str:
        """Give the text with the entry.

        Raises:
            TellapartError: The text cannot be understood.
        """
        ...

    def removed(self, text: str) -> str:
        """Give the text without the entry."""
        ...


@dataclass(frozen=True, slots=True)
class JsonSettings:
    """An entry in the object at `path`."""

    path: tuple[str, ...]

    def added(self, text: str, value: Mapping[str, object]) -> str:
        """Add it as the first member."""
        try:
            return jsonc.insert(self.removed(text), self.path, NAME, value)
        except jsonc.NotJsonError as error:
            raise TellapartError(
                f"line {error.line} is not JSON that can be added to: mend it, or paste {_pasted(self.path, value)}"
            ) from error

    def removed(self, text: str) -> str:
        """Cut the member out."""
        if not jsonc.BLANK.sub("", text, count=1):
            return text
        try:
            return jsonc.remove(text, self.path, NAME)
        except jsonc.NotJsonError as error:
            raise TellapartError(f"line {error.line} is not JSON: correct it and run this again") from error


def _pasted(path: Sequence[str], value: Mapping[str, object]) -> str:
    for name in reversed((*path, NAME)):
        value = {name: value}
    return json.dumps(value)


@dataclass(frozen=True, slots=True)
class TomlSettings:
    """A table of its own at the end of the file."""

    table: str

    def added(self, text: str, value: Mapping[str, object]) -> str:
        """Append the table."""
        text = self.removed(text)
        _check_toml(text)
        newline = "\r\n" if "\r\n" in text else "\n"
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        lines = [f"[{self.table}.{NAME}]", *(f"{key} = {json.dumps(each)}" for key, each in value.items())]
        made = text + gap + newline.join(lines) + newline
        _check_toml(made)
        return made

    def removed(self, text: str) -> str:
        """Cut the table out, up to the next one."""
        header = rf"\[{re.escape(self.table)}\.{NAME}\]"
        return re.sub(rf"(?:\A|(?:\r?\n)?(?<=\n)){header}[^\n]*\n(?:(?!\[)[^\n]*(?:\n|\Z))*", "", text)


def _check_toml(text: str) -> None:
    try:
        tomllib.loads(text.lstrip("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise TellapartError(
            f"not TOML that can be added to ({error}): mend it and run this again"
        ) from error


@dataclass(frozen=True, slots=True)
class YamlSettings:
    """A block below a key of the outermost level."""

    key: str

    def added(self, text: str, value: Mapping[str, object]) -> str:
        """Put the block first below its key; a file without the key gets it at its end."""
        text = self.removed(text)
        newline = "\r\n" if "\r\n" in text else "\n"
        head = re.search(rf"^{self.key}:[ \t]*(?:#[^\n]*)?(?=\r?\n|\Z)", text, re.MULTILINE)
        if head is None and re.search(rf"^[\"']?{self.key}[\"']?[ \t]*:", text, re.MULTILINE):
            raise TellapartError(
                f"{self.key!r} is not written as a block, so nothing can be added: add {NAME} by hand:"
                f" {json.dumps(value)}"
            )
        below = re.match(r"(?:\r?\n[ \t]*(?:#[^\n]*)?)*\r?\n( +)\S", text[head.end() :]) if head else None
        indent = below.group(1) if below else "  "
        lines = [
            f"{indent}{NAME}:",
            *(f"{indent * 2}{key}: {json.dumps(each)}" for key, each in value.items()),
        ]
        block = newline.join(lines)
        if head is not None:
            return text[: head.end()] + newline + block + text[head.end() :]
        gap = "" if not text or text.endswith("\n") else newline
        return text + gap + f"{self.key}:{newline}{block}{newline}"

    def removed(self, text: str) -> str:
        """Cut the block out."""
        return re.sub(rf"\r?\n( +){NAME}:[ \t]*(?:\r?\n\1[ \t]+[^\n]*?(?=\r?\n|\Z))*", "", text, count=1)


@dataclass(frozen=True, slots=True)
class MarkdownSection:
    """A section between two comments at the end of a page; the entry is its `text`."""

    def added(self, text: str, value: Mapping[str, object]) -> str:
        """Append the section."""
        text = self.removed(text)
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{BEGIN}\n{value['text']}\n{END}\n"

    def removed(self, text: str) -> str:
        """Cut the section out."""
        return re.sub(rf"\n?{re.escape(BEGIN)}\n.*?{re.escape(END)}\n?", "", text, flags=re.DOTALL)
