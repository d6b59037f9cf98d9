"""Known functions in repositories of others: `python -m bench.repositories django=FOLDER …`.

The sources are those of the packages named in `SOURCES`, unpacked by the caller. Each is indexed,
verified, and asked for functions by name and by description; prints Markdown for
docs/benchmarks.md.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.installation import Installation, installation

TOP = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A query and the function that answers it."""

    query: str
    path: str
    symbol: str


SOURCES = {
    "django": (
        "Django 5.2, the source distribution on PyPI",
        Question("get_object_or_404", "django/shortcuts.py", "get_object_or_404"),
        Question("slugify", "django/utils/text.py", "slugify"),
        Question("salted_hmac", "django/utils/crypto.py", "salted_hmac"),
        Question("QuerySet.bulk_create", "django/db/models/query.py", "bulk_create"),
        Question(
            "compare two strings in constant time",
            "django/utils/crypto.py",
            "constant_time_compare",
        ),
        Question(
            "send a message to the site administrators",
            "django/core/mail/__init__.py",
            "mail_admins",
        ),
        Question(
            "escape characters for use in JavaScript strings", "django/utils/html.py", "escapejs"
        ),
        Question(
            "encode an integer in base 36 for use in URLs", "django/utils/http.py", "int_to_base36"
        ),
    ),
    "rxjs": (
        "RxJS 7.8.2, the folder `src` of the package on npm",
        Question("debounceTime", "operators/debounceTime.ts", "debounceTime"),
        Question("shareReplay", "operators/shareReplay.ts", "shareReplay"),
        Question("createErrorClass", "util/createErrorClass.ts", "createErrorClass"),
        Question("switchMap", "operators/switchMap.ts", "switchMap"),
        Question(
            "combine the latest values of several observables",
            "observable/combineLatest.ts",
            "combineLatest",
        ),
        Question("skip values until another observable emits", "skipUntil.ts", "skipUntil"),
        Question("is this value a promise", "util/isPromise.ts", "isPromise"),
        Question("remove an item from an array", "util/arrRemove.ts", "arrRemove"),
    ),
    "capacitor": (
        "Capacitor 8.5.2, the package @capacitor/android on npm",
        Question("getFileUrlForUri", "getcapacitor/FileUtils.java", "getFileUrlForUri"),
        Question("launchIntent", "getcapacitor/Bridge.java", "launchIntent"),
        Question("notifyListeners", "getcapacitor/Plugin.java", "notifyListeners"),
        Question("loadPluginClasses", "getcapacitor/PluginManager.java", "loadPluginClasses"),
        Question("reload the web view", "getcapacitor/Bridge.java", "reload"),
        Question(
            "ask the user for the permissions of these aliases",
            "getcapacitor/Plugin.java",
            "requestPermissionForAliases",
        ),
        Question(
            "a unique identifier of this installation of the app",
            "getcapacitor/AppUUID.java",
            "getAppUUID",
        ),
        Question(
            "serve a local file for a request of the web view",
            "getcapacitor/WebViewLocalServer.java",
            "handleLocalRequest",
        ),
    ),
    "libsodium": (
        "libsodium, in the source distribution of PyNaCl 1.6.2 on PyPI",
        Question("sodium_memzero", "sodium/utils.c", "sodium_memzero"),
        Question("sodium_bin2base64", "sodium/codecs.c", "sodium_bin2base64"),
        Question("randombytes_uniform", "randombytes/randombytes.c", "randombytes_uniform"),
        Question(
            "crypto_secretbox_open_easy",
            "crypto_secretbox/crypto_secretbox_easy.c",
            "crypto_secretbox_open_easy",
        ),
        Question("convert binary data to hexadecimal", "sodium/codecs.c", "sodium_bin2hex"),
        Question("compare memory in constant time", "sodium/utils.c", "sodium_memcmp"),
        Question("add two big little-endian numbers", "sodium/utils.c", "sodium_add"),
        Question("detect processor features at run time", "sodium/runtime.c", "_sodium_runtime"),
    ),
}


def rank(installed: Installation, repository: str, question: Question) -> int | None:
    """The place of the chunk that is named after the function, from 1; None: not in `TOP`."""
    answer = installed.json("search", question.query, "--repo", repository, "--limit", str(TOP))
    for place, result in enumerate(answer["results"], 1):
        name = (result["symbol"] or "").rpartition(".")[2]
        if result["path"].endswith(question.path) and name == question.symbol:
            return place
    return None


def report(installed: Installation, name: str, folder: Path) -> None:
    """Indexes one of `SOURCES`, and prints what came of it."""
    title, *questions = SOURCES[name]
    receipt = installed.index(folder, "--name", name)
    verdict = installed.json("verify", name)
    print(f"### {title}\n")
    print(_receipt(receipt, verdict))
    print("| query | function | place |\n|---|---|---|")
    for question in questions:
        assert isinstance(question, Question)
        place = rank(installed, name, question)
        where = f"`{question.symbol}` in `{question.path}`"
        print(f"| {question.query} | {where} | {place or f'not in {TOP}'} |")
    print()


def _receipt(receipt: dict[str, Any], verdict: dict[str, Any]) -> str:
    files, seconds = receipt["files"], receipt["seconds"]
    skipped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(files["skipped"].items()))
    return (
        f"- {receipt['state']}: {files['indexed']:,} of {files['discovered']:,} files,"
        f" {receipt['chunks']:,} chunks, {receipt['vectors']['text']:,} text and"
        f" {receipt['vectors']['code']:,} code vectors\n"
        f"- skipped: {skipped or 'nothing'}\n"
        f"- quarantined: {files['quarantined']}; vectors failed: {receipt['vectors']['failed']}\n"
        f"- {seconds['lexical']:.1f} s to lexically searchable, {seconds['total']:.1f} s in all\n"
        f"- verify: {'ok' if verdict['ok'] else 'NOT ok'}, digest `{verdict['digest'][:16]}…`\n"
    )


def main() -> None:
    """One installation for all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", help=f"NAME=FOLDER, names: {', '.join(SOURCES)}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mnemo-bench-") as temporary:
        root = Path(temporary)
        root.chmod(0o711)
        with installation(root / "home") as installed:
            for source in given.sources:
                name, _, folder = source.partition("=")
                report(installed, name, Path(folder))


if __name__ == "__main__":
    main()
