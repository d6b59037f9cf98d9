"""The eight tools that `mnemo mcp` offers: search, symbols, files, and indexing.

Each is a plain question to `search` or `schema`; answers are JSON of at most `ANSWER_TOKENS`, and
what goes wrong comes back as an error of the tool, in the words of the command line.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field
from sqlalchemy import Connection

from config.scrub import one_line
from mnemolite.bounded import (
    ANSWER_TOKENS,
    MIN_BUDGET,
    clipped,
    fitted,
    listing,
    passage,
    render,
)
from mnemolite.commands.index import Request, check, enqueue
from mnemolite.commands.status import parse_run_id
from schema import overview, receipts, runs
from search.context import Context
from search.freshness import freshness
from search.graph import find_callees, find_references
from search.outline import outline, read_lines
from search.query import Searcher
from search.scope import Scope, live_snapshots
from search.symbols import find_definitions, similar_names
from tasks.discover.source import parse_source
from tasks.runtime import Runtime
from workers.version import VERSION

CALLS_AT_A_TIME = 3  # below the size of the connection pool
IMPORTS_TOKENS = 600
SOURCE_TOKENS = ANSWER_TOKENS * 2 // 3  # escapes and the rest of the document take some
MAX_RESULTS = 50
MAX_SNAPSHOTS = 10
INSTRUCTIONS = """\
An index of source code. search_code finds code by words, names or a description; get_symbol and
find_references follow a name, each reference with a confidence from 0 to 1 and how it was resolved
(names are matched, types are not inferred); file_outline and read_code read a file. Paths are as in
the repository; the end of one is enough where it is unambiguous.
"""
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)

Repository = Annotated[str | None, Field(description="Only this repository.")]
Ref = Annotated[str | None, Field(description="This ref instead of the default one.")]
Name = Annotated[str, Field(description="name, Class.method or module.Class.method")]
Path = Annotated[str, Field(description="A path in the repository, or the end of one.")]
Line = Annotated[int, Field(ge=1)]
P = ParamSpec("P")


def make_server(runtime: Runtime) -> MCPServer[None]:
    """The server with its tools, over one runtime."""
    server: MCPServer[None] = MCPServer(
        "mnemolite", version=VERSION, instructions=INSTRUCTIONS, log_level="WARNING"
    )
    tools, turns = Tools(runtime), threading.BoundedSemaphore(CALLS_AT_A_TIME)
    for tool in (
        tools.search_code,
        tools.get_symbol,
        tools.find_references,
        tools.file_outline,
        tools.read_code,
        tools.list_repositories,
        tools.index_status,
    ):
        server.add_tool(_answering(tool, turns), annotations=READS, structured_output=False)
    server.add_tool(
        _answering(tools.index_repository, turns), annotations=WRITES, structured_output=False
    )
    return server


def _answering(tool: Callable[P, str], turns: threading.BoundedSemaphore) -> Callable[P, str]:
    @wraps(tool)
    def answer(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            with turns:
                return tool(*args, **kwargs)
        except Exception as exc:  # also a defect: the SDK would quote it as it is
            raise ToolError(one_line(f"{type(exc).__name__}: {exc}")) from exc

    return answer


class Tools:
    """What each tool does; their docstrings are what the model reads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._searcher = Searcher(runtime)
        self._searching = threading.Lock()  # encoders are not for several threads

    def search_code(
        self,
        query: Annotated[str, Field(description="Words, a name, or a description.")],
        repository: Repository = None,
        ref: Ref = None,
        language: Annotated[str | None, Field(description="Only this language.")] = None,
        path: Annotated[str | None, Field(description="Only paths matching this glob.")] = None,
        limit: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = 10,
        context: Annotated[Context, Field(description="Chunks, or whole definitions.")] = "chunk",
        budget: Annotated[int, Field(ge=MIN_BUDGET, le=ANSWER_TOKENS)] = ANSWER_TOKENS,
    ) -> str:
        """Finds code by words, names or a description; best first. "Quoted words" stand as written.

        Answers say how much is indexed, which commits they read, and what was cut to the budget.
        """
        scope = Scope(repository=repository, ref=ref, language=language, path=path)
        with self._searching:
            answer = self._searcher.search(query, scope=scope, limit=limit, context=context)
        document = answer.to_json()
        del document["query"]
        for result in document["results"]:
            del result["signals"]
        return render(fitted(document, budget))

    def get_symbol(self, name: Name, repository: Repository = None, ref: Ref = None) -> str:
        """Shows the definitions of a name with their source."""
        scope = Scope(repository=repository, ref=ref)
        with self._database.reading() as connection:
            found = find_definitions(connection, name, scope)
            similar = [] if found else similar_names(connection, name, scope)
            read = _read(connection, scope, {item.repository for item in found})
        if len(found) == 1:
            return passage(found[0].to_json() | read, "content", found[0].source)
        share = max(100, SOURCE_TOKENS // max(len(found), 1))
        documents = [item.to_json() | clipped(item.source, share) for item in found]
        return listing(read if found else {"similar": similar}, "definitions", documents)

    def find_references(
        self,
        name: Name,
        repository: Repository = None,
        ref: Ref = None,
        callees: Annotated[
            bool, Field(description="What it uses, instead of who uses it.")
        ] = False,
        min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> str:
        """Shows who uses a name and from where (callers), or what it uses; the surest first."""
        find = find_callees if callees else find_references
        scope = Scope(repository=repository, ref=ref)
        with self._database.reading() as connection:
            found = find(connection, name, scope)
            read = _read(connection, scope, {edge.repository for edge in found})
        edges = [edge.to_json() for edge in found if edge.confidence >= min_confidence]
        key = "callees" if callees else "references"
        return listing({"name": one_line(name)[:200], "found": len(edges)} | read, key, edges)

    def file_outline(self, path: Path, repository: Repository = None, ref: Ref = None) -> str:
        """Shows what a file defines and imports, in order, with lines."""
        scope = Scope(repository=repository, ref=ref)
        with self._database.reading() as connection:
            found = outline(connection, path, scope)
            read = _read(connection, scope, {found.repository})
        symbols = [
            {"symbol": s.symbol, "kind": s.kind, "signature": s.signature}
            | {"lines": [s.start_line, s.end_line]}
            for s in found.symbols
        ]
        modules = sorted({item["module"] or item["name"] for item in found.imports})
        document = {
            "repository": found.repository,
            "path": found.path,
            "language": found.language,
            "lines": found.lines,
            "imports": clipped(" ".join(modules), IMPORTS_TOKENS)["content"],
        }
        return listing(document | read, "symbols", symbols)

    def read_code(
        self,
        path: Path,
        repository: Repository = None,
        ref: Ref = None,
        start_line: Line = 1,
        end_line: Line | None = None,
    ) -> str:
        """Reads lines of a file as they are indexed (secrets are redacted)."""
        scope = Scope(repository=repository, ref=ref)
        with self._database.reading() as connection:
            found = read_lines(connection, path, scope, start_line, end_line)
            read = _read(connection, scope, {found.repository})
        document = {
            "repository": found.repository,
            "path": found.path,
            "start_line": found.start_line,
            "end_line": found.end_line,
            "lines": found.of,
        }
        return passage(document | read, "content", found.content)

    def list_repositories(self) -> str:
        """Lists what is indexed: repositories with their refs, commits and counts."""
        with self._database.reading() as connection:
            return listing({}, "repositories", overview.repositories(connection))

    def index_repository(
        self,
        source: Annotated[str, Field(description="A folder, a git repository or its https URL.")],
        ref: Annotated[str | None, Field(description="Branch, tag or commit.")] = None,
        name: Annotated[str | None, Field(description="The repository's name here.")] = None,
    ) -> str:
        """Asks for a repository to be indexed; returns a run id at once, see index_status."""
        request = Request(parse_source(source), ref, name, worktree=False)
        check(request)
        asked = enqueue(self._runtime, request)
        with self._database.reading() as connection:
            run = runs.get_run(connection, asked.run_id)
        return render(
            {"run_id": str(run.id), "repository": run.repository.name, "state": run.state}
        )

    def index_status(
        self,
        run_id: Annotated[str | None, Field(description="Default: all that are open.")] = None,
    ) -> str:
        """Tells how far a run of index_repository is, or lists the runs that are under way."""
        with self._database.reading() as connection:
            if run_id is None:
                return listing({}, "runs", overview.open_runs(connection))
            identifier = parse_run_id(run_id)
            runs.get_run(connection, identifier)
            receipt: dict[str, Any] = receipts.receipt(connection, identifier)
            progress = receipts.progress(connection, identifier)
        return listing({}, "run", [receipt | {"progress": progress.to_json()}])


def _read(connection: Connection, scope: Scope, repositories: set[str]) -> dict[str, Any]:
    """Which commits an answer about these repositories reads, and how old they are."""
    live = [s for s in live_snapshots(connection, scope) if s.repository in repositories]
    return {"snapshots": freshness(live[:MAX_SNAPSHOTS])}
