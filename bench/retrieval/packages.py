"""The packages that are searched, pinned by version and digest, and the files in them.

Two sets without a package in common: constants are chosen on TUNE, figures are reported on REPORT.
Wheels only: they are unpacked, and nothing of theirs is run.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SetName = Literal["tune", "report"]


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel on PyPI."""

    name: str
    version: str
    sha256: str


TUNE = (
    Package(
        "boltons", "26.2.0", "41942cbce440211bbcf2487ccdc356964ad674f95a01068b8a0dd7a1d1fed036"
    ),
    Package(
        "cherrypy", "18.10.0", "129e444b9a63cea4e765481b156376f1cfe319e64caaaec2485636532373b298"
    ),
    Package("docutils", "0.23", "25d013af9bf23bc1c7b2b093dff4208166c53a94786c9e447808335ef1185fea"),
    Package(
        "fsspec", "2026.9.0", "8dd6e646e99ea382bd85f97a45e6b526a442d79423a7dc673f1e2756d05fcb5f"
    ),
    Package("passlib", "1.7.4", "aa6bca462b8d8bda89c70b382f0c298a20b5560af6cbfa2dce410c0a2fb669f1"),
    Package("psycopg", "3.3.9", "d2d7d04a1ce6dab4f5b27316bea3b52585cafa2f2d631e5b09dd69823f5c26f6"),
    Package("rich", "15.0.0", "33bd4ef74232fb73fe9279a257718407f169c09b78a87ad3d296f548e27de0bb"),
    Package("trio", "0.35.0", "9a062a029487c1bdbcc1b2543b729a0bde857ce478b1512c84f391f628e0c5c9"),
)
REPORT = (
    Package(
        "alembic", "1.20.1", "9970712cfb81ea26c8658d378aaa5b8f6ff9146e5bb111d70497c164016cf598"
    ),
    Package(
        "dnspython", "2.9.2", "af15f7d385a6ae2fb35a796fde2138004c8c42c7389090e2addc83e3b3340fd8"
    ),
    Package(
        "icalendar", "7.3.2", "f95ce4ff8f41d8ad9ca253a676ef40c672abd3774458d197c215055a0d805cc4"
    ),
    Package("kombu", "5.7.0", "dede73bff4c89175be382c4203d2f167cf7017c384396ec75c36a1b5678f1587"),
    Package("pint", "0.25.3", "27eb25143bd5de9fcc4d5a4b484f16faf6b4615aa93ece6b3373a8c1a3c1b97d"),
    Package(
        "prompt-toolkit",
        "3.0.53",
        "01c0891d7f9237d5e339f7d3e42cdae80b7534abb1c7c0e3352efba6231492f2",
    ),
    Package("pypdf", "7.1.1", "04c5680d4b4cfa04ab505b09393fc949860c34a4dad6565284d11a2f5c3ce8b1"),
    Package("scrapy", "2.19.0", "44c1ad4b008f1976e946c75b2adce0e448cbfe470c584b1b59469abf270e8013"),
    Package(
        "werkzeug", "3.1.9", "6392e50c78460ba618e5b21f08a71f59c99ce99cdc6cf6e3dd7e6ccca8754fab"
    ),
)
SETS: dict[SetName, tuple[Package, ...]] = {"tune": TUNE, "report": REPORT}


def fetch(packages: tuple[Package, ...], folder: Path) -> dict[str, Path]:
    """The wheel of each package by its name; downloaded where `folder` lacks it.

    Raises:
        SystemExit: pip cannot get one, or its digest is another.
    """
    found = {package.name: folder / package.name for package in packages}
    missing = [package for package in packages if not any(found[package.name].glob("*.whl"))]
    for package in missing:
        _download(package, found[package.name])
    return {name: next(place.glob("*.whl")) for name, place in found.items()}


def _download(package: Package, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "-d", folder, "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{package.name} {package.version} is not to be had:\n{done.stderr}")


def python_files(wheel: Path) -> Iterator[tuple[str, str]]:
    """Path in the package and text of each file of Python in UTF-8."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name) if name.endswith(".py") else b""
            try:
                text = content.decode().replace("\r\n", "\n")
            except UnicodeDecodeError:
                continue
            if text.strip():
                yield name, text
