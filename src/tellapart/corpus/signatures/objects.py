"""Languages of classes and declared types: Java and C# to C++ and Swift."""

from __future__ import annotations

from tellapart.corpus.signatures.signature import signature

_ACCESS = (
    r"\b(?:public|private|protected|internal)\b"
    r"(?:[ \t]+(?:static|final|abstract|synchronized|native|virtual|override|sealed|async|unsafe|new|extern|partial"
    r"|readonly))*"
)
_TYPE = r"[\w.]+(?:<[\w<>,.?\[\] &]{0,80}>)?(?:\[[\],]{0,4})?\??"

SIGNATURES = (
    signature(
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
    signature(
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
    signature(
        "kotlin",
        hints="fun / data class / companion / when / package / ?.let",
        sure=(
            r"\bfun[ ]+(?:<[^>\n]*>[ ]*)?(?:[\w<>?]+\.)?\w+\(|\bdata class\b|\bcompanion object\b"
            r"|\bwhen[ ]*\([^\n]*\)[ ]*\{|^package[ ]+\w+(?:\.\w+)+[ \t]*$|\?\.let\b"
        ),
        likely=(r"\bval[ ]+\w+|\bvar[ ]+\w+[ ]*:|\bnull\b|\?:|->|^import[ ]+[\w.]+[ \t]*$|\bprintln\("),
    ),
    signature(
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
    signature(
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
    signature(
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
    signature(
        "objective-c",
        hints="@ / #import / NS / - ( / -( / + ( / +(",
        sure=(
            r"^@(?:interface|implementation|protocol|property|end|class|import|synthesize)\b|^[ \t]*#import\b"
            r"|^[-+][ ]*\([\w *<>]+\)[ ]*\w+|\bNS[A-Z][a-z]\w+|@\""
        ),
        likely=(r"\[\w+[ ]+\w+[\]:]|\bnil\b|\bself\b|\bYES\b|\bNO\b|;[ \t]*$"),
    ),
    signature(
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
)
