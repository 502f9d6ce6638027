"""Scripting languages, functional languages, Zig."""

from __future__ import annotations

from tellapart.corpus.signatures.signature import signature

SIGNATURES = (
    signature(
        "php",
        hints="<? / $",
        sure=(
            r"<\?(?:php|=)|\$this->|\bfunction[ ]+\w*\([^)\n]*\$\w+|^namespace[ ]+[\w\\]+;|\becho[ ]+[$\"']"
        ),
        likely=(r"\$\w+[ ]*=|\$\w+->|=>|\barray\(|::"),
    ),
    signature(
        "perl",
        hints="my / our / local / sub / use / package / shift; / @_ / $_ / qw(",
        sure=(
            r"\b(?:my|our|local)[ ]+[$@%(]|^[ \t]*sub[ ]+\w+[ ]*\{?|^use[ ]+(?:strict|warnings)\b"
            r"|^package[ ]+[\w:]+;|\bshift;|@_\b|\$_\b|\bqw\("
        ),
        likely=(r"=~|\$\w+|@\w+|->\{|\bunless\b|\bforeach\b|\bdie\b"),
    ),
    signature(
        "ruby",
        hints="def / do | / do| / require / attr_ / module / class / elsif",
        sure=(
            r"^[ \t]*def[ ]+(?:self\.)?\w+[?!=]?(?:[ ]*\([^)\n]*\))?[ \t]*$|\bdo[ ]*\|[^|\n]+\|"
            r"|^[ \t]*require(?:_relative)?[ ]|\battr_(?:reader|writer|accessor)\b"
            r"|^[ \t]*module[ ]+[A-Z][\w:]*[ \t]*$|^[ \t]*class[ ]+[A-Z][\w:]*(?:[ ]*<[ ]*[\w:]+)?[ \t]*$|\belsif\b"
        ),
        likely=(r"^[ \t]*end[ \t]*$|@\w+|\bputs\b|\.each\b|\bunless\b|\bnil\b|\{[ ]*\|\w+"),
    ),
    signature(
        "lua",
        hints="local / function / ~= / pairs( / elseif",
        sure=(
            r"\blocal[ ]+(?:function[ ]+)?\w+(?:[ ]*,[ ]*\w+)*[ ]*[=(]|^[ \t]*function[ ]+[\w.:]+\([^)\n]*\)[ \t]*$"
            r"|~=|\bipairs\(|\bpairs\(|\belseif\b[^\n]*\bthen\b"
        ),
        likely=(r"\bthen[ \t]*$|^[ \t]*end\b|\bnil\b|\.\.|\bfunction[ ]*\("),
    ),
    signature(
        "elixir",
        hints="defmodule / def / defp / |> / @doc / @moduledoc / @spec / @impl / fn",
        sure=(
            r"\bdefmodule[ ]+[\w.]+[ ]+do\b|^[ \t]*defp?[ ]+\w+[?!]?(?:\([^\n]*\))?[^\n]*(?:\bdo\b|,[ ]*do:)|\|>"
            r"|^[ \t]*@(?:doc|moduledoc|spec|impl)\b|\bfn\b[^\n]*->"
        ),
        likely=(r"^[ \t]*end[ \t]*$|%\{|:ok\b|\b[A-Z]\w+\.\w+\(|\bdo[ \t]*$|\bnil\b"),
    ),
    signature(
        "haskell",
        hints=":: / module / import / data / newtype / instance / deriving",
        sure=(
            r"^[a-z]\w*'?[ ]*::[ ]*[\w(\[]|^module[ ]+[A-Z][\w.]*"
            r"|^import[ ]+(?:qualified[ ]+)?[A-Z][\w.]*(?:[ ]*\(|[ ]+as\b|[ ]*$)"
            r"|^(?:data|newtype)[ ]+[A-Z]\w*[^\n]*=|^instance[ ]+\w+|\bderiving\b"
        ),
        likely=(r"\bwhere[ \t]*$|<-|\\\w+[ ]*->|->|^[ \t]*\|[ ][^\n]*=|\bcase\b[^\n]*\bof\b|<\$>"),
    ),
    signature(
        "ocaml",
        hints="let / match / open / ;; / module",
        sure=(
            r"^[ \t]*let[ ]+(?:rec[ ]+)?\w+(?:[ ]+[\w(~:)]+)*[ ]*=[ \t]*(?:$|\S[^\n]*\bin\b|function\b"
            r"|match\b|fun\b)|\bmatch\b[^\n]*\bwith\b[ \t]*$|^open[ ]+[A-Z]\w*|;;"
            r"|^[ \t]*module[ ]+[A-Z]\w*[ ]*(?::[^\n=]*)?=[ ]*struct\b|\blet rec\b"
        ),
        likely=(
            r"^[ \t]*\|[ ][^\n]*->|\bin[ \t]*$|\bfun[ ]+\w+[ ]*->|\bList\.\w+|\bbegin\b|^type[ ]+\w+[ ]*=|\bval\b"
            r"|\|>"
        ),
    ),
    signature(
        "zig",
        hints="@ / pub fn / comptime / errdefer / fn",
        sure=(r"@import\(|\bpub fn\b|\bcomptime\b|\berrdefer\b|@\w+\(|\bfn[ ]+\w+\([^\n]*\)[ ]*!?\w+[ ]*\{"),
        likely=(r"\bconst[ ]+\w+|\bdefer\b|\btry\b|\[\]const u8|\busize\b|\bnull\b"),
    ),
)
