"""Which files are left out, and why: one stable reason each.

Two phases. `by_entry` sees path, mode and size, so that what it skips is never read; `by_content`
and `by_text` see what was read. Every rule is deterministic and looks at one file alone. A file
that is skipped by two rules carries the reason that comes first here: mode, path, name, size.

Sources of the rules: GitHub's linguist (vendor.yml, generated.rb; without the generic names such
as `dist` or `env`, which hold people's own code as often as not) for vendored, generated, lock and
minified files; Tabby (crates/tabby-index) for line lengths and shares of digits, with limits
raised until no source of CPython's, Django's, Prometheus' or jQuery's own is lost.
"""

import re
import stat
from typing import Final, Literal

from tasks.discover.fingerprint import fingerprint

Reason = Literal[
    "symlink",  # git stores where it points to, not a file
    "submodule",  # another repository's commit, or a repository inside the folder
    "special",  # FIFO, socket, device
    "path_not_utf8",
    "path_too_long",
    "vendored",  # somebody else's code, copied in
    "lock_file",
    "generated",
    "minified",
    "binary",
    "unsupported",  # text, but data: neither code nor prose
    "empty",  # no bytes, or white space only
    "too_large",
    "lfs_pointer",  # the content is in Git LFS, the file only names it
    "unreadable",
    "changed",  # the file changed, twice, while it was read, or vanished
]

MAX_PATH_BYTES: Final = 1_024
GITLINK: Final = 0o160000
"""The mode of a submodule in a git tree."""


def _words(*listed: str) -> frozenset[str]:
    return frozenset(" ".join(listed).split())


VENDORED_FOLDERS: Final = _words(
    ".bundle .eggs .nox .pnpm .tox .venv .yarn 3rd-party 3rdparty Carthage Godeps Pods",
    "_vendor bower_components dist-packages extern externals jspm_packages node_modules",
    "site-packages third-party third_party thirdparty vendor vendored vendors",
)

LOCK_FILES: Final = _words(
    ".terraform.lock.hcl Cargo.lock Chart.lock Gemfile.lock Gopkg.lock MODULE.bazel.lock",
    "Manifest.toml Package.resolved Pipfile.lock Podfile.lock bun.lock bun.lockb composer.lock",
    "conda-lock.yml deno.lock flake.lock glide.lock go.sum go.work.sum gradle.lockfile mise.lock",
    "mix.lock npm-shrinkwrap.json package-lock.json packages.lock.json paket.lock pdm.lock",
    "pixi.lock pnpm-lock.yaml poetry.lock pubspec.lock pylock.toml uv.lock yarn.lock",
)

GENERATED_FOLDERS: Final = _words("__generated__ __pycache__ __snapshots__")

# The endings that code generators give their output by convention.
GENERATED_ENDINGS: Final = (
    *("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", ".pb.go", ".pb.gw.go", ".pb.cc", ".pb.h"),
    *(".pb.swift", "_pb.js", "_pb.d.ts", "_grpc_pb.js", ".pb.dart", ".g.dart", ".freezed.dart"),
    *(".designer.cs", ".designer.vb", ".feature.cs", ".g.cs", ".g.i.cs", ".zep.c", ".zep.h"),
)

MINIFIED_ENDINGS: Final = (".min.js", ".min.css", ".min.mjs", "-min.js", "-min.css")

# Extensions that some language uses for source (.mo Modelica, .pt page templates, .lib, .com)
# are not here: a NUL byte tells.
BINARY_EXTENSIONS: Final = _words(
    # pictures, sound, film, fonts
    "ai apng avif bmp cur dds eot exr gif heic icns ico jfif jp2 jpeg jpg ktx otf pcx pgm png ppm",
    "psd tga tif tiff ttc ttf webp woff woff2 xcf",
    "aac aif aiff flac m4a mid midi mp3 ogg opus wav wma avi flv m4v mkv mov mp4 mpeg mpg webm wmv",
    # archives, packages, disk images
    "7z apk bz2 cab crate deb dmg egg gem gz ipa iso jar lz lz4 lzma nupkg rar rpm tar tbz tgz war",
    "whl xz zip zst",
    # compiled
    "a bin class dex dll dylib elf exe ko nib o pdb pyc pyd pyo rlib rmeta so wasm",
    # documents, databases, arrays, models
    "doc docx odp ods odt pdf ppt pptx xls xlsb xlsx arrow avro ckpt db dbf feather h5 hdf5 joblib",
    "mat mdb npy npz onnx orc parquet pkl pickle rdb safetensors sav shp shx sqlite sqlite3 tflite",
    # keys
    "gpg jks keystore p12 pfx",
)

UNSUPPORTED_EXTENSIONS: Final = _words(
    # tables, logs, dumps; notebooks, which are mostly encoded output
    "arff csv dat jsonl ldif log ndjson psv tsv ipynb",
    # drawings, maps, models in 3D
    "dae drawio dxf eps fig geojson gltf gpx kml obj ply ps step stl stp svg topojson vrml wkt",
    "wrl x3d",
    # source maps, snapshots
    "map snap tsbuildinfo",
    # translations, subtitles, fonts as text
    "afm bdf pfa po pot srt vtt xlf xliff",
    # keys and certificates
    "cer crl crt csr key p7b pem pgp pub",
    # chemistry, biology, firmware
    "fa fasta fastq gff hex ihex mol pdbqt sam srec vcf",
    # files that only their editor reads
    "pbxproj resx suo uasset unity",
)

_SEMANTICS: Final = 1  # counts changes of behaviour that the tables and patterns do not show

_LFS_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n")
_LFS_POINTER_BYTES = 1_024

_MARKER_LINES = 40
_MARKER_CHARS = 8_192
# Only where a comment starts: code that merely names a marker stays.
_COMMENT = r"^[ \t]*(?://+|/?\*+|#+|--+|;+|%+|<!--|\(\*|\"\"\"|'\s)!?[ \t]*(?:\n[ \t]*)?"
_GENERATED = re.compile(
    _COMMENT + r"(?:"
    r"[^\n]{0,80}@generated\b"  # Meta's convention; also cargo, relay, rustfmt
    # go.dev/s/generatedcode, which protoc-gen-*, mockery, stringer and others follow
    r"|Code generated [^\n]{0,200}DO NOT (?:EDIT|MODIFY)"
    r"|GENERATED CODE\W{1,4}DO NOT (?:EDIT|MODIFY)"
    r"|Generated code\. Do not modify\."
    r"|Generated by the protocol buffer compiler"
    r"|Generated by the gRPC"
    r"|Autogenerated by Thrift Compiler"
    r"|Generated by Cython "
    r"|Generated by (?:PEG\.js|peggy|jison|Haxe|CoffeeScript|pkgdown|Doxygen|roxygen2)\b"
    r"|(?:parser )?generated by jison"
    r"|The following code was generated by JFlex"
    r"|This is a generated file\. Not intended for manual editing\."
    r"|This file is generated by jOOQ"
    r"|This file is automatically generated by Racc"
    r"|DO NOT EDIT THIS FILE - it is machine generated"
    r"|GIMP [\w -]{1,40}(?:C-Source image dump|header image file format)"
    r"|A Bison parser, made by GNU Bison"
    r"|A lexical scanner generated by flex"
    r")",
    re.MULTILINE,
)

_MINIFIABLE = re.compile(r"\.(?:js|mjs|cjs|css)$", re.IGNORECASE)
_MINIFIED_MEAN_LINE = 110  # linguist: mean characters per line of a script or style sheet
_MINIFIED_CHARS = 500  # below this a long line is just a long line
_ANY_MEAN_LINE = 1_000  # whatever it is, nobody wrote it line by line
_DIGITS_SHARE = 0.8  # Tabby has 0.5, which loses tests of numerical code
_DIGITS_CHARS = 10_000

SKIP_VERSION: Final = fingerprint(
    (
        _SEMANTICS,
        MAX_PATH_BYTES,
        *map(sorted, (VENDORED_FOLDERS, LOCK_FILES, GENERATED_FOLDERS)),
        *map(sorted, (BINARY_EXTENSIONS, UNSUPPORTED_EXTENSIONS)),
        *(GENERATED_ENDINGS, MINIFIED_ENDINGS),
        *(_LFS_POINTER.pattern, _GENERATED.pattern, _MINIFIABLE.pattern),
        *(_LFS_POINTER_BYTES, _MARKER_LINES, _MARKER_CHARS),
        *(_MINIFIED_MEAN_LINE, _MINIFIED_CHARS, _ANY_MEAN_LINE, _DIGITS_SHARE, _DIGITS_CHARS),
    )
)
"""Changes whenever some file may be skipped that was not, or the other way round."""


def by_entry(path: bytes, mode: int, size: int, *, max_bytes: int) -> Reason | None:
    """Why the file is left out unread, or None.

    Args:
        path: relative to the root, parts separated by `/`.
        mode: as of `stat`; git's modes are the same for files and symlinks.
        size: in bytes; -1 when it is unknown because a filter left a large content out.
        max_bytes: a larger file is `too_large`.
    """
    return _by_mode(mode) or _by_path(path) or _by_size(size, max_bytes)


def by_content(content: bytes) -> Reason | None:
    """Why a file with these bytes is left out before it is decoded, or None."""
    if len(content) < _LFS_POINTER_BYTES and _LFS_POINTER.match(content):
        return "lfs_pointer"
    return None


def by_text(path: str, text: str) -> Reason | None:
    """Why a file with this text is left out, or None."""
    if not text or text.isspace():
        return "empty"
    if _is_generated(text):
        return "generated"
    if _is_minified(path, text):
        return "minified"
    if _is_numbers(text):
        return "unsupported"
    return None


def _by_mode(mode: int) -> Reason | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return "symlink"
    # a folder is listed as a file only where another repository lives in it
    submodule = stat.S_IFMT(mode) == GITLINK or stat.S_ISDIR(mode)
    return "submodule" if submodule else "special"


def _by_path(path: bytes) -> Reason | None:
    try:
        *folders, name = path.decode().split("/")
    except UnicodeDecodeError:
        return "path_not_utf8"
    if len(path) > MAX_PATH_BYTES:
        return "path_too_long"
    if not VENDORED_FOLDERS.isdisjoint(folders):
        return "vendored"
    if not GENERATED_FOLDERS.isdisjoint(folders):
        return "generated"
    return _by_name(name)


def _by_name(name: str) -> Reason | None:
    if name in LOCK_FILES:
        return "lock_file"
    lower = name.lower()
    if lower.endswith(MINIFIED_ENDINGS):
        return "minified"
    if lower.endswith(GENERATED_ENDINGS):
        return "generated"
    _, dot, extension = lower.rpartition(".")
    if dot and extension in BINARY_EXTENSIONS:
        return "binary"
    return "unsupported" if dot and extension in UNSUPPORTED_EXTENSIONS else None


def _by_size(size: int, max_bytes: int) -> Reason | None:
    if size == 0:
        return "empty"
    return "too_large" if size < 0 or size > max_bytes else None


def _is_generated(text: str) -> bool:
    head = text[:_MARKER_CHARS]
    if "enerated" not in head and "GENERATED" not in head and "GIMP" not in head:
        # every marker but Bison's holds one of these words: the pattern is for the few
        return "A Bison parser" in head and _GENERATED.search(head) is not None
    lines = head.split("\n", _MARKER_LINES)[:_MARKER_LINES]
    return _GENERATED.search("\n".join(lines)) is not None


def _is_minified(path: str, text: str) -> bool:
    mean = len(text) / (text.count("\n") + 1)
    if mean > _ANY_MEAN_LINE:
        return True
    long_lines = mean > _MINIFIED_MEAN_LINE and len(text) > _MINIFIED_CHARS
    return long_lines and _MINIFIABLE.search(path) is not None


def _is_numbers(text: str) -> bool:
    if len(text) < _DIGITS_CHARS:
        return False
    digits = sum(map(text.count, "0123456789"))
    return digits > _DIGITS_SHARE * (len(text) - sum(map(text.count, " \t\n\r")))
