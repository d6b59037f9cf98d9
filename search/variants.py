"""How code may spell a word of prose: `return` for `returns`, `dir` for `directory`.

The index keeps words as they are spelled, because in code they are names. So it is the question
that is widened; a variant counts less than the word itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

MIN_STEM = 3
_DOUBLED = re.compile(r"([b-df-hj-np-rtv-z])\1$")

# Words that programmers shorten, beside their short forms. That names are full of them, and which
# words it befalls: Newman et al., "An Empirical Study of Abbreviations and Expansions in Software
# Artifacts", ICSME 2019. The list is ours.
_SHORTENED = """
address addr; application app; argument arg; arguments args; asynchronous async; attribute attr;
attributes attrs; authenticate auth; authentication auth; authorization auth; average avg;
boolean bool; buffer buf; calculate calc; certificate cert; character char; characters chars;
column col; columns cols; command cmd; commands cmds; configuration config cfg conf;
configure config; connection conn; context ctx; coordinates coords; current cur; database db;
delete del; destination dest dst; dictionary dict; difference diff; differences diffs diff;
dimension dim; dimensions dims; directories dirs; directory dir; document doc;
documentation docs doc; element elem; elements elems; environment env; error err; errors errs;
evaluate eval; event evt; exception exc; execute exec; expression expr; extension ext; format fmt;
function func fn; functions funcs; generate gen; group grp; hexadecimal hex; identifier ident id;
identifiers ids; image img; index idx; information info; initialize init; integer int;
iterate iter; iterator iter; keyword kw; keywords kwargs; language lang; length len; library lib;
manager mgr; maximum max; memory mem; message msg; messages msgs; minimum min; module mod;
multiply mul; number num; object obj; objects objs; operation op; operations ops; operator op;
operators ops; option opt; options opts; original orig; package pkg; packages pkgs; paragraph para;
parameter param; parameters params; parentheses parens; parenthesis paren; password passwd pwd;
pattern pat; pointer ptr; position pos; previous prev; process proc; properties props;
property prop; query qry; random rand; receive recv; record rec; rectangle rect; reference ref;
references refs; remove rm; repository repo; request req; response resp; return ret; select sel;
separator sep; sequence seq; server srv; service svc; signature sig; source src;
specification spec; standard std; statement stmt; statistics stats; string str; structure struct;
subtract sub; synchronize sync; table tbl; temporary tmp temp; text txt; timestamp ts;
transaction tx txn; utility util; value val; values vals; variable var; variables vars; vector vec;
version ver
"""


def variants(word: str) -> tuple[str, ...]:
    """The other spellings of a lexeme, likeliest first; some of them may be no words."""
    found = dict.fromkeys(_plainer(word))
    for form in (word, *found):
        found |= dict.fromkeys(_ALIKE.get(form, ()))
    found.pop(word, None)
    return tuple(found)


def _plainer(word: str) -> Iterator[str]:
    """What an inflected word may come from.

    Steps 1a and 1b of Porter, "An algorithm for suffix stripping", 1980, with every stem that these
    leave open.
    """
    if word.endswith("ies"):
        yield from _stem(word, 3, "y")
    elif word.endswith("es"):
        yield from (*_stem(word, 1), *_stem(word, 2))
    elif word.endswith("s") and not word.endswith("ss"):
        yield from _stem(word, 1)
    elif word.endswith("ed"):
        yield from (*_stem(word, 1), *_stem(word, 2), *_undoubled(word, 2))
    elif word.endswith("ing"):
        yield from (*_stem(word, 3), *_stem(word, 3, "e"), *_undoubled(word, 3))


def _stem(word: str, cut: int, ending: str = "") -> Iterator[str]:
    if len(word) - cut >= MIN_STEM:
        yield word[:-cut] + ending


def _undoubled(word: str, cut: int) -> Iterator[str]:
    if _DOUBLED.search(word[:-cut]):
        yield from _stem(word, cut + 1)


def _alike() -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in _SHORTENED.split(";"):
        long, *short = line.split()
        found[long] += short
        for one in short:
            found[one].append(long)
    return dict(found)


_ALIKE = _alike()
