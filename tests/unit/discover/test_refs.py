"""Which commit a name means."""

import pytest

from config.errors import NothingToIndexError, RefNotFoundError
from tasks.discover.refs import Listing, ResolvedRef, choose, is_commit_id, parse_listing

MAIN, DEV, TAG_OBJECT, TAGGED, PULL = ("1" * 40, "2" * 40, "3" * 40, "4" * 40, "5" * 40)

LINES = f"""\
ref: refs/heads/main\tHEAD
{MAIN}\tHEAD
{DEV}\trefs/heads/dev
{MAIN}\trefs/heads/main
{DEV}\trefs/heads/v2
{PULL}\trefs/pull/1/head
{TAG_OBJECT}\trefs/tags/v1
{TAGGED}\trefs/tags/v1^{{}}
{TAGGED}\trefs/tags/v2
"""


@pytest.fixture
def listing() -> Listing:
    """A repository with branches, tags and a pull request."""
    return parse_listing(line.encode() for line in LINES.splitlines(keepends=True))


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (None, ResolvedRef(MAIN, "main")),
        ("HEAD", ResolvedRef(MAIN, "main")),
        ("main", ResolvedRef(MAIN, "main")),
        ("refs/heads/dev", ResolvedRef(DEV, "dev")),
        ("refs/pull/1/head", ResolvedRef(PULL, "refs/pull/1/head")),
    ],
)
def test_a_name_means_the_commit_that_is_listed(
    listing: Listing, ref: str | None, expected: ResolvedRef
) -> None:
    """None is the default branch, by its own name."""
    assert expected == choose(listing, ref)


def test_an_annotated_tag_means_its_commit(listing: Listing) -> None:
    """Not the tag object."""
    assert ResolvedRef(TAGGED, "v1") == choose(listing, "v1")


def test_a_branch_comes_before_a_tag(listing: Listing) -> None:
    """As for `git clone --branch`."""
    assert ResolvedRef(DEV, "v2") == choose(listing, "v2")


def test_a_tag_that_shares_a_branch_s_name_keeps_its_full_one(listing: Listing) -> None:
    """Or the two would be one ref of the index."""
    assert ResolvedRef(TAGGED, "refs/tags/v2") == choose(listing, "refs/tags/v2")


def test_a_detached_head_is_called_head() -> None:
    """It stands for no branch."""
    listing = parse_listing([f"{MAIN}\tHEAD\n".encode(), f"{DEV}\trefs/heads/dev\n".encode()])

    assert ResolvedRef(MAIN, "HEAD") == choose(listing, None)


def test_a_head_that_leads_nowhere_listed_is_called_head() -> None:
    """A server may name anything."""
    listing = parse_listing([b"ref: refs/heads/\x1b[31m\tHEAD\n", f"{MAIN}\tHEAD\n".encode()])

    assert ResolvedRef(MAIN, "HEAD") == choose(listing, None)


def test_a_missing_ref_is_answered_with_some_that_exist(listing: Listing) -> None:
    """Most misses are a master that is called main."""
    with pytest.raises(RefNotFoundError, match="no branch or tag master; it has dev, main, v2"):
        choose(listing, "master")


def test_many_branches_are_summed_up() -> None:
    """The message stays one line."""
    listing = Listing({f"refs/heads/b{n:03}": MAIN for n in range(100)})

    with pytest.raises(RefNotFoundError, match=r"b004 and 95 more$"):
        choose(listing, "x")


@pytest.mark.parametrize(
    "ref", ["dev^{}", "HEAD~1", "heads/main", "", "-x", "refs/heads/", "v1^{}"]
)
def test_a_name_is_taken_literally(listing: Listing, ref: str) -> None:
    """No revision syntax: only what the listing has."""
    with pytest.raises(RefNotFoundError):
        choose(listing, ref)


def test_a_short_commit_id_is_asked_for_in_full(listing: Listing) -> None:
    """A server cannot look it up."""
    with pytest.raises(RefNotFoundError, match="give a commit's id in full"):
        choose(listing, "1111111")


def test_an_error_shows_no_control_characters(listing: Listing) -> None:
    """Names of refs may come from strangers."""
    with pytest.raises(RefNotFoundError) as caught:
        choose(listing, "a\x1b[31m\nb")

    assert str(caught.value).isprintable()


def test_an_empty_repository_has_nothing_to_index() -> None:
    """A fresh `git init`."""
    with pytest.raises(NothingToIndexError, match="empty"):
        choose(parse_listing([]), None)


def test_an_unborn_head_names_the_branches_that_exist() -> None:
    """HEAD may name a branch that nobody has committed to."""
    with pytest.raises(RefNotFoundError, match=r"HEAD names a branch without a commit.* dev"):
        choose(Listing({"refs/heads/dev": DEV}), None)


def test_a_malformed_line_is_passed_over() -> None:
    """A server may send anything."""
    lines = [
        b"nonsense\n",
        b"--upload-pack=x\trefs/heads/x\n",
        b"\xff\xfe\trefs/heads/y\n",
        b"\t\n",
    ]

    assert Listing({}) == parse_listing(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 40, True), ("0" * 64, True), ("A" * 40, False), ("a" * 39, False), ("g" * 40, False)],
)
def test_a_full_id_is_told_from_a_name(text: str, expected: bool) -> None:
    """Lower case, as git prints it; SHA-1 or SHA-256."""
    assert expected is is_commit_id(text)
