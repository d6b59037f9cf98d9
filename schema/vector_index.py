"""HNSW indexes, one per model and space, made when there are enough vectors for one to pay.

They are not part of the migrations: which models exist is known only at run time. An exact scan of
one repository stays faster up to some 15,000 chunks (`docs/decisions.md`).
"""

from sqlalchemy import Connection, text

from schema.model_roles import SPACES

# With pgvector's defaults, 16 and 64, a tenth of the nearest code is missed (docs/benchmarks.md).
M = 24
EF_CONSTRUCTION = 128
BUILD_MEMORY = "1GB"  # the graph must fit, or is built very slowly

# Of a candidate only when its vectors are there: building at once is quicker than growing.
WORTH_IT = text("""
SELECT e.model_id, e.space
  FROM embeddings e
  JOIN model_roles m ON m.space = e.space
   AND (e.model_id = m.live_model_id OR (e.model_id = m.candidate_model_id AND NOT EXISTS (
        SELECT 1 FROM index_runs r WHERE r.model_id = e.model_id AND r.state = 'indexing')))
 GROUP BY e.model_id, e.space
HAVING count(*) >= :threshold ORDER BY e.model_id, e.space
""")

VALID = text("""
SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = :name
""")

# one statement, for every search waits for it
PREPARE = text("""
SELECT set_config('hnsw.ef_search', :ef_search, true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true),
       ARRAY(SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE i.indrelid = 'embeddings'::regclass AND i.indisvalid) AS valid
""")


def index_name(model_id: int, space: str) -> str:
    """The index that holds the vectors of a model in a space."""
    return f"embeddings_hnsw_{model_id}_{space}"


def build_missing(connection: Connection, *, threshold: int, seconds: float) -> list[str]:
    """Builds the indexes that are worth it and missing; returns their names.

    Args:
        connection: in autocommit, because `CREATE INDEX CONCURRENTLY` refuses a transaction.
        threshold: vectors of a model and space from which an index is built.
        seconds: the limit on one build.
    """
    built = []
    for model_id, space in missing(connection, threshold):
        name = index_name(model_id, space)
        # what a build that was interrupted leaves behind
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
        _build(connection, name, model_id, space, seconds)
        built.append(name)
    return built


def missing(connection: Connection, threshold: int) -> list[tuple[int, str]]:
    """The model and space of each index that is worth it and not there."""
    worth = connection.execute(WORTH_IT, {"threshold": threshold}).all()
    return [(row.model_id, row.space) for row in worth if not has_index(connection, *row)]


def drop(connection: Connection, model_id: int) -> None:
    """Removes the indexes of a model.

    Args:
        connection: in autocommit, as above.
        model_id: the model.
    """
    connection.execute(text("SET lock_timeout = 0"))  # it waits for every search that is under way
    try:
        for space in SPACES:
            name = index_name(model_id, space)
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
    finally:
        connection.execute(text("RESET lock_timeout"))


def has_index(connection: Connection, model_id: int, space: str) -> bool:
    """True where searches can use an index."""
    return bool(connection.execute(VALID, {"name": index_name(model_id, space)}).scalar())


def prepare_scans(connection: Connection, ef_search: int) -> frozenset[str]:
    """The names of the indexes that searches can use; iterative scans of them are set up, too.

    Args:
        connection: in a transaction, with which the settings end.
        ef_search: how many candidates an index keeps (`hnsw.ef_search`).
    """
    return frozenset(connection.execute(PREPARE, {"ef_search": str(ef_search)}).one().valid)


def dimensions(connection: Connection, model_id: int, space: str) -> int | None:
    """The length of the model's vectors, None where it has none yet."""
    return connection.execute(
        text(
            "SELECT vector_dims(vector) FROM embeddings"
            " WHERE model_id = :model AND space = :space LIMIT 1"
        ),
        {"model": model_id, "space": space},
    ).scalar()


def _build(connection: Connection, name: str, model_id: int, space: str, seconds: float) -> None:
    width = dimensions(connection, model_id, space)
    connection.execute(text(f"SET statement_timeout = {int(seconds * 1000)}"))
    connection.execute(text(f"SET maintenance_work_mem = '{BUILD_MEMORY}'"))
    try:
        connection.execute(
            text(
                f"CREATE INDEX CONCURRENTLY {name} ON embeddings"
                f" USING hnsw ((vector::halfvec({width})) halfvec_cosine_ops)"
                f" WITH (m = {M}, ef_construction = {EF_CONSTRUCTION})"
                f" WHERE model_id = {model_id} AND space = '{space}'"
            )
        )
    finally:
        connection.execute(text("RESET maintenance_work_mem"))
        connection.execute(text("RESET statement_timeout"))
