"""Signs of the languages of systems and applications: Python, JavaScript, Java, C and their relatives."""

from __future__ import annotations

_ACCESS = (
    r"\b(?:public|private|protected|internal)\b"
    r"(?:[ \t]+(?:static|final|abstract|synchronized|native|virtual|override|sealed|async|unsafe|new|extern|partial"
    r"|readonly))*"
)
_TYPE = r"[\w.]+(?:<[\w<>,.?\[\] &]{0,80}>)?(?:\[[\],]{0,4})?\??"

SIGNATURES = (
    dict(
        language="python",
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
    dict(
        language="javascript",
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
    dict(
        language="typescript",
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
    dict(
        language="go",
        hints="package / func / err != nil / import ( / type / make(",
        sure=(
            r"^package[ ]+\w+[ \t]*$|^func[ ]+(?:\(\w+[ ]+\*?[\w.\[\]]+\)[ ]*)?\w+(?:\[[^\]\n]*\])?\("
            r"|\bif err != nil\b|^import[ ]+\($|^type[ ]+\w+[ ]+(?:struct|interface)[ ]*\{"
            r"|\bmake\((?:\[\]|map|chan)"
        ),
        likely=(r":=|\bnil\b|\bfmt\.\w+|\bdefer\b|\bgo func\b|\brange\b|\[\](?:string|int|byte)\b"),
    ),
    dict(
        language="rust",
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
    dict(
        language="java",
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
    dict(
        language="csharp",
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
    dict(
        language="kotlin",
        hints="fun / data class / companion / when / package / ?.let",
        sure=(
            r"\bfun[ ]+(?:<[^>\n]*>[ ]*)?(?:[\w<>?]+\.)?\w+\(|\bdata class\b|\bcompanion object\b"
            r"|\bwhen[ ]*\([^\n]*\)[ ]*\{|^package[ ]+\w+(?:\.\w+)+[ \t]*$|\?\.let\b"
        ),
        likely=(r"\bval[ ]+\w+|\bvar[ ]+\w+[ ]*:|\bnull\b|\?:|->|^import[ ]+[\w.]+[ \t]*$|\bprintln\("),
    ),
    dict(
        language="scala",
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
    dict(
        language="cpp",
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
    dict(
        language="c",
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
    dict(
        language="objective-c",
        hints="@ / #import / NS / - ( / -( / + ( / +(",
        sure=(
            r"^@(?:interface|implementation|protocol|property|end|class|import|synthesize)\b|^[ \t]*#import\b"
            r"|^[-+][ ]*\([\w *<>]+\)[ ]*\w+|\bNS[A-Z][a-z]\w+|@\""
        ),
        likely=(r"\[\w+[ ]+\w+[\]:]|\bnil\b|\bself\b|\bYES\b|\bNO\b|;[ \t]*$"),
    ),
    dict(
        language="swift",
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
