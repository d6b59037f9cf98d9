"""What a use of a name means: the ladder of evidence that joins references to definitions, in SQL.

Names are resolved when somebody asks, set-based over one live snapshot, never stored: re-indexing a
file changes what others mean. The rungs, best evidence first; a use keeps its best rung only:

    scope       1.0     defined in a scope around the use, or in the class behind `self` or `this`
    file        0.95    defined in the same file, or by a class of the file that is named
    import      0.9     an import of the file binds it; shared where a whole package is meant
    inherit     0.9     of a class that the class around the use names as its base; shared
    package     0.6     defined in the same folder, in languages whose packages are folders; shared
    unique      0.5     the only definition of that name in the repository
    candidates  0.3/n   one of n definitions, at most 5; more tell nothing

Names are matched, types are not inferred: what is not certain says so by its confidence. A name
that an import takes from outside of the repository means nothing inside it.

Source of the ladder: the confidences are rungs of a scale, not probabilities; what precision each
band has is measured by `bench/symbols.py` against jedi.
"""

CONFIDENCE = {
    "scope": 1.0,
    "file": 0.95,
    "import": 0.9,
    "inherit": 0.9,
    "package": 0.6,
    "unique": 0.5,
    "candidates": 0.3,
}
MAX_CANDIDATES = 5

SELF = ("self", "cls", "this", "Self", "$this", "static")
SUPER = ("super()", "super", "parent", "base")
# where a method is called by its bare name in its own class
IMPLICIT_THIS = ("java", "c_sharp", "cpp", "ruby")
# where what stands in the same folder needs no import
FOLDER_PACKAGES = ("go", "java", "c_sharp", "c", "cpp", "ruby", "php", "bash", "sql")
# where an import names a path and dots are part of it
PATH_IMPORTS = ("go", "javascript", "typescript", "tsx", "c", "cpp", "ruby", "bash")


def _list(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{name}'" for name in names) + ")"


def places(where: str = "true") -> str:
    """The files of the live manifests; binds :repository and :ref.

    A module is a path without its suffix, `__init__` or `index`.

    Args:
        where: narrows `f`, the rows of `snapshot_files`, where a query needs few of a fleet's.
    """
    return f"""
live AS (
    SELECT s.id AS snapshot_id, p.name AS repository
      FROM repositories p
      JOIN refs r ON r.repository_id = p.id AND r.name = coalesce(:ref, p.default_ref)
      JOIN snapshots s ON s.id = r.live_snapshot_id
     WHERE cast(:repository AS text) IS NULL OR p.name = :repository),
places AS MATERIALIZED (
    SELECT live.snapshot_id, live.repository, f.blob_id, f.path, b.language,
           CASE WHEN b.language IN ('javascript', 'typescript', 'tsx', 'jsx') THEN 'ecmascript'
                WHEN b.language IN ('c', 'cpp') THEN 'c' ELSE b.language END AS family,
           regexp_replace(f.path, '/?[^/]*$', '') AS folder,
           regexp_replace(regexp_replace(f.path, '\\.[^./]*$', ''),
                          '(^|/)(__init__|index|mod)$', '') AS module
      FROM live
      JOIN snapshot_files f ON f.snapshot_id = live.snapshot_id
      JOIN blobs b ON b.id = f.blob_id
     WHERE {where})
"""


PLACES = places()

DEFINITION_COLUMNS = """
    p.snapshot_id, p.repository, p.path, p.family, p.folder, p.module, p.blob_id, s.ordinal, s.kind,
    s.name, s.name_path, s.signature, s.start_line, s.end_line,
    left(s.name_path, greatest(length(s.name_path) - length(s.name) - 1, 0)) AS parent
"""

USE_COLUMNS = """
    p.snapshot_id, p.repository, p.path, p.language, p.family, p.folder, p.blob_id, r.ordinal,
    r.kind, r.name, replace(r.qualifier, '::', '.') AS qualifier, r.scope, r.lines
"""

# From `uses` to `edges`. What an import binds: a module, or a symbol of one; `strips` folders up.
RESOLUTION = f"""
numbered AS MATERIALIZED (
    SELECT row_number() OVER () AS use_id, uses.*,
           CASE WHEN qualifier = '' THEN name ELSE split_part(qualifier, '.', 1) END AS head,
           replace(substr(qualifier, length(split_part(qualifier, '.', 1)) + 2), '.', '/') AS rest,
           qualifier IN {_list(SELF)} AS own, qualifier IN {_list(SUPER)} AS above
      FROM uses),
using_places AS (SELECT DISTINCT snapshot_id, path, blob_id, language, folder FROM numbered),
raw_imports AS (
    SELECT u.snapshot_id, u.path, u.folder, u.language, i.ordinal, i.name, i.qualifier, i.alias,
           CASE WHEN i.qualifier <> '' THEN i.qualifier ELSE i.name END AS source
      FROM using_places u
      JOIN symbol_references i ON i.blob_id = u.blob_id AND i.kind = 'import'),
imports AS MATERIALIZED (
    SELECT snapshot_id, path, ordinal, name, qualifier, alias, language,
           source LIKE '.%' AS anchored,
           concat_ws('/',
               CASE WHEN source LIKE '.%' THEN nullif(array_to_string(
                   (string_to_array(folder, '/'))[1:cardinality(string_to_array(folder, '/'))
                    - CASE WHEN language = 'python' THEN length(substring(source FROM '^\\.+')) - 1
                           ELSE (length(source) - length(replace(source, '../', ''))) / 3 END],
                   '/'), '') END,
               nullif(CASE WHEN language IN {_list(PATH_IMPORTS)}
                   THEN regexp_replace(regexp_replace(source, '^(\\.{{1,2}}/?|[@~]/)+', ''),
                                       '\\.([cm]?[jt]sx?|h|hpp)$', '')
                   ELSE regexp_replace(regexp_replace(source,
                       '^(\\.+|((crate|self|super)::)+)', ''), '(::|\\\\|\\.)', '/', 'g')
               END, '')) AS module
      FROM raw_imports),
bindings AS MATERIALIZED (
    -- a symbol of a module: `from m import s [as b]`, `import {{ s as b }} from "m"`
    SELECT snapshot_id, path, ordinal, anchored, module,
           coalesce(nullif(alias, ''), name) AS binding,
           CASE WHEN name = 'default' THEN alias ELSE name END AS target
      FROM imports
     WHERE qualifier <> '' AND module <> '' AND name <> '*'
    UNION ALL  -- a module, or a module of a package: `import m`, `import * as b from "m"`
    SELECT snapshot_id, path, ordinal, anchored,
           CASE WHEN qualifier <> '' AND name NOT IN ('*', 'default')
                THEN concat_ws('/', nullif(module, ''), name)
                WHEN language = 'python' AND alias = '' THEN split_part(module, '/', 1)
                ELSE module END,
           CASE WHEN alias <> '' THEN alias
                WHEN qualifier <> '' THEN name
                WHEN language = 'python' THEN split_part(module, '/', 1)
                ELSE regexp_replace(module, '^.*/', '') END,
           NULL
      FROM imports WHERE name <> '*' OR alias <> ''),
stars AS (
    SELECT snapshot_id, path, anchored, module FROM imports WHERE name = '*' AND alias = ''),
wanted AS (
    SELECT DISTINCT snapshot_id, name FROM numbered
    UNION
    SELECT DISTINCT b.snapshot_id, b.target FROM bindings b WHERE b.target IS NOT NULL),
definitions AS MATERIALIZED (
    -- the last of overloads and of conditional definitions stands for all of them
    SELECT DISTINCT ON (p.snapshot_id, p.path, s.name_path) {DEFINITION_COLUMNS}, regexp_replace(
             left(s.name_path, greatest(length(s.name_path) - length(s.name) - 1, 0)),
             '^.*\\.', '') AS owner,
           s.kind = 'method' AS member
      FROM symbols s JOIN places p ON p.blob_id = s.blob_id
     WHERE EXISTS (SELECT 1 FROM wanted w
                    WHERE w.snapshot_id = p.snapshot_id AND w.name = s.name)
     ORDER BY p.snapshot_id, p.path, s.name_path, s.ordinal DESC),
bound AS MATERIALIZED (  -- what the imports of a file say about a use
    SELECT u.use_id, false AS star, b.target, b.anchored,
           CASE WHEN b.target IS NULL THEN concat_ws('/', b.module, nullif(u.rest, ''))
                ELSE b.module END AS module,
           CASE WHEN u.kind = 'import' OR u.qualifier = '' THEN b.target ELSE u.name END AS name,
           CASE WHEN u.kind = 'import' OR u.qualifier = '' THEN ''
                WHEN b.target IS NOT NULL THEN
                     regexp_replace(coalesce(nullif(u.rest, ''), b.target), '^.*/', '')
                ELSE '' END AS owner,
           u.snapshot_id, u.family
      FROM numbered u
      JOIN bindings b ON b.snapshot_id = u.snapshot_id AND b.path = u.path
       AND CASE WHEN u.kind = 'import' THEN b.ordinal = u.ordinal ELSE b.binding = u.head END
    UNION ALL
    SELECT u.use_id, true, u.name, s.anchored, s.module, u.name, '', u.snapshot_id, u.family
      FROM numbered u
      JOIN stars s ON s.snapshot_id = u.snapshot_id AND s.path = u.path
     WHERE u.qualifier = '' AND u.kind <> 'import'),
imported AS (
    SELECT b.use_id, d.path, d.ordinal,
           d.module = b.module
           OR NOT b.anchored AND right('/' || d.module, length(b.module) + 1) = '/' || b.module
           OR NOT b.anchored AND d.module <> ''
              AND right('/' || b.module, length(d.module) + 1) = '/' || d.module AS exactly
      FROM bound b
      JOIN definitions d ON d.snapshot_id = b.snapshot_id AND d.name = b.name
       AND d.family = b.family AND d.owner = b.owner
     WHERE b.module <> '' AND CASE WHEN b.anchored
           THEN left(d.module || '/', length(b.module) + 1) = b.module || '/'
           ELSE strpos('/' || d.module || '/', '/' || b.module || '/') > 0
                OR d.module <> ''
                   AND right('/' || b.module, length(d.module) + 1) = '/' || d.module
                OR d.folder <> ''
                   AND right('/' || b.module, length(d.folder) + 1) = '/' || d.folder END),
bases AS (
    SELECT DISTINCT u.use_id, regexp_replace(i.name, '^.*\\.', '') AS base
      FROM numbered u
      JOIN symbol_references i ON i.blob_id = u.blob_id AND i.kind = 'inherit'
       AND i.scope <> '' AND left(u.scope, length(i.scope) + 1) = i.scope || '.'
     WHERE u.own OR u.above),
known AS (  -- names that the imports bind: what they do not find here is not here
    SELECT DISTINCT use_id FROM bound WHERE NOT star),
counts AS (
    SELECT snapshot_id, family, name, member, count(*) AS n FROM definitions
     WHERE parent = '' OR member GROUP BY 1, 2, 3, 4),
found AS (
    SELECT u.use_id, d.path, d.ordinal,
           CASE WHEN d.parent <> '' AND left(u.scope || '.', length(d.parent) + 1) = d.parent || '.'
                THEN 'scope' ELSE 'file' END AS rung, 1 AS n
      FROM numbered u
      JOIN definitions d ON d.snapshot_id = u.snapshot_id AND d.path = u.path AND d.name = u.name
     WHERE u.kind <> 'import' AND CASE
           WHEN u.above THEN false
           WHEN u.own THEN d.parent <> ''
                AND left(u.scope, length(d.parent) + 1) = d.parent || '.'
           WHEN u.qualifier <> '' THEN d.owner <> ''
                AND d.owner = regexp_replace(u.qualifier, '^.*\\.', '')
           WHEN d.parent = '' THEN true
           ELSE left(u.scope || '.', length(d.parent) + 1) = d.parent || '.'
                AND (NOT d.member OR u.language IN {_list(IMPLICIT_THIS)}) END
    UNION ALL
    SELECT use_id, path, ordinal, 'import',
           CASE WHEN exactly THEN 1 ELSE count(*) OVER (PARTITION BY use_id) END
      FROM (SELECT use_id, path, ordinal, bool_or(exactly) AS exactly FROM imported
             GROUP BY 1, 2, 3) one
    UNION ALL
    SELECT u.use_id, d.path, d.ordinal, 'inherit', count(*) OVER (PARTITION BY u.use_id)
      FROM numbered u
      JOIN bases b ON b.use_id = u.use_id
      JOIN definitions d ON d.snapshot_id = u.snapshot_id AND d.family = u.family
       AND d.name = u.name AND d.owner = b.base
    UNION ALL
    SELECT u.use_id, d.path, d.ordinal, 'package', count(*) OVER (PARTITION BY u.use_id)
      FROM numbered u
      JOIN definitions d ON d.snapshot_id = u.snapshot_id AND d.family = u.family
       AND d.name = u.name AND d.folder = u.folder AND d.parent = ''
     WHERE u.qualifier = '' AND u.kind <> 'import' AND u.language IN {_list(FOLDER_PACKAGES)}
       AND NOT EXISTS (SELECT 1 FROM known k WHERE k.use_id = u.use_id)
    UNION ALL
    SELECT u.use_id, d.path, d.ordinal, CASE WHEN c.n = 1 THEN 'unique' ELSE 'candidates' END, c.n
      FROM numbered u
      JOIN counts c ON c.snapshot_id = u.snapshot_id AND c.family = u.family AND c.name = u.name
       AND c.member = (u.qualifier <> '') AND c.n <= {MAX_CANDIDATES}
      JOIN definitions d ON d.snapshot_id = u.snapshot_id AND d.family = u.family
       AND d.name = u.name AND d.member = c.member AND (d.parent = '' OR d.member)
     WHERE u.kind <> 'import'
       AND NOT EXISTS (SELECT 1 FROM known k WHERE k.use_id = u.use_id)),
weighed AS (
    SELECT found.*, w.confidence / n AS confidence,
           rank() OVER (PARTITION BY use_id ORDER BY w.confidence DESC,
                        CASE WHEN found.rung = 'import' THEN n ELSE 1 END) AS place
      FROM found
      JOIN (VALUES {", ".join(f"('{rung}', {value})" for rung, value in CONFIDENCE.items())})
           w (rung, confidence) USING (rung)),
edges AS (
    SELECT DISTINCT u.use_id, u.snapshot_id, u.repository, u.path, u.kind, u.name, u.qualifier,
           u.scope, u.lines, w.rung, round(w.confidence::numeric, 3)::float AS confidence,
           w.path AS target_path, w.ordinal AS target_ordinal
      FROM weighed w JOIN numbered u USING (use_id) WHERE w.place = 1)
"""
