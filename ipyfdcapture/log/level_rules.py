"""How programs say how serious a line is: one rule for each way of writing it.

A rule is matched where the line begins, behind an indent, a rank, a worker, a progress bar. All
digits of the line are ``0`` by then, so that lines that differ in numbers alone are one to look
at. To add a format, add a rule, and lines of real programs to ``tests/unit/level_lines.jsonl``.
Lines with none of the words and marks that ``levels.py`` looks for first are not tried: those of a
new format may have to be named there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: The words that formats use, in lower case, and the level that each means.
WORDS: dict[str, str] = {
    word: level
    for level, words in {
        "trace": "trace verbose verb trc finest finer v",
        "debug": "debug d dbg fine config",
        "info": "info i note notice remark success status inf information informational message msg"
        " hint n",
        "warning": "warning warn w wrn ww wwww warnmeldung",
        "error": "error err e ee eeee traceback *** severe exception fail failed syserror",
        "critical": "critical crit fatal f panic alert emerg emergency ftl fata",
    }.items()
    for word in words.split()
}
#: The same in other languages, in lower case, as compilers and shells write them.
FOREIGN_WORDS: dict[str, str] = {
    word: level
    for level, words in {
        "info": "Anmerkung|anm|bemærk|bilgi|catatan|ghi chú|huom|napomena|nota|σημείωση|замечание"
        "|зауваження|напомена|примечание|備考|附注|附註",
        "warning": "AVERTISSEMENT|Averto|UYARI|Warnung|advarsel|advertencia|atenció|atención|attention"
        "|attenzione|avertizare|aviso|avviso|avís|cảnh báo|figyelmeztetés|let op|opozorilo"
        "|ostrzeżenie|peringatan|upozorenje|upozornenie|uwaga|varning|varoitus|varovanie|varování"
        "|waarschuwing|įspėjimas|προειδοποίηση|попередження|предупреждение|увага|упозорење|警告|경고",
        "error": "Fehler|erreur|erro|errore|eroare|fejl|feil|fel|fout|greška|hata|kesalahan|klaida|lỗi"
        "|virhe|błąd|chyba|hiba|σφάλμα|грешка|ошибка|помилка|エラー|錯誤|错误|에러|오류",
        "critical": "schwerwiegender Fehler|interner Compiler-Fehler|Schwerwiegend|erreur fatale"
        "|error fatal|erro fatal|errore irreversibile|fatal fejl|fatale fout|fatalna greška"
        "|krytyczny błąd|lỗi nghiêm trọng|vakava virhe|ödesdigert fel|ödesdigert|ölümcül hata"
        "|onulmaz|μοιραίο σφάλμα|кобна грешка|критична помилка|критическая ошибка"
        "|фатальная ошибка|嚴重錯誤|致命的エラー|致命錯誤|致命错误|치명적 오류",
    }.items()
    for word in words.lower().split("|")
}
WORDS |= FOREIGN_WORDS | {
    "fatal error": "critical",
    "fatal io error": "critical",
    "internal compiler error": "critical",
    "severe error": "critical",
    "runtime error": "error",
    "critical warning": "warning",
}


class Rule(NamedTuple):
    """One way to say how serious a line is."""

    #: Who writes so.
    name: str
    #: What the line begins with; the group ``level`` holds one of `WORDS`, or ends with one.
    pattern: str
    #: The level, where no word says it.
    level: str | None = None


_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DATE = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:0000[-/.]00[-/.]00|00?[-/.]00?[-/.](?:0000|00)|00-00"
    rf"|{_MONTH}[ -] ?00?,?(?:[ -]0000)?|00?[-/ ]{_MONTH}[-/ ](?:0000|00)|00000000|000000)"
)
_TIME = r"00?:00(?::00)?(?:[.,:]0+)?(?: ?[AP]M)?(?:\+00:?00)?"
#: A moment, as logs write it: a date and a time, one of them, or seconds.
_MOMENT = (
    rf"(?:{_DATE}(?:[T ,:_-]{{0,2}}| at ){_TIME}|{_TIME}|{_DATE}(?=[\] |,-])|0{{10}}(?:\.0+)?"
    r"|\[ *0+\.0+\])(?: ?(?:Z\b|UTC|GMT|CES?T|[ECMP][SD]T|[+-]00:?00)|(?: 0000)(?=\]))?"
)
_CAPITALS = (
    "TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN(?:ING)?|ERROR|CRITICAL|FATAL|SEVERE|ALERT|EMERG(?:ENCY)?"
    "|VERBOSE|TRC|DBG|INF|WRN|ERR|FTL|CRIT|FINE|FATA"
)
_ANY_CASE = (
    f"{_CAPITALS}|[Tt]race|[Dd]ebug|[Ii]nfo(?:rmation)?|[Nn]ot(?:ic)?e|[Ss]uccess|[Ww]arn(?:ing)?"
    "|[Ee]rror|[Cc]ritical|[Ff]atal|[Ss]evere|[Aa]lert|[Ee]merg|[Vv]erbose|crit|err|Err|Wrn|Msg|NOTE|[Hh]int"
)
#: What stands between a moment and the level: names, numbers, places, in brackets or not.
_FIELD = r"(?:\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|<[^>]*>|[\w.:/#@+$][\w.:/#@+$-]*(?=[ \t|,\[\]()]))"
_GAP = r"[ \t|:,-]*"
#: Words that programs print in the language of their user, with a colon behind them.
_FOREIGN = "(?i:" + "|".join(sorted(map(re.escape, FOREIGN_WORDS), key=len, reverse=True)) + ")"
_COLON = "[ \u00a0\u202f]{0,9}[:：]"
#: A level may have a code: ``error[E0308]:``, ``warning #177-D:``, ``error C2065:``, ``ERROR 4:``.
_CODE = r"(?:(?: ?\[[\w.:-]+\]| ?\([\w -]*\)| ?#?0+(?:-\w)?| [A-Z]+0+){1,2})?"
#: What a program says of what it could not do, behind its name.
_IN_VAIN = (
    r"(?:[Cc]annot |[Cc]an't |[Cc]ould ?n[o']t |[Ff]ailed to |[Uu]nable to |[Ii]nvalid (?!.*[=:] *0+$)"
    r"|[Uu]nexpected (?:EOF|end|symbol|token|character|argument)|[Mm]issing (?:operand|argument|file)"
    r"|[Uu]n(?:known|recogni[sz]ed) (?:or ambiguous |option|command|argument)|undefined variable"
    r"|[Ee]xiting (?:with failure|due to)|[Uu]nmatched |(?:.*: )?unterminated |paths must |attempt to |option requires |you must |parameter not set|.* not found(?: in .*)?$)"
)
_DECORATION = r"[\[(<{*#!>=|│┌╭╷╰%~@\s-]{0,12}"

#: Lines of crashes: the last words of a process, of its system, its runtime, its launcher.
CRASHES = (
    Rule(
        "a signal",
        r"(?:\S+: line 0+: +0+ )?(?:(?:Segmentation fault|Bus error|Illegal instruction|Abort trap"
        r"|Floating[ -]point exception|Trace/breakpoint trap|Stack overflow|Memory fault"
        r"|Speicherzugriffsfehler|Erreur de segmentation|Violación de segmento|Ошибка сегментирования"
        r")(?:: 0+)?(?=$|[ .!:(])|(?:Aborted|Killed)(?:: 0+)?(?= *$| *\(|  ))",
        "critical",
    ),
    Rule(
        "C++ runtime",
        r"(?:\w+: )?(?:terminate called|libc\+\+abi: |terminating (?:due to|with) uncaught"
        r"|pure virtual method called)",
        "critical",
    ),
    Rule(
        "C library",
        r"(?:double free or corruption|(?:free|malloc|realloc|munmap_chunk|malloc_consolidate)\(\): "
        r"|corrupted (?:size|double|unsorted)|\*\*\* (?:stack smashing|buffer overflow|glibc detected"
        r"|Error in `|longjmp causes))",
        "critical",
    ),
    Rule(
        "a signal, told by runtimes",
        r"(?:Program|Thread .*|Process) (?:received|terminated with) signal|Caught signal 0+"
        r"|(?:\[0+\] )?signal \(?0+(?:\.0+)?\)?(?: \(0+\))?: |\*\*\* (?:SIG\w+ |Aborted at |Process received signal"
        r"|caught |Break \*\*\*)|# +SIG[A-Z]+ \(|\[signal SIG|Signal: \w.* \(0+\)",
        "critical",
    ),
    Rule(
        "the kernel",
        r"Kernel panic - |BUG: (?:unable to handle|soft lockup)|\S+\[0+\]: segfault at ",
        "critical",
    ),
    Rule(
        "a batch system",
        r"(?:=>> PBS: |TERM_\w+: )job (?:killed|terminated|violates)",
        "critical",
    ),
    Rule(
        "a program that gives up",
        r"\w+ abort: |\w+ +\w+ \(Abort\): |\* +\[ABORT\]|-+ FATAL CALLED|bad trouble in subroutine "
        r"|\w+: fatal error in \w+$",
        "critical",
    ),
    Rule("Zig", r"thread 0+ panic: ", "critical"),
    Rule("Fortran", r"forrtl: (?P<level>error|warning|info)"),
    Rule("Fortran, severe", r"forrtl: severe", "critical"),
    Rule("Cray Fortran", r"lib-0+ : UNRECOVERABLE", "error"),
    Rule("Fortran, where", r"At line 0+ of file ", "error"),
    Rule("Fortran, stop", r"ERROR STOP\b", "critical"),
    Rule("Go", r"(?P<level>panic): (?=\S)"),
    Rule("Rust", r"thread '.*?' (?:\(0+\) )?(?:panicked at|has overflowed)", "critical"),
    Rule("Rust runtime", r"fatal runtime error: ", "critical"),
    Rule("Java virtual machine", r"# A fatal error has been detected", "critical"),
    Rule("Java, C#, Node", r"Exception in thread \"|Unhandled [Ee]xception|Uncaught \S*", "error"),
    Rule("Python, fatal", r"(?P<level>Fatal) Python error: "),
    Rule("Windows", r"Windows fatal exception", "critical"),
    Rule("Python traceback", r"(?P<level>Traceback) \(most recent call last\):"),
    Rule(
        "MPI",
        r"MPI_ABORT was invoked|Fatal error in \w+: |Abort\(0+\) on node|application called MPI_Abort"
        r"|=+ +BAD TERMINATION|(?:mpirun|prterun|mpiexec)\S* noticed that ",
        "critical",
    ),
    Rule("MPI, errors", r"\*\*\* An error occurred|.*\bORTE_ERROR_LOG: |MPI_ERR_\w+:", "error"),
    Rule("out of memory", r"(?:Out of memory|OOM)\b|std::bad_alloc", "critical"),
    Rule(
        "CUDA",
        r"(?:CUDA|cuda|NCCL|cuDNN|cuBLAS|HIP|hip) ?(?:runtime |driver |kernel )?(?:[Ee]rror|ERROR|out of memory"
        r"|failure|launch failed)|cudaError\w+|CU(?:DA|DNN|BLAS|FFT|SPARSE|SOLVER)_(?:ERROR|STATUS_[A-RT-Z])\w*"
        r"|hipError\w+",
        "error",
    ),
    Rule(
        "R",
        "Execution halted|Ausführung angehalten|Exécution arrêtée|Ejecución interrumpida",
        "critical",
    ),
    Rule(
        "Ipopt",
        r"EXIT: (?:Invalid|Restoration Failed|Error|Not [Ee]nough|Unknown|Insufficient|Some uncaught"
        r"|Converged to a point of local infeasibility|Iterates diverging|Search Direction)",
        "error",
    ),
    Rule(
        "RDKit",
        r"\[00:00:00\] (?:Explicit valence|Can't kekulize|Counts line|CTAB|Cannot |Could not )",
        "error",
    ),
    Rule("curl", r"curl: \(0+\) ", "error"),
    Rule("FFmpeg", r"\[[^\]]+ @ 0x[0a-f]+\] (?:Unable|Invalid|Could not|Failed|Cannot) ", "error"),
    Rule("Python, of the system", r"(?:.*: )?\[Errno 0+\] ", "error"),
    Rule("VASP", r"VERY BAD NEWS!", "critical"),
    Rule("HDF5", r"HDF0-DIAG: Error detected", "error"),
    Rule("BLAS", r"\*\* On entry to \w+ +parameter", "error"),
    Rule("Geant4", r"-+ (?P<level>WWWW|EEEE) -+"),
    Rule("Gaussian, ORCA", r"(?:.* )?[Ee]rror termination ", "error"),
    Rule("CHARMM", r"\*+ +LEVEL +-?0+ WARNING FROM ", "warning"),
    Rule(
        "CUDA, at the checking", r"={9} (?:Invalid |Program hit |Leaked |Race reported )", "error"
    ),
    Rule("GAMS", r"\*{3,4} Error +0+ in ", "error"),
    Rule("Erlang, Elixir", r"=(?P<level>ERROR|WARNING|INFO) REPORT=+"),
)

#: Lines that name their level by a word.
WORDED = (
    Rule(
        "with a moment, the level in capitals",
        rf"(?:[\w.]+ - |0+:[A-Z] )?[\[(]?{_MOMENT}[\])]?(?:{_GAP}{_FIELD}){{0,4}}?{_GAP}\[?"
        rf"(?P<level>{_CAPITALS})\b(?![.=_/]?[a-z0=])",
    ),
    Rule(
        "with a moment, the level in brackets",
        rf"(?:[\w.]+ - |0+:[A-Z] )?[\[(]?{_MOMENT}[\])]?(?:{_GAP}{_FIELD}){{0,4}}?{_GAP}[\[<(](?:\w+:)?"
        rf"(?P<level>{_ANY_CASE}) *[\]>)]",
    ),
    Rule(
        "with a moment, the level before a colon",
        rf"(?:[\w.]+ - |0+:[A-Z] )?[\[(]?{_MOMENT}[\])]?(?:{_GAP}{_FIELD}){{0,3}}?{_GAP}"
        rf"(?P<level>{_ANY_CASE}|[Pp]anic){_CODE}{_COLON}",
    ),
    Rule("JSON", r'\{.*?"(?:log[._])?(?:level|severity|lvl|levelname)":\s*"(?P<level>\w+)"'),
    Rule("logfmt", r"(?:.* )?(?:log_)?(?:level|lvl|severity)=[\"']?(?P<level>[A-Za-z]+)\b"),
    Rule("with a moment alone", rf"[\[(]?{_MOMENT}[\])]? (?P<level>[Ww]arning|[Ee]rror|[Ii]nfo) "),
    Rule(
        "Python warnings",
        r"(?:[^\s:][^:]*:0+: |\(\w+:0+\) (?:\[\w+\] )?)?(?:\w+\.)*[A-Z]\w*(?P<level>Warning): ",
    ),
    Rule(
        "an exception of Python itself",
        r"(?:\w+\.)*(?:Key|Index|Lookup|Value|Type|Attribute|Name|OS|IO|Runtime|Timeout|Assertion"
        r"|Memory|Overflow|Import|Permission|FileNotFound)Error: ",
        "error",
    ),
    Rule("an exception without a name", r"(?P<level>Exception): (?=\S)"),
    Rule("an exception, with its place", r"[^\s:][^:]*:0+: [A-Z]\w*(?P<level>Error|Exception): "),
    Rule("an exception", r"(?:\w+: )?(?:\w+[.:$]+)*[A-Z]\w*(?P<level>Error|Exception)(?=: |$|:$)"),
    Rule("an exception, with its cause", r"Caused by: [\w.$]+(?P<level>Error|Exception)\b"),
    Rule("Ruby", r".*:0+:in .*\((?:\w+::)*\w*(?P<level>Error)\)$"),
    Rule("an exception, with its rule", r"[A-Z]\w*(?P<level>Error|Exception) in (?:rule|file) "),
    Rule("make, SCons", r"(?:g?make(?:\[0+\])?|scons): (?P<level>\*\*\*) "),
    Rule("ninja, pytest", r"(?P<level>FAILED):? +\S+[.\[/]"),
    Rule(
        "tests and builds that fail",
        r"(?:--- )?FAIL: |FAILED \((?:failures|errors)=|\[  FAILED  \]|\S+:0+: Failure$|FAILURE: "
        r"|> Task \S+ FAILED$|0+/0+ Test +#0+: .*\*\*\*(?:Failed|Exception|Timeout|Not Run)"
        r"|[A-Z][a-z]+ failed!$",
        "error",
    ),
    Rule(
        "zsh", r"zsh: (?:command not found|no such file or directory|permission denied): ", "error"
    ),
    Rule("linkers", r"Undefined symbols for |ld: symbol\(s\) not found ", "error"),
    Rule("awk", r"g?awk: .*\bfatal: ", "critical"),
    Rule("ESLint", r"0+:0+ +(?P<level>error|warning)  (?=\S)"),
    Rule("TypeScript", r"\S+:0+:0+ - (?P<level>error|warning) TS0+: "),
    Rule("yarn", r"error (?:Command failed|An unexpected error)", "error"),
    Rule("SPSS", r">(?P<level>Error|Warning) # 0+"),
    Rule("Maple", r"(?P<level>Error|Warning), (?=\(in |[a-z`])"),
    Rule("Xpress", r"\?0+ (?P<level>Error|Warning): "),
    Rule("GROMACS", r"(?P<level>NOTE|WARNING|ERROR) 0+ \[file "),
    Rule("Nim", r"[^\s(]+\(0+, 0+\) (?P<level>Error|Warning|Hint): "),
    Rule("PHP", r"PHP (?P<level>Notice): "),
    Rule("MCNP", r"(?P<level>warning|fatal error)\.  (?=\S)"),
    Rule("Perl", r"Died at .* line 0+\.$", "error"),
    Rule("Perl, warnings", r"Use of uninitialized value .* line 0+\.$", "warning"),
    Rule("gnuplot", r'"[^"]+",? line 0+: (?:undefined|unknown|unexpected|invalid) ', "error"),
    Rule("SSH", r"Permission denied(?: \([\w,-]+\)\.|, please try again)", "error"),
    Rule(
        "an error that occurred", r"An? (?:\w+ )?(?i:error|exception) (?:has )?occurred\b", "error"
    ),
    Rule("ninja, stopped", r"ninja: build stopped", "error"),
    Rule("npm", r"npm (?P<level>WARN|ERR|warn|error|notice|info)\b!?"),
    Rule("NCCL, UCX", rf"(?:.*\] +|.* )(?:NCCL|UCX) +(?P<level>{_CAPITALS}) "),
    Rule("GTK", r"(?:\*\* )?\(\S+:0+\): (?:[\w-]+-)?(?P<level>[A-Z][A-Za-z]+) \*\*: "),
    Rule("Chromium", rf"\[[0:/.]+:(?P<level>{_CAPITALS}):\S+\]"),
    Rule(
        "R's conditions",
        r"(?:In addition: )?(?P<level>Warning|Warnmeldung)(?: messages?|en)?:",
    ),
    Rule(
        "a level in brackets",
        rf"(?:\[[^\]]*\] ?)*[\[<(] *(?:[A-Z]+ )?(?P<level>{_ANY_CASE})(?:[:@][0@.:]*|/0)? *[\]>)]",
    ),
    Rule(
        "a level in capitals",
        rf"{_DECORATION}(?P<level>(?:FATAL (?:IO )?ERROR|CRITICAL WARNING|{_CAPITALS}))"
        rf"(?! SUMMARY\b)(?:{_CODE} *[:|!>\]~*{{-]|\[0+\] |\d* {{1,6}}(?=[^\s=]))",
    ),
    Rule("Python logging, basic", rf"(?P<level>{_CAPITALS}):[^\s:]*:"),
    Rule(
        "a level with a colon",
        rf"{_DECORATION}(?P<level>[Ff]atal error|[Ss]evere error|{_ANY_CASE}){_CODE}{_COLON}(?=\s|$|[^\w:/])",
    ),
    Rule("a name, then a level in brackets", rf"[\w.-]+ \[(?P<level>{_ANY_CASE})\]: "),
    Rule("a level with a dash", rf"(?P<level>{_ANY_CASE}) (?:-{{1,3}}|\|) (?=\S)"),
    Rule(
        "names, then a level",
        rf"(?:\[[^\]]*\]|[\w./-]+[\w\])])(?:[ \t]*[|:,\t][ \t]*| -+ |(?<=\]) *)"
        rf"(?:{_FIELD}(?: *[|:\t] *| -+ )){{0,2}}?\[?(?P<level>{_CAPITALS})(?=[\]:|\t -])",
    ),
    Rule(
        "a place, then a level",
        rf"(?:[A-Za-z]:)?[^\s:][^:]*:(?:0+[:,.]){{0,2}}0*:? *[(\[]?"
        rf"(?P<level>[Ff]atal error|[Ii]nternal compiler error|[Rr]untime error|{_ANY_CASE}){_CODE}(?:/0\)|{_COLON})",
    ),
    Rule(
        "a place in brackets, then a level",
        r"[^\s(:][^(:]*\(0+(?:,0+)?\) ?: (?P<level>fatal error|error|warning|remark)(?:[ :#])",
    ),
    Rule(
        "a program, then a level",
        r"(?:[\w.+#/>-]+ ){1,4}?(?:at )?(?P<level>FATAL (?:IO )?ERROR|[Ff]atal error|FATAL|ERROR|WARNING"
        r"|[Ee]rror|[Ww]arning|[Ff]atal)"
        rf"{_CODE}{_COLON}(?=\s|$)",
    ),
    Rule("libxml", r"[^\s:]+:0+: [\w/]+ (?P<level>error|warning) : "),
    Rule("a level in another language", rf"{_DECORATION}(?P<level>{_FOREIGN}){_COLON}"),
    Rule(
        "a place, then a level in another language",
        rf"(?:[^:：]+[:：] ?){{1,4}}(?P<level>{_FOREIGN}){_COLON}",
    ),
    Rule("R, in German", r"(?P<level>Fehler|Erreur|Error) (?:in|dans|en) .*:"),
    Rule(
        "what went wrong, in words",
        r"(?:\[[^\]]*\] *)*(?:\w+: )?(?P<level>(?:Sys)?[Ee]rror|[Ww]arning|Info) (?:in [<\w.:]+[>(][^=]*|in routine"
        r"|in \w.* :|at |while |opening |initializing |reading |writing |parsing |decoding |during "
        r"|loading |creating |processing |occurred|is not |submitting |using +(?:\w+|[*/+^-]+)(?: |$)|response |from server"
        r"|applying |executing |running |setting |compiling |allocating |retrieving |getting )",
    ),
    Rule("CMake", r"CMake (?:Deprecation )?(?P<level>Error|Warning)\b"),
    Rule("CPLEX", r"CPLEX (?P<level>Error|Warning) +0+:"),
    Rule("libtiff", r"\w+: (?P<level>Warning|Error), "),
    Rule("Nastran", r"\*\*\* \w+ (?P<level>FATAL|WARNING|INFORMATION) MESSAGE(?: 0+)?"),
    Rule("TeX", r"! (?=[A-Z])(?!.*!$)", "error"),
    Rule("TeX, boxes", r"(?:Over|Under)full \\[hv]box", "warning"),
    Rule(
        "the system's messages",
        r"[^\s:]+: (?:.*: )?(?:[Nn]o such file or directory|Permission denied|command not found"
        r"|No space left on device|Is a directory|Not a directory|File exists|Connection refused"
        r"|Operation not permitted|Cannot allocate memory|Bad file descriptor|Input/output error"
        r"|Disk quota exceeded|Connection reset by peer|Broken pipe|Device or resource busy"
        r"|Stale file handle|Invalid argument|Too many open files|not found)(?: \(0+\))?$",
        "error",
    ),
    Rule(
        "a program says what it could not do",
        rf"(?!minor|major)(?:line 0+|[\w.+/\[\]-]+): (?:[^:]{{1,60}}: ?){{0,3}}?{_IN_VAIN}",
        "error",
    ),
    Rule(
        "what could not be done",
        r"(?:\*+ |\[[\w:.-]+\] )?(?:(?:Unable to|Could ?n[o']t|Can(?:no|')t|[Ff]ail(?:ed)? to|unable to)\b"
        r"|Invalid [a-z]+ (?!.*[=:] *0+$)"
        r"|Un(?:known|defined|recogni[sz]ed) \w+(?: or \w+)? (?:['`\"‘]|.* at line )|Bad \w+ or )",
        "error",
    ),
    Rule(
        "what was refused",
        r"[^:]{1,80} (?:(?:was|were) unable to|(?:is|are) not (?:permitted|recogni[sz]ed|in GOROOT)"
        r"|not recogni[sz]ed\.|processes failed to|failed - )|There are not enough ",
        "error",
    ),
    Rule("ShellCheck", r"\^-+\^? SC0000 \((?P<level>error|warning|info)\): "),
    Rule(
        "a place, then what is wrong there",
        r"[^\s:]+:0+: (?:bad|unrecogni[sz]ed|unexpected) ",
        "error",
    ),
    Rule("a place, then a fatal error", r"[^\s:]+:0+: fatal \w+ error$", "critical"),
    Rule(
        "a kind of error",
        r".*\b(?:syntax|processing|pars(?:e|ing)|link(?:er)?) (?P<level>error)\b",
    ),
    Rule(
        "Python, beside the main thread",
        r"Exception (?:in thread Thread-|ignored in: )|Task exception was never retrieved"
        r"|--- Logging error ---$",
        "error",
    ),
    Rule("a kind of error, with an exclamation mark", r"(?:\w+: )?\w+ (?P<level>error)!$"),
    Rule("pytest, an exception", r"E {3,7}(?:\w+\.)*[A-Z]\w*(?P<level>Error|Exception): "),
    Rule("a step that failed", r"FAILED: |\S+: .* test failed$", "error"),
    Rule("Ruby", r".* \((?:\w+::)*[A-Z]\w*(?P<level>Error|Exception)\)$"),
    Rule(
        "Go, compilers and linkers",
        r"(?:vet: )?\S+\.go:0+:0+: |.*: undefined reference to ",
        "error",
    ),
    Rule(
        "what is going to go",
        r"(?:PHP )?Deprecated: |DEPRECATION: |(?:\[[^\]]+ @ 0x[0a-f]+\] ){1,2}deprecated ",
        "warning",
    ),
    Rule("assert", r".*\b[Aa]ssertion (?:[`'\"(].* )?failed(?=$|[.!:, ])", "critical"),
    Rule("sanitizers", r"==0+==ERROR: \w+Sanitizer", "critical"),
    Rule("sanitizers, threads and memory", r"(?:==0+==)?(?P<level>WARNING): \w+Sanitizer"),
    Rule("sanitizers, summary", r"SUMMARY: \w+Sanitizer", "error"),
    Rule(
        "valgrind",
        r"==0+== +(?:Invalid |Conditional jump|Use of uninit|Process terminating|Mismatched free"
        r"|Jump to the invalid|Source and destination overlap|Syscall param)",
        "error",
    ),
    Rule(
        "a core, a signal, at the end",
        r".*(?:\b(?:exited on|caused by) signal 0+|\boom-kill|\((?:core dumped|Speicherabzug geschrieben)\))",
        "critical",
    ),
    Rule("at the end", rf".* [\[(](?P<level>{_CAPITALS})[\])]$"),
)

#: Lines that name their level by a letter.
LETTERED = (
    Rule("TensorFlow, Android", rf"{_MOMENT}(?:: | +0+ +0+ )(?P<level>[VDIWEF]) \S+"),
    Rule(
        "glog, absl, gRPC, klog, PyTorch",
        r"\[?(?P<level>[IWEF])0{3,8} 00:00:[0.]+ +(?:0+ )?\S+:0+\]",
    ),
    Rule("tornado, Jupyter, Optuna", rf"\[(?P<level>[DIWEF]) (?:{_MOMENT}|\S+:0+\])"),
    Rule("Ray", rf"(?:\(\w+\) )?\[{_DATE} {_TIME} (?P<level>[DIWEF]) 0+ 0+\]"),
    Rule("a letter, then a moment", rf"(?P<level>[DIWEF]) {_DATE}[ T]{_TIME}"),
    Rule("COIN-OR", r"(?:Coin|Cbc|Clp|Cgl)0000(?P<level>[IWE]) "),
    Rule("MongoDB", r'\{.*?"s":\s*"(?P<level>[DIWEF])"'),
    Rule("HTSlib", r"\[(?P<level>[DIWE])::\w+"),
    Rule("Ruby, Rails", r"(?P<level>[DIWEF]), \["),
    Rule("X.Org", r"\((?P<level>WW|EE)\) "),
    Rule("apt", r"(?P<level>[WEN]): (?=[A-Z])"),
    Rule("Kotlin", r"(?P<level>[we]): (?:file:|/)"),
    Rule("pylint", r"[^\s:]+:0+(?::0+)?: (?P<level>[WEF])0000: "),
    Rule("NVIDIA, PGI Fortran", r"(?:NVFORTRAN|NVC\+\+|PGF\w+|PGC\w*)-(?P<level>[IWEF])-"),
    Rule("NVIDIA, PGI Fortran, severe", r"(?:NVFORTRAN|NVC\+\+|PGF\w+|PGC\w*)-S-", "error"),
    Rule("Verilator", r"%(?P<level>Warning|Error)\b"),
    Rule("Intel tools", r"-(?P<level>[IWE])- "),
)

#: What stands before a line that a rank, a worker or a bar has in common with others.
PREFIX = (
    r"\s+|\ufeff"
    r"|\[ *0+\.0+\] "
    # A host, a process, and what UCX has behind it: before ranks, since a host may be called node1.
    r"|\[[\w.-]+:0+(?: *:0+)*\] "
    r"|\[?\(?(?:[Rr]ank|[Dd]efault|[Ww]orker|[Pp]roc(?:ess)?|[Tt]ask|[Nn]ode|PE|gw)[ _:=-]?0+[\])]*(?:[:|>] ?|(?<=[\])]) ?)"
    r"|\[0+(?:,0+)?\](?:<std(?:out|err)>)?:? ?(?=[^\s\[])"
    r"|0+: (?=\D)"
    r"|\((?:[\w.]+ )?pid=0+(?:, ip=[0.]+)?\) "
    r"|[\w.-]+-0+ +\| "
    r"|R\[write to console\]: "
    r"|<?\[?std(?:err|out)[>\]:]+ ?"
    r"|\[pod/[^\]]*\] "
    r"|[^|]{0,80}0%\|[^|]{0,300}\|[^\[\]]{0,60}\[[^\]]{0,80}\] ?"
    r"|0+it \[[^\]]{0,80}\] ?"
    r"|0+/0+ [\[━][^\]]{0,100}\]?[^A-Z]{0,60}(?=(?:WARNING|ERROR|Traceback))"
)
#: Not a level but the number of it, to its end or up to what follows: ``error: 1.2e-3, step 4``.
_NUMBER = r"[-+±<>~≈]*(?:0[0.,]*(?:[eEdD][-+]?0+)?|\.0+|[Nn]a[Nn]|NAN|[-+]?[Ii]nf(?:inity)?)"
QUANTITY = (
    rf"[\s=:]*{_NUMBER}(?![0.])(?:\s*(?:%|[a-zA-Zµ°]{{1,3}}(?:/[a-z]+)?(?![\w:]))?)\s*"
    rf"(?:$|[,;|()\]]|\s[\w ]{{1,30}}[=:]|\s+{_NUMBER}(?![\w.]))"
)
#: What is called by such a word and has a number: ``ERROR NORM = 1e-3``.
MEASURE = (
    r"[\s:]*\(?(?:[A-Za-z]+ )?(?:[Ee]stimat\w*|ESTIMATE|[Nn]orms?|NORM|[Rr]ates?|RATE|[Bb]ounds?|BOUND|[Rr]atio|RATIO"
    r"|[Tt]ol(?:erance)?|TOL(?:ERANCE)?|[Bb]ars?|[Mm]argin|[Ss]um|SUM|[Mm]ean|MEAN|RMS|rms|[Mm]ax|MAX|[Mm]in|MIN"
    r"|[Cc]ounts?|COUNT|[Ll]imit|LIMIT|[Tt]otal|TOTAL)\b\)?\s*[=:]?\s*(?:$|[-+]?[0.])"
)
