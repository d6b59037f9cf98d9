"""Which commit a name means, given what `git ls-remote` lists.

Apart from running git: names come from people and listings from strangers, so choosing is pure and
tested as a table. A name is never passed to git, only the commit that it stands for.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from config.errors import NothingToIndexError, RefNotFoundError
from config.scrub import one_line

HEAD: Final = "HEAD"
_BRANCH: Final = "refs/heads/"
_TAG: Final = "refs/tags/"
_PEELED: Final = "^{}"
_FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_ID = re.compile(r"[0-9a-f]{7,63}")
_NAMED = 5  # branches that an error names


@dataclass(frozen=True, slots=True)
class ResolvedRef:
    """A commit and the name it goes by."""

    commit: str
    name: str
    """Short for branches and tags, in full for other refs; the id itself for a bare commit."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The refs of a repository."""

    ids: dict[str, str]
    """Full name → object id; an annotated tag has that of its commit."""
    head: str = HEAD
    """The branch that HEAD stands for."""


def is_commit_id(ref: str) -> bool:
    """Whether `ref` is a full object id, which needs no listing."""
    return _FULL_ID.fullmatch(ref) is not None


def parse_listing(lines: Iterable[bytes]) -> Listing:
    """Reads the output of `git ls-remote --symref`; skips what is malformed."""
    ids: dict[str, str] = {}
    head = HEAD
    for line in lines:
        value, _, name = line.decode(errors="replace").rstrip("\n").partition("\t")
        if value.startswith("ref: ") and name == HEAD:
            head = value.removeprefix("ref: ")
        elif is_commit_id(value):
            ids[name.removesuffix(_PEELED)] = value  # the peeled line follows the tag's own
    return Listing(ids, head)


def choose(listing: Listing, ref: str | None) -> ResolvedRef:
    """The commit that `ref` stands for: a full name, else a branch, else a tag.

    Args:
        listing: what the repository has.
        ref: None and `HEAD` mean its default branch.

    Raises:
        NothingToIndexError: the repository has no commit.
        RefNotFoundError: it has no such ref; names some that it has.
    """
    if not listing.ids:
        raise NothingToIndexError("the repository is empty: it has no commit yet")
    if ref in {None, HEAD}:
        return _head(listing)
    for name in (ref, f"{_BRANCH}{ref}", f"{_TAG}{ref}"):
        if name in listing.ids:
            return ResolvedRef(listing.ids[name], _shown(name, listing))
    short = _SHORT_ID.fullmatch(ref or "")
    hint = "; give a commit's id in full" if short else f"; it has {_some_branches(listing)}"
    raise RefNotFoundError(f"the repository has no branch or tag {one_line(ref or '')}{hint}")


def _head(listing: Listing) -> ResolvedRef:
    if HEAD not in listing.ids:
        raise RefNotFoundError(
            "the repository's HEAD names a branch without a commit:"
            f" choose another with --ref; it has {_some_branches(listing)}"
        )
    # of a branch that is not listed only the server knows what it may be
    name = _shown(listing.head, listing) if listing.head in listing.ids else HEAD
    return ResolvedRef(listing.ids[HEAD], name)


def _shown(name: str, listing: Listing) -> str:
    tag = name.removeprefix(_TAG)
    if tag != name:
        # a branch of the same name has the short form
        return name if f"{_BRANCH}{tag}" in listing.ids else tag
    return name.removeprefix(_BRANCH)


def _some_branches(listing: Listing) -> str:
    branches = sorted(n.removeprefix(_BRANCH) for n in listing.ids if n.startswith(_BRANCH))
    if not branches:
        return "no branches"
    more = f" and {len(branches) - _NAMED} more" if len(branches) > _NAMED else ""
    return one_line(", ".join(branches[:_NAMED])) + more
