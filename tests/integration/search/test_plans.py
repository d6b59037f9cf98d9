"""How PostgreSQL carries out a search: by its indexes, never by reading a large table whole."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event

import search.lexical
from bench.corpus import generated
from schema import vector_index
from schema.statistics import refresh_statistics
from search.query import Searcher
from search.scope import Scope
from tests.harness import Pipeline

FILES = 2_500
LARGE = {"code_chunks", "embeddings", "blob_sources", "symbols", "embedding_inputs"}
QUERY = "case LIMIT_17 validate_order_17 of LIMIT_2018, or service 2018"


@pytest.fixture(scope="module")
def many(shared_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Some thousand chunks, analyzed, with vector indexes."""
    source = tmp_path_factory.mktemp("many") / "many"
    generated(source, FILES)
    shared_pipeline.index(source)
    with shared_pipeline.runtime.database.autocommit() as connection:
        vector_index.build_missing(connection, threshold=1, seconds=120)
        refresh_statistics(connection)
    return shared_pipeline


@dataclass(slots=True)
class Plans:
    """The steps of the plans of all statements of some searches."""

    steps: list[dict[str, Any]] = field(default_factory=list)

    def read_whole(self) -> set[str]:
        """The large tables that were read from one end to the other."""
        scans = (step for step in self.steps if step["Node Type"] == "Seq Scan")
        return {step["Relation Name"] for step in scans} & LARGE

    def indexes(self) -> set[str]:
        """The indexes that were used."""
        return {step["Index Name"] for step in self.steps if "Index Name" in step}


@pytest.fixture
def plans(many: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plans]:
    """Of what is searched meanwhile, as if every scope were too large to be read exactly."""
    settings = many.runtime.settings
    monkeypatch.setitem(settings.__dict__, "exact_search_chunks", 1)
    monkeypatch.setattr(search.lexical, "AFFORDABLE", 100)
    found = Plans()

    def explain(
        connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        if statement.lstrip().startswith(("WITH", "SELECT")) and "set_config" not in statement:
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                (plan,) = cursor.fetchone()
            document = json.loads(plan) if isinstance(plan, str) else plan
            found.steps += _steps(document[0]["Plan"])

    database = many.runtime.database
    for engine in (database._engine, database._spares):
        event.listen(engine, "before_cursor_execute", explain)
    yield found
    for engine in (database._engine, database._spares):
        event.remove(engine, "before_cursor_execute", explain)


def _steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(step for child in plan.get("Plans", ()) for step in _steps(child))]


@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope(repository="many"), Scope(language="python"), Scope(path="package_003/*")],
    ids=["whole", "repository", "language", "path"],
)
def test_a_search_reads_no_large_table_whole(many: Pipeline, plans: Plans, scope: Scope) -> None:
    """Words and vectors alike are found by index."""
    answer = Searcher(many.runtime).search(QUERY, scope=scope)

    assert answer.results
    assert plans.read_whole() == set()
    assert {"code_chunks_lexemes_idx"} <= plans.indexes()
    assert sum("hnsw" in name for name in plans.indexes()) == 2


def test_a_name_is_looked_up(many: Pipeline, plans: Plans) -> None:
    """Its definition comes by the index of symbols."""
    [(name,)] = many.sql("SELECT name FROM symbols WHERE kind = 'function' ORDER BY name LIMIT 1")

    found = Searcher(many.runtime).search(name, scope=Scope(), limit=1).results

    assert found[0].symbol == name
    assert plans.read_whole() == set()
    assert any(index.startswith("symbols_name") for index in plans.indexes())


def test_a_small_scope_is_read_from_its_own_side(
    many: Pipeline, plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chunks by their files, and each one's vectors."""
    monkeypatch.setitem(many.runtime.settings.__dict__, "exact_search_chunks", 1_000_000)
    monkeypatch.setattr(search.lexical, "FAR_LARGER", 0)

    Searcher(many.runtime).search(QUERY, scope=Scope(path="package_003/*"))

    assert "code_chunks_blob_id_ordinal_key" in plans.indexes()
    assert not any("hnsw" in name for name in plans.indexes())
