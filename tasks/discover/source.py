"""What SOURCE on the command line means: a git repository, a URL of one, or a plain folder.

Apart from reading it, so that a bad argument is refused before anything is started or stored.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from config.errors import BadInputError, SourceNotFoundError, UrlForbiddenError
from tasks.discover.redact import redact
from tasks.discover.remote import parse_url

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# `https://…`, `ext::…`, and `host:path`, which git reads as ssh unless a slash comes first.
_LIKE_URL = re.compile(r"[^/]*:")

SourceKind = Literal["git", "url", "folder"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where files come from."""

    kind: SourceKind
    location: str
    """The absolute path, symlinks resolved, or the canonical URL."""


def parse_source(argument: str) -> Source:
    """What `argument` names.

    A work tree's top folder and a bare repository are `git`; any other folder, also one inside a
    work tree, is a `folder`: only `.gitignore` files from that folder downwards count for it.

    Raises:
        SourceNotFoundError: there is no such path.
        UrlForbiddenError: it is a URL, or like one, that may not be fetched.
        BadInputError: it is a file, or no path at all, or holds a secret.
    """
    if not argument.strip():
        raise BadInputError("no source is given: name a folder, a git repository or its https URL")
    if _CONTROL.search(argument):
        raise UrlForbiddenError("the source holds control characters")
    if argument.startswith("-"):
        raise UrlForbiddenError("the source starts with '-': for a folder of this name write ./-…")
    like_url = _LIKE_URL.match(argument)
    source = Source("url", _repository_url(argument)) if like_url else _local(argument)
    refuse_secret("the source", source.location)
    return source


def refuse_secret(what: str, text: str) -> None:
    """Lets no name pass that would have to be stored as it is, to be found again.

    Raises:
        BadInputError: `text` holds something of the shape of a secret.
    """
    secrets = redact(text).secrets
    if secrets:
        raise BadInputError(
            f"{what} holds a secret ({secrets[0].kind}), which would be stored with the index:"
            " give it another name"
        )


def name_of(source: Source) -> str:
    """The repository's default name: the last part of its path or URL, without `.git`."""
    if source.kind == "url":
        path = PurePosixPath(unquote(urlsplit(source.location).path, errors="replace"))
    else:
        path = PurePosixPath(source.location)
    if path.name == ".git":
        path = path.parent
    return path.name.removesuffix(".git") or "repository"


def _repository_url(argument: str) -> str:
    if not argument.lower().startswith("https:"):
        raise UrlForbiddenError(
            "only https:// URLs and local paths are indexed, not ssh, file or other addresses;"
            " for a folder with a colon in its name write ./name"
        )
    return parse_url(argument)


def _local(argument: str) -> Source:
    try:
        path = Path(argument).resolve(strict=True)
        path.as_posix().encode()
        is_folder = path.is_dir()
        is_git = is_folder and _is_repository(path)
    except FileNotFoundError as exc:
        raise SourceNotFoundError(f"there is no {argument}") from exc
    except UnicodeEncodeError as exc:
        raise BadInputError("the source's path is not valid UTF-8") from exc
    except (OSError, RuntimeError) as exc:  # a RuntimeError is how pathlib reports a symlink loop
        reason = exc.strerror if isinstance(exc, OSError) else "it is a loop of symlinks"
        raise SourceNotFoundError(f"{argument} cannot be read: {reason}") from exc
    if not is_folder:
        raise BadInputError(f"{argument} is not a folder: name the folder or repository it is in")
    return Source("git" if is_git else "folder", str(path))


def _is_repository(path: Path) -> bool:
    """Whether git would open a repository at `path` itself, without looking at its parents."""
    inside = path / ".git"
    if inside.is_file():  # a linked work tree or a submodule
        with inside.open("rb") as file:
            return file.read(8) == b"gitdir: "
    return any(_is_git_folder(folder) for folder in (inside, path))


def _is_git_folder(folder: Path) -> bool:
    has_objects = (folder / "objects").is_dir() or (folder / "commondir").is_file()
    head = folder / "HEAD"
    return has_objects and (head.is_file() or head.is_symlink())
