"""The models of an index as `mnemo model` tells of them, and settings that they overrule."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from config.errors import BadInputError
from config.settings import Settings
from mnemolite.output import count, line, say, table
from mnemolite.session import load_settings
from schema import model_roles
from schema.model_roles import SPACES, Registered, Role
from search.promotion import Examination, examine
from search.recall import TOP
from tasks.embed.models import is_hash
from tasks.runtime import Runtime

NAMED_BLOCKERS = 20


@dataclass(frozen=True, slots=True)
class Overview:
    """Every model with its roles and vectors, and what the candidates are worth."""

    models: list[dict[str, Any]]
    roles: dict[str, Role]
    candidates: Examination
    ignored: list[str]

    def to_json(self) -> dict[str, Any]:
        """As `mnemo model status --json` prints it."""
        return {
            "models": self.models,
            "spaces": [asdict(role) for role in self.roles.values()],
            **examination_json(self.candidates),
            "ignored_settings": self.ignored,
        }


def overview(runtime: Runtime) -> Overview:
    """All that is known of the models; compares candidates with the live ones.

    Raises:
        EncoderUnavailableError: one that is to be compared cannot be loaded here.
    """
    with runtime.database.reading() as connection:
        known = model_roles.registered(connection)
        found = model_roles.roles(connection)
        stored = model_roles.stored(connection)
    roles = {space: found[space] for space in SPACES if space in found}
    models = [
        asdict(model)
        | {"roles": _roles_of(model.id, roles.values()), "vectors": stored.get(model.id, {})}
        for model in known.values()
    ]
    candidates = {space: r.candidate for space, r in roles.items() if r.candidate is not None}
    return Overview(models, roles, examine(runtime, candidates), ignored_settings(runtime))


def require_roles(runtime: Runtime) -> dict[str, Role]:
    """The models of each space.

    Raises:
        BadInputError: nothing was indexed yet.
    """
    with runtime.database.reading() as connection:
        roles = model_roles.roles(connection)
    if not roles:
        raise BadInputError("nothing is indexed yet, so no model is live")
    return roles


def find_model(runtime: Runtime, reference: str) -> Registered:
    """The model of this id, name or setting.

    Raises:
        BadInputError: none, or several; names those that there are.
    """
    with runtime.database.reading() as connection:
        known = list(model_roles.registered(connection).values())
    found = [m for m in known if reference in (str(m.id), m.name, m.setting)]
    if len(found) != 1:
        there_are = ", ".join(f"{m.id} ({m.name})" for m in found or known) or "none"
        how_many = "several models are" if found else "no model is"
        raise BadInputError(f"{how_many} called {reference!r}; choose by id: {there_are}")
    return found[0]


def ignored_settings(runtime: Runtime) -> list[str]:
    """What was set although the index lives on something else, in sentences."""
    with runtime.database.reading() as connection:
        roles, known = model_roles.roles(connection), model_roles.registered(connection)
    settings = load_settings()
    live = {space: known[role.live] for space, role in roles.items()}
    return [note for space in live for note in _ignored(settings, space, live[space])]


def examination_json(examined: Examination) -> dict[str, Any]:
    """Progress, recall and blockers."""
    return {
        "progress": [asdict(row) | {"missing": row.missing} for row in examined.progress],
        "recall": [asdict(each) | {"fall": round(each.fall, 4)} for each in examined.recall],
        "blockers": examined.blockers,
    }


def print_overview(shown: Overview) -> None:
    """The same for people."""
    table(
        ("id", "model", "is", "text vectors", "code vectors"),
        (
            (
                model["id"],
                model["name"],
                ", ".join(model["roles"]) or "unused: `mnemo model drop`",
                *(count(model["vectors"].get(space, 0)) for space in SPACES),
            )
            for model in shown.models
        ),
    )
    print_examination(shown.candidates)
    for note in shown.ignored:
        say(note, style="yellow")


def print_examination(examined: Examination) -> None:
    """How far a model is, how good it is, and what speaks against it."""
    if examined.progress:
        table(
            ("space", "repository", "ref", "vectors", "of", "failed"),
            (
                (row.space, row.repository, row.ref, count(row.done), count(row.wanted), row.failed)
                for row in examined.progress
            ),
        )
    for each in examined.recall:
        line(
            f"recall@{TOP} of {each.space} vectors on {each.questions}:"
            f" live {each.live / each.asked:.3f} ({each.live} of {each.asked}),"
            f" candidate {each.candidate / each.asked:.3f} ({each.candidate} of {each.asked})"
        )
    for blocker in examined.blockers[:NAMED_BLOCKERS]:
        line(f"blocked: {blocker}")
    if len(examined.blockers) > NAMED_BLOCKERS:
        line(f"… and {len(examined.blockers) - NAMED_BLOCKERS} more")


def _roles_of(model_id: int, roles: Iterable[Role]) -> list[str]:
    return [
        f"{role.space} {name}"
        for role in roles
        for name in ("live", "candidate", "previous")
        if getattr(role, name) == model_id
    ]


def _ignored(settings: Settings, space: str, live: Registered) -> Iterator[str]:
    """Only what somebody set: that the default is another model is nobody's wish."""
    field = f"{space}_model"
    if settings.encoder == "hash":
        if not is_hash(live.setting):
            yield f"MNEMO_ENCODER=hash is ignored: the {space} vectors are of {live.name}"
    elif field in settings.model_fields_set and getattr(settings, field) != live.setting:
        wanted = getattr(settings, field)
        yield (
            f"MNEMO_{field.upper()}={wanted} is ignored: the {space} vectors are of {live.name};"
            f" `mnemo model add {wanted} --space {space}` changes that"
        )
