"""What gives a programming language away when neither name nor declaration does.

Each language has patterns that hardly occur outside it (`sure`) and patterns it shares with relatives
(`likely`). Comments and strings are blanked before the patterns are tried. One of the `hints` stands in
whatever the `sure` pattern matches: substring search is some 50 times faster than the pattern, and most
languages are ruled out by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import islice

SURE, LIKELY = 3.0, 0.7
"""Weights of the two sorts of patterns: one sure sign outweighs four shared ones."""

_MOST = 4
"""Occurrences of one sort that are counted; more of the same says nothing new."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The patterns of one language."""

    language: str
    hints: tuple[str, ...]
    sure: str
    likely: str

    def sure_signs(self, code: str) -> int:
        """Occurrences of the language's own patterns in code whose comments and strings are blanked."""
        return _count(self.sure, code) if any(hint in code for hint in self.hints) else 0


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile on first use: all patterns together take longer than a search may, and few are ever needed."""
    return re.compile(pattern, re.MULTILINE)


def _count(pattern: str, code: str) -> int:
    return sum(1 for _ in islice(_compiled(pattern).finditer(code), _MOST))


def _signature(language: str, hints: str, sure: str, likely: str) -> Signature:
    return Signature(language, tuple(hints.split(" / ")), sure, likely)


_ACCESS = (
    r"\b(?:public|private|protected|internal)\b"
    r"(?:[ \t]+(?:static|final|abstract|synchronized|native|virtual|override|sealed|async|unsafe|new|extern|partial"
    r"|readonly))*"
)
_TYPE = r"[\w.]+(?:<[\w<>,.?\[\] &]{0,80}>)?(?:\[[\],]{0,4})?\??"

SIGNATURES: tuple[Signature, ...] = (
    _signature(
        "python",
        hints="def / class / import / elif / except / self. / __ / print",
        sure=(
            r"^[ \t]*(?:async[ ]+)?def[ ]+\w+[ ]*\((?:[^\n]*\)[ \\\n\t]*(?:->[^\n=]+)?:(?![:=])|[^\n)]*$)"
            r"|^[ \t]*class[ ]+\w+(?:\([^)\n]*\))?:|^[ \t]*from[ ]+[\w.]+[ ]+import[ ]"
            r"|^import[ ]+\w+(?:\.\w+)*(?:[ ]+as[ ]+\w+)?[ \t]*$|^[ \t]*elif[ ][^\n]*:|^[ \t]*except\b[^\n]*:"
            r"|\bself\.\w+|__\w+__|^[ \t]*print[ ][^\n(]"
        ),
        likely=(
            r"^[ \t]*(?:for[ ][^\n]* in [^\n]*|if[ ][^\n]*|while[ ][^\n]*|else|try|finally|with[ ][^\n]*):[ \t]*$"
            r"|\b(?:None|True|False)\b|\blambda\b[^\n:]*:|^[ \t]*@\w+[\w.]*|\b(?:len|range|print|isinstance)\("
            r"|\bnot in\b"
        ),
    ),
    _signature(
        "javascript",
        hints=(
            "const / let / => / function / require( / module. / console. / === / !== / import / "
            "export / document. / await"
        ),
        sure=(
            r"\b(?:const|let)[ ]+(?:[\w$]+|\{[^}\n]*\}|\[[^\]\n]*\])[ ]*=[^=]|\([^()\n]{0,80}\)[ ]*=>"
            r"|\bfunction\b\*?[ ]*[\w$]*[ ]*\([^)\n]*\)[ ]*\{|\brequire\(|\bmodule\.exports\b|\bconsole\.\w+\("
            r"|[\w)\]\"\'][ ]*[!=]==[ ]*[\w(\[\"\'-]|^[ \t]*import\b[^\n;]* from[ ]*[\"']"
            r"|\bexport (?:default|const|function|class)\b|\bdocument\.\w+|\bawait[ ]\w"
        ),
        likely=(
            r"\bvar[ ]+[\w$]+[ ]*=|\bthis\.\w+|\breturn\b[^\n]*;[ \t]*$|\btypeof\b|\bnull\b|\bundefined\b|=>"
        ),
    ),
    _signature(
        "typescript",
        hints=(
            "string / number / boolean / void / any / unknown / never / interface / enum / "
            "namespace / type / public / private / protected / readonly / as const / Promise< / "
            "Array< / Record< / Map<"
        ),
        sure=(
            r"[\w)?\]][ ]*:[ ]*(?:string|number|boolean|void|any|unknown|never)\b(?:\[\])*[ ]*[,;)=}{|]"
            r"|^[ \t]*(?:export[ ]+)?(?:declare[ ]+)?interface[ ]+\w+[^\n;]*\{"
            r"|^[ \t]*(?:export[ ]+)?type[ ]+[A-Z]\w*(?:<[^\n=]*>)?[ ]*="
            r"|^[ \t]*(?:public|private|protected|readonly)[ ]+\w+\??:[ ]|\bas const\b"
            r"|\)[ ]*:[ ]*(?:Promise|Array|Record|Map)<"
        ),
        likely=(r"\b(?:const|let)[ ]+\w+:[ ]|\bimport type\b|=>|===|\bexport\b"),
    ),
    _signature(
        "go",
        hints="package / func / err != nil / import ( / type / make(",
        sure=(
            r"^package[ ]+\w+[ \t]*$|^func[ ]+(?:\(\w+[ ]+\*?[\w.\[\]]+\)[ ]*)?\w+(?:\[[^\]\n]*\])?\("
            r"|\bif err != nil\b|^import[ ]+\($|^type[ ]+\w+[ ]+(?:struct|interface)[ ]*\{"
            r"|\bmake\((?:\[\]|map|chan)"
        ),
        likely=(r":=|\bnil\b|\bfmt\.\w+|\bdefer\b|\bgo func\b|\brange\b|\[\](?:string|int|byte)\b"),
    ),
    _signature(
        "rust",
        hints="fn / let mut / struct / enum / trait / mod / impl / use / #[ / #![ / &mut / &self / &str",
        sure=(
            r"\bfn[ ]+\w+(?:<[^>\n]*>)?\(|\blet mut\b"
            r"|^[ \t]*(?:pub(?:\(\w+\))?[ ]+)?(?:struct|enum|trait|mod)[ ]+\w+[^\n;(]*[{;]"
            r"|\bimpl(?:<[^\n>]*>)?[ ]+\w+|^[ \t]*(?:pub )?use[ ]+[a-z_]\w*::|#!?\[\w+|&(?:mut\b|self\b|str\b)"
        ),
        likely=(
            r"->[ ]*(?:Result|Option|Self|[iu](?:8|16|32|64|size)|bool|String|Vec)\b|\b\w+!\(|\bmatch\b[^\n]*\{"
            r"|::\w+|\bunwrap\(\)"
        ),
    ),
    _signature(
        "java",
        hints="import / package / System. / @Override / throws / public / private / protected / internal",
        sure=(
            rf"{_ACCESS}[ \t]+[A-Z]\w*[ ]*\(|^[ \t]*import[ ]+(?:static[ ]+)?[\w.]+(?:\.\*)?;"
            r"|^[ \t]*package[ ]+[\w.]+;|\bSystem\.(?:out|err)\.|@Override\b|\)[ \t\n]*throws[ ]+\w+"
            rf"|{_ACCESS}[^;{{}}:$\n]*\b(?:String|boolean|Integer|Long|Object)\b|\bsuper\.\w+\("
        ),
        likely=(
            rf"{_ACCESS}[ \t]+(?!class\b|new\b){_TYPE}[ \t]+[a-z]\w*[ ]*\(|{_ACCESS}[ \t]+[A-Z]\w*[ ]*\("
            r"|\bfinal[ ]+\w+|\bboolean\b|\bString\b|\bextends\b|\bimplements\b|\.[a-z]\w*\(\)"
            r"|\bpublic[ ]+(?:class|interface|enum)\b|\binstanceof\b|\.(?:length|size|equals|get|toString)\("
            r"|\bpublic\b|\bInteger\b|\bsuper\(|\bnew java\."
            r"|(?<![\w.])(?!if\b|for\b|while\b|switch\b|catch\b|return\b|base\b|this\b)[a-z]\w*\("
        ),
    ),
    _signature(
        "csharp",
        hints=(
            "using / namespace / public / private / protected / internal / {get / { get / base( / "
            "this( / override / virtual / sealed / Task / foreach / nameof / Console."
        ),
        sure=(
            rf"{_ACCESS}[ \t]+[A-Z]\w*[ ]*\(|^[ \t]*using[ ]+(?:static[ ]+)?[\w.]+;"
            r"|^[ \t]*namespace[ ]+[\w.]+[ \t]*[;{]?[ \t]*$"
            rf"|{_ACCESS}[ \t]+(?!class\b|new\b|record\b){_TYPE}[ \t]+[A-Z]\w*[ ]*(?:<\w+>)?(?:\(|\{{[ ]*get\b)"
            r"|\{[ ]*get[ ]*[;{]|\)[ ]*:[ ]*(?:base|this)\(|\b(?:override|virtual|sealed)[ ]+\w+|\basync[ ]+Task\b"
            r"|\bbase\.\w+|\block[ ]*\(|@(?:in|out|object|base|lock|params|ref)\b"
            rf"|{_ACCESS}[^;{{}}:$\n]*\b(?:string|bool|object|uint|decimal)\b|\bforeach[ ]*\(\s*\w+|\bnameof\("
            r"|\bConsole\.\w+"
        ),
        likely=(
            rf"{_ACCESS}[ \t]+[A-Z]\w*[ ]*\(|\bstring\b|\bbool\b|\.[A-Z]\w*\(|\bvar[ ]+\w+[ ]*="
            r"|\.(?:Length|Count)\b|\bout[ ]+\w+|\bpublic\b|\breadonly\b|\bparams\b"
        ),
    ),
    _signature(
        "kotlin",
        hints="fun / data class / companion / when / package / ?.let",
        sure=(
            r"\bfun[ ]+(?:<[^>\n]*>[ ]*)?(?:[\w<>?]+\.)?\w+\(|\bdata class\b|\bcompanion object\b"
            r"|\bwhen[ ]*\([^\n]*\)[ ]*\{|^package[ ]+\w+(?:\.\w+)+[ \t]*$|\?\.let\b"
        ),
        likely=(r"\bval[ ]+\w+|\bvar[ ]+\w+[ ]*:|\bnull\b|\?:|->|^import[ ]+[\w.]+[ \t]*$|\bprintln\("),
    ),
    _signature(
        "scala",
        hints="def / case class / object / import / implicit / sealed",
        sure=(
            r"\bdef[ ]+\w+(?:\[[^\]\n]*\])?(?:\([^\n]*\))?(?:[ ]*:[ ]*[\w\[\], .]+)?[ ]*=(?!=)|\bcase class\b"
            r"|^[ \t]*(?:case )?object[ ]+\w+|^import[ ]+[\w.]+(?:\.\{|\._)|\bimplicit (?:val|def|class|object)\b"
            r"|\bsealed trait\b"
        ),
        likely=(
            r"\bval[ ]+\w+|\btrait[ ]+\w+|\bcase[ ][^\n]*=>|\bextends\b|\bOption\[|\bprintln\(|\bmatch[ ]*\{"
        ),
    ),
    _signature(
        "cpp",
        hints=(
            "std:: / template / public: / private: / protected: / nullptr / include / namespace / "
            "cout / constexpr / static_cast / ::"
        ),
        sure=(
            r"\bstd::\w+|\btemplate[ ]*<|^[ \t]*(?:public|private|protected):[ \t]*$|\bnullptr\b"
            r"|^[ \t]*#[ ]*include[ ]*<(?:iostream|vector|string|map|memory|algorithm|functional"
            r"|utility|set|unordered_map|sstream|fstream|cstdint|cstddef|cstring|cmath|array|optional)>"
            r"|\busing namespace\b|\bcout[ ]*<<|\bconstexpr\b|\bstatic_cast<|^[ \t]*namespace[ ]+\w*[ ]*\{"
            r"|^[\w:<>*& ]+[ ]\*?\w+::~?\w+\("
        ),
        likely=(
            r"^[ \t]*#[ ]*(?:include|define|ifndef|ifdef|endif|pragma)\b|\bclass[ ]+\w+[^;\n]*\{|\bvirtual\b"
            r"|\bauto\b|\w+::\w+|\bdelete\b|\bconst \w+&|\boperator\b"
        ),
    ),
    _signature(
        "c",
        hints=(
            "include / ifdef / ifndef / endif / undef / define / typedef / malloc / free / printf / "
            "sizeof / memcpy / strlen / int / void / char / long / unsigned / double / float / "
            "size_t / bool / struct"
        ),
        sure=(
            r"^[ \t]*#[ ]*(?:include[ ]*[<\"]|ifdef\b|ifndef\b|endif\b|undef\b|define[ ]+\w+)"
            r"|\btypedef[ ]+(?:struct|enum|union)\b|\b(?:malloc|free|printf|sizeof|memcpy|strlen)[ ]*\("
            r"|^(?:static[ ]+|extern[ ]+|inline[ ]+)*(?:const[ ]+)?(?:int|void|char|long|unsigned"
            r"|double|float|size_t|bool|u?int\d+_t|struct \w+)[ *]+\w+[ ]*\([^;\n]*[{,;)]?[ \t]*$"
        ),
        likely=(r"\bNULL\b|->\w+|\b(?:struct|unsigned|const char)\b|\bint[ ]+\w+|&\w+|;[ \t]*$"),
    ),
    _signature(
        "objective-c",
        hints="@ / #import / NS / - ( / -( / + ( / +(",
        sure=(
            r"^@(?:interface|implementation|protocol|property|end|class|import|synthesize)\b|^[ \t]*#import\b"
            r"|^[-+][ ]*\([\w *<>]+\)[ ]*\w+|\bNS[A-Z][a-z]\w+|@\""
        ),
        likely=(r"\[\w+[ ]+\w+[\]:]|\bnil\b|\bself\b|\bYES\b|\bNO\b|;[ \t]*$"),
    ),
    _signature(
        "swift",
        hints=(
            "func / guard let / if let / import / extension / init?( / fileprivate / @objc / "
            "@State / @Published"
        ),
        sure=(
            r"\bfunc[ ]+\w+(?:<[^>\n]*>)?\([^\n]*\)[ ]*(?:async[ ]*)?(?:throws[ ]*)?(?:->[^\n{]*)?\{|\bguard let\b"
            r"|\bif let\b[^\n]*\{|^import[ ]+(?:Foundation|UIKit|SwiftUI|Combine)\b"
            r"|^[ \t]*(?:public |private )?extension[ ]+\w+|\binit\?\(|\bfileprivate\b|@(?:objc|State|Published)\b"
        ),
        likely=(
            r"\blet[ ]+\w+(?:[ ]*:[ ]*\w+)?[ ]*=|\bvar[ ]+\w+[ ]*:[ ]|\bprotocol[ ]+\w+|\bself\.|\?\?|\bnil\b"
            r"|\binit\(|->"
        ),
    ),
    _signature(
        "php",
        hints="<? / $",
        sure=(
            r"<\?(?:php|=)|\$this->|\bfunction[ ]+\w*\([^)\n]*\$\w+|^namespace[ ]+[\w\\]+;|\becho[ ]+[$\"']"
        ),
        likely=(r"\$\w+[ ]*=|\$\w+->|=>|\barray\(|::"),
    ),
    _signature(
        "perl",
        hints="my / our / local / sub / use / package / shift; / @_ / $_ / qw(",
        sure=(
            r"\b(?:my|our|local)[ ]+[$@%(]|^[ \t]*sub[ ]+\w+[ ]*\{?|^use[ ]+(?:strict|warnings)\b"
            r"|^package[ ]+[\w:]+;|\bshift;|@_\b|\$_\b|\bqw\("
        ),
        likely=(r"=~|\$\w+|@\w+|->\{|\bunless\b|\bforeach\b|\bdie\b"),
    ),
    _signature(
        "ruby",
        hints="def / do | / do| / require / attr_ / module / class / elsif",
        sure=(
            r"^[ \t]*def[ ]+(?:self\.)?\w+[?!=]?(?:[ ]*\([^)\n]*\))?[ \t]*$|\bdo[ ]*\|[^|\n]+\|"
            r"|^[ \t]*require(?:_relative)?[ ]|\battr_(?:reader|writer|accessor)\b"
            r"|^[ \t]*module[ ]+[A-Z][\w:]*[ \t]*$|^[ \t]*class[ ]+[A-Z][\w:]*(?:[ ]*<[ ]*[\w:]+)?[ \t]*$|\belsif\b"
        ),
        likely=(r"^[ \t]*end[ \t]*$|@\w+|\bputs\b|\.each\b|\bunless\b|\bnil\b|\{[ ]*\|\w+"),
    ),
    _signature(
        "lua",
        hints="local / function / ~= / pairs( / elseif",
        sure=(
            r"\blocal[ ]+(?:function[ ]+)?\w+(?:[ ]*,[ ]*\w+)*[ ]*[=(]|^[ \t]*function[ ]+[\w.:]+\([^)\n]*\)[ \t]*$"
            r"|~=|\bipairs\(|\bpairs\(|\belseif\b[^\n]*\bthen\b"
        ),
        likely=(r"\bthen[ \t]*$|^[ \t]*end\b|\bnil\b|\.\.|\bfunction[ ]*\("),
    ),
    _signature(
        "elixir",
        hints="defmodule / def / defp / |> / @doc / @moduledoc / @spec / @impl / fn",
        sure=(
            r"\bdefmodule[ ]+[\w.]+[ ]+do\b|^[ \t]*defp?[ ]+\w+[?!]?(?:\([^\n]*\))?[^\n]*(?:\bdo\b|,[ ]*do:)|\|>"
            r"|^[ \t]*@(?:doc|moduledoc|spec|impl)\b|\bfn\b[^\n]*->"
        ),
        likely=(r"^[ \t]*end[ \t]*$|%\{|:ok\b|\b[A-Z]\w+\.\w+\(|\bdo[ \t]*$|\bnil\b"),
    ),
    _signature(
        "haskell",
        hints=":: / module / import / data / newtype / instance / deriving",
        sure=(
            r"^[a-z]\w*'?[ ]*::[ ]*[\w(\[]|^module[ ]+[A-Z][\w.]*"
            r"|^import[ ]+(?:qualified[ ]+)?[A-Z][\w.]*(?:[ ]*\(|[ ]+as\b|[ ]*$)"
            r"|^(?:data|newtype)[ ]+[A-Z]\w*[^\n]*=|^instance[ ]+\w+|\bderiving\b"
        ),
        likely=(r"\bwhere[ \t]*$|<-|\\\w+[ ]*->|->|^[ \t]*\|[ ][^\n]*=|\bcase\b[^\n]*\bof\b|<\$>"),
    ),
    _signature(
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
    _signature(
        "zig",
        hints="@ / pub fn / comptime / errdefer / fn",
        sure=(r"@import\(|\bpub fn\b|\bcomptime\b|\berrdefer\b|@\w+\(|\bfn[ ]+\w+\([^\n]*\)[ ]*!?\w+[ ]*\{"),
        likely=(r"\bconst[ ]+\w+|\bdefer\b|\btry\b|\[\]const u8|\busize\b|\bnull\b"),
    ),
    _signature(
        "bash",
        hints=(
            "if / while / elif / fi / done / esac / () / function / export / ; then / ; do / ;do / "
            ";then / $ / set -"
        ),
        sure=(
            r"^[ \t]*(?:if|while|elif)[ ]+(?:!|\[\[?)[ ]|^[ \t]*(?:fi|done|esac)\b"
            r"|^[ \t]*(?:\w+[ ]*\(\)|function[ ]+\w+)[ ]*\{|^[ \t]*export[ ]+\w+=|;[ ]*(?:then|do)\b"
            r"|\$\{\w+[^}\n]*\}|[\"' ]\$[@#?1-9][\"' \n]|^set -[euxo]"
        ),
        likely=(
            r"\$\w+|\$\(|^[ \t]*\w+=\S*$|\becho\b|\|[ ]*(?:grep|sed|awk|xargs)\b"
            r"|^[ \t]*(?:cd|mkdir|rm|cp|sudo|apt-get|curl)[ ]"
        ),
    ),
    _signature(
        "sql",
        hints="SELECT / INSERT / UPDATE / DELETE / CREATE / ALTER / DROP / WITH / select / create / insert",
        sure=(
            r"^[ \t(]*(?:SELECT\b[^;]{1,300}\bFROM\b|INSERT INTO\b|UPDATE[ ]+[\w.\"]+[ ]+SET\b"
            r"|DELETE FROM\b|CREATE[ ]+(?:OR REPLACE[ ]+)?(?:TEMP[ ]+|UNIQUE[ ]+)?(?:TABLE|VIEW|INDEX"
            r"|FUNCTION|PROCEDURE|TRIGGER|SCHEMA|DATABASE)\b|ALTER TABLE\b|DROP TABLE\b|WITH[ ]+\w+[ ]+AS[ ]*\()"
            r"|^[ \t(]*(?:select[ ]+(?:\*|[\w.]+(?:[ ]*,[ ]*[\w.]+)*)\s+from\s+[\w.]+\s*(?:$|;|where\b"
            r"|join\b|order by\b|group by\b)|create table\b[^\n]*\(|insert into\b[^\n]*\bvalues\b)"
        ),
        likely=(
            r"(?i:\b(?:varchar|primary key|not null|group by|order by|inner join|left join|references)\b)|\bWHERE\b"
            r"|\bVALUES\b|\bJOIN\b"
        ),
    ),
    _signature(
        "r",
        hints="<- / library( / %>% / %in% / data.frame(",
        sure=(r"<-[ ]*function[ ]*\(|\blibrary\(\w+\)|%>%|%in%|\bdata\.frame\(|^[ \t]*[\w.]+[ ]*<-[ ]"),
        likely=(r"\bc\(|\bTRUE\b|\bFALSE\b|\$\w+|\bNULL\b|\bpaste0?\("),
    ),
    _signature(
        "julia",
        hints="function / using / struct / !( / module / # module",
        sure=(
            r"^[ \t]*function[ ]+[\w.]+!?\([^\n]*::|^using[ ]+[A-Z][\w.]*(?:[:,][^\n;]*)?$"
            r"|^[ \t]*(?:mutable[ ]+)?struct[ ]+\w+(?:[ ]*<:[^\n]*)?[ \t]*$|\b\w+!\("
            r"|^[ \t]*module[ ]+[A-Z]\w*[ \t]*$|\bend[ ]*# module"
        ),
        likely=(
            r"^[ \t]*end[ \t]*$|::[A-Z]\w+|^[ \t]*function[ ]+\w+|@\w+[ ]|\bprintln\(|\bnothing\b|<:|\.\+|\.\*"
        ),
    ),
    _signature(
        "dart",
        hints=(
            "import / extension / String? / Widget / @override / Future< / extends State / "
            "required this / late"
        ),
        sure=(
            r"^import[ ]+'(?:package|dart):|^[ \t]*extension[ ]+\w+[ ]+on\b|\bString\?[ ]+\w+|\bWidget build\("
            r"|@override\b|\bFuture<\w+|\bextends State(?:less|ful)Widget\b|\brequired this\.|\blate (?:final )?\w+"
        ),
        likely=(
            r"\bvoid main\(|\bfinal[ ]+\w+|\bString\b|=>|\bvar[ ]+\w+[ ]*=|\basync[ ]*\{|\bconst[ ]+\w+\("
        ),
    ),
    _signature(
        "css",
        hints="@media / @import / @font-face / @keyframes / @charset / { / px / em / rem / % / #",
        sure=(
            r"^[ \t]*@(?:media|import|font-face|keyframes|charset)\b|^[ \t]*(?:[.#]|::?)[\w-]+[^;\n(=]*\{"
            r"|^[ \t]*(?:a|body|html|h[1-6]|p|ul|li|div|span|table|input|button)\b[^;\n(=]*\{"
            r"|^[ \t]*[a-z-]+:[ ]*[^;{}\n]*(?:px|em|rem|%|#[0-9a-fA-F]{3,6})[^;{}\n]*;"
        ),
        likely=(r"^[ \t]*[a-z-]+:[ ]*[^;{}\n]+;[ \t]*$|\bvar\(--|^\}"),
    ),
    _signature(
        "matlab",
        hints="function / zeros( / ones( / fprintf( / numel( / disp(",
        sure=(
            r"^function[ ]+(?:\[?[\w, ]+\]?[ ]*=[ ]*)?\w+[ ]*(?:\([^)\n]*\))?[ \t]*$"
            r"|\b(?:zeros|ones|fprintf|numel|disp)\("
        ),
        likely=(r"^[ \t]*%|^[ \t]*end[ \t]*;?$|\.\*|\.\^|;[ \t]*$"),
    ),
    _signature(
        "prolog",
        hints=":-",
        sure=(r"^[a-z]\w*\([^\n]*\)[ ]*:-|^:-[ ]*\w+\("),
        likely=(r"\.[ \t]*$|\b[A-Z]\w*[ ]+is\b|!\."),
    ),
)

FAMILIES: dict[str, tuple[str, ...]] = {
    ".h": ("c", "cpp", "objective-c"),
    ".m": ("objective-c", "matlab"),
    ".pl": ("perl", "prolog"),
    ".pro": ("prolog",),
}
"""Extensions that several languages share, with the first as the answer when the content says nothing."""

CLIMBS = {"c": ("cpp", "objective-c"), "javascript": ("typescript",)}
"""Languages whose supersets use their every sign: one sure sign of the superset decides."""


def scores(code: str, among: tuple[str, ...] | None = None) -> list[tuple[float, str]]:
    """Languages with their scores, best first, ties by the table's order; comments and strings blanked.

    Shared patterns only count for languages with a sign of their own, unless no language has one.
    """
    asked = [s for s in SIGNATURES if among is None or s.language in among]
    sure = {s.language: s.sure_signs(code) for s in asked}
    some = any(sure.values())
    found = {
        s.language: SURE * sure[s.language] + LIKELY * _count(s.likely, code)
        for s in asked
        if sure[s.language] or not some
    }
    for base, supersets in CLIMBS.items():
        for superset in supersets:
            if sure.get(superset):
                found[superset] += found.get(base, 0.0)
    return sorted(((score, language) for language, score in found.items()), key=lambda pair: -pair[0])
