"""The programming languages: how a file shows which one it is in, and how it is parsed.

The tables are ours: identify (2.6.20) lacks 50 of these 193 extensions, 23 file names and 34 interpreters, and names
other languages than the grammars do. For what is binary it lacks four fifths of the extensions in `sources.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Language:
    """What is particular to one language.

    `name` is what a document's `language` says. `grammar` is the name of the tree-sitter grammar and `query` the
    file in queries/ that says which of its nodes are functions and classes; without them the language is split by
    blank lines and indentation. `extensions` are lower case with their dot. `signatures` says that a name node
    holds the parameters too (`f(int x)`), so that the name ends at the parenthesis. `wrappers` are the texts that
    make a lone method a program the grammar can parse.
    """

    name: str
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    grammar: str | None = None
    query: str | None = None
    signatures: bool = False
    wrappers: tuple[str, str] | None = None


def _parsed(
    name: str,
    extensions: str,
    *,
    filenames: str = "",
    interpreters: str = "",
    grammar: str | None = None,
    query: str | None = None,
    signatures: bool = False,
    wrappers: tuple[str, str] | None = None,
) -> Language:
    return Language(
        name=name,
        extensions=tuple(extensions.split()),
        filenames=tuple(filenames.split()),
        interpreters=tuple(interpreters.split()),
        grammar=grammar or name,
        query=query or name,
        signatures=signatures,
        wrappers=wrappers,
    )


def _plain(name: str, extensions: str, *, filenames: str = "", interpreters: str = "") -> Language:
    return Language(name, tuple(extensions.split()), tuple(filenames.split()), tuple(interpreters.split()))


_CLASS = ("class _ {\n", "\n}")

_TABLE = (
    _parsed(
        "python",
        ".py .pyi .pyw .pyx .pxd .bzl .star",
        filenames="SConstruct SConscript wscript BUILD.bazel WORKSPACE.bazel",
        interpreters="python pypy",
    ),
    _parsed("javascript", ".js .mjs .cjs .jsx .es6", filenames="Jakefile", interpreters="node bun"),
    _parsed("typescript", ".ts .mts .cts", interpreters="deno ts-node tsx"),
    _parsed("tsx", ".tsx", query="typescript"),
    _parsed("go", ".go"),
    _parsed("rust", ".rs", interpreters="rust-script"),
    _parsed("java", ".java", wrappers=_CLASS),
    _parsed("kotlin", ".kt .kts", interpreters="kotlin"),
    _parsed("scala", ".scala .sc .sbt", interpreters="scala amm"),
    _parsed("c", ".c .h .cu", signatures=True),
    _parsed("cpp", ".cpp .cc .cxx .c++ .hpp .hh .hxx .h++ .ipp .tpp .inl .ino .cuh", signatures=True),
    _parsed("csharp", ".cs .csx", wrappers=_CLASS),
    _parsed("swift", ".swift", interpreters="swift"),
    _parsed("objective-c", ".m .mm", grammar="objc", signatures=True),
    _parsed("php", ".php .phtml .php5 .inc", interpreters="php", wrappers=("<?php class _ {\n", "\n}")),
    _parsed(
        "ruby",
        ".rb .rake .gemspec .ru .podspec",
        filenames="Rakefile Gemfile Podfile Vagrantfile Guardfile Capfile Fastfile Brewfile .irbrc .pryrc",
        interpreters="ruby jruby",
    ),
    _parsed("lua", ".lua .rockspec", interpreters="lua luajit"),
    _parsed("elixir", ".ex .exs", interpreters="elixir", signatures=True),
    _parsed("haskell", ".hs", interpreters="runhaskell runghc stack"),
    _parsed("ocaml", ".ml .mli", interpreters="ocaml"),
    _parsed("zig", ".zig .zon"),
    _parsed(
        "bash",
        ".sh .bash .zsh .ksh .bats",
        filenames=""".bashrc .bash_profile .bash_aliases .bash_logout .profile .zshrc .zshenv .zprofile .zlogin
        .kshrc .envrc PKGBUILD APKBUILD""",
        interpreters="sh bash zsh dash ksh ash",
    ),
    _parsed("sql", ".sql .ddl .dml .pgsql .psql"),
    _parsed("r", ".r", filenames=".Rprofile", interpreters="Rscript"),
    _parsed("julia", ".jl", interpreters="julia", signatures=True),
    _parsed("dart", ".dart", interpreters="dart", signatures=True),
    _parsed("perl", ".pl .pm .t .psgi", filenames="cpanfile", interpreters="perl"),
    _parsed("css", ".css .pcss"),
    _plain("scss", ".scss .sass .less"),
    _plain("make", ".mk .mak", filenames="Makefile makefile GNUmakefile", interpreters="make"),
    _plain("dockerfile", ".dockerfile", filenames="Dockerfile Containerfile"),
    _plain("cmake", ".cmake", filenames="CMakeLists.txt"),
    _plain("meson", "", filenames="meson.build meson_options.txt"),
    _plain("bazel", "", filenames="BUILD WORKSPACE"),
    _plain("powershell", ".ps1 .psm1 .psd1", interpreters="pwsh"),
    _plain("batch", ".bat .cmd"),
    _plain("fish", ".fish", interpreters="fish"),
    _plain("groovy", ".groovy .gradle", filenames="Jenkinsfile", interpreters="groovy"),
    _plain("clojure", ".clj .cljs .cljc .edn", interpreters="bb clojure"),
    _plain("erlang", ".erl .hrl", filenames="rebar.config", interpreters="escript"),
    _plain("fsharp", ".fs .fsi .fsx"),
    _plain("visual-basic", ".vb .vbs .bas"),
    _plain("nim", ".nim .nims"),
    _plain("crystal", ".cr", interpreters="crystal"),
    _plain("d", ".d .di"),
    _plain("v", ".v .sv .svh .vh"),
    _plain("vhdl", ".vhd .vhdl"),
    _plain("fortran", ".f .for .f77 .f90 .f95 .f03 .f08"),
    _plain("pascal", ".pas .pp .lpr .dpr"),
    _plain("ada", ".adb .ads"),
    _plain("cobol", ".cob .cbl"),
    _plain("assembly", ".asm .s"),
    _plain("common-lisp", ".lisp .lsp .cl", interpreters="sbcl"),
    _plain("scheme", ".scm .ss .rkt", interpreters="guile racket"),
    _plain("emacs-lisp", ".el", filenames=".emacs"),
    _plain("vim", ".vim", filenames=".vimrc .gvimrc"),
    _plain("elm", ".elm"),
    _plain("purescript", ".purs"),
    _plain("rescript", ".res .resi"),
    _plain("solidity", ".sol"),
    _plain("glsl", ".glsl .vert .frag .geom .comp .hlsl .wgsl .metal"),
    _plain("vue", ".vue"),
    _plain("svelte", ".svelte"),
    _plain("astro", ".astro"),
    _plain("protobuf", ".proto"),
    _plain("thrift", ".thrift"),
    _plain("graphql", ".graphql .gql"),
    _plain("hcl", ".hcl .tf .tfvars"),
    _plain("nix", ".nix"),
    _plain("jsonnet", ".jsonnet .libsonnet"),
    _plain("json", ".json .json5 .jsonc", filenames=".babelrc .eslintrc .prettierrc"),
    _plain("yaml", ".yaml .yml", filenames=".clang-format .clang-tidy"),
    _plain("toml", ".toml"),
    _plain(
        "ini", ".ini .cfg .conf .properties", filenames=".editorconfig .gitconfig .npmrc .flake8 .pylintrc"
    ),
    _plain("xml", ".xml .xsd .xsl .xslt .csproj .fsproj .vbproj .props .targets .plist", filenames="pom.xml"),
    _plain("awk", ".awk", interpreters="awk gawk mawk"),
    _plain("tcl", ".tcl", interpreters="tclsh wish"),
    _plain("just", "", filenames="justfile Justfile .justfile"),
)

LANGUAGES: Mapping[str, Language] = MappingProxyType({language.name: language for language in _TABLE})
"""Every language by name; those with a grammar first."""

_OF_EXTENSION = {extension: language.name for language in _TABLE for extension in language.extensions}
_OF_FILENAME = {filename: language.name for language in _TABLE for filename in language.filenames}
INTERPRETERS: Mapping[str, str] = MappingProxyType(
    {program: language.name for language in _TABLE for program in language.interpreters}
)
"""Languages by the program that a `#!` line names."""


_UPPER_CASE = {".C": "cpp", ".H": "cpp", ".CPP": "cpp", ".M": "objective-c", ".R": "r"}
"""Where the case of an extension means something: `.C` is C++ to every Unix compiler (gcc manual, 3.2)."""

_PREFIXES = {"Dockerfile.": "dockerfile", "Containerfile.": "dockerfile", "Makefile.": "make"}


def language_of_path(path: str) -> str | None:
    """Name the language of a file by its name alone, None for prose and the unknown.

    Well-known names (`Makefile`, `.bashrc`) go before extensions. The case of an extension does not matter but
    in `.C` and `.H`. Markup (Markdown, HTML...) has no entry here: it is prose.
    """
    name = path.replace("\\", "/").rpartition("/")[2]
    if name in _OF_FILENAME:
        return _OF_FILENAME[name]
    for prefix, language in _PREFIXES.items():
        if name.startswith(prefix):
            return language
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return None
    return _UPPER_CASE.get(dot + extension) or _OF_EXTENSION.get(dot + extension.lower())
