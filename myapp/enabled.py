"""Which features are served: ENABLED_FEATURES, and what they need of each other.

A feature that is switched off has no routes, no pages and no commands. Its models stay
imported: its tables and their migrations are those of every deployment.
"""

from collections.abc import Iterable, Sequence
from types import ModuleType

from myapp.settings import SettingsError
from myapp.tables import Base

ALL = "*"


def enabled(features: Iterable[ModuleType], names: Sequence[str]) -> list[ModuleType]:
    """Return the features that the setting names; `*` names all.

    Raises SettingsError for a name that is none, and for one that needs another.
    """
    if ALL in names:
        return list(features)
    known = {_last(feature.__name__): feature for feature in features}
    for name in names:
        if name not in known:
            raise SettingsError(
                f"ENABLED_FEATURES names {name}, which is no feature: use some of"
                f" {', '.join(known)}, or *"
            )
    for name in names:
        for needed in sorted(_needed_by(known[name]) - {*names}):
            raise SettingsError(
                f"ENABLED_FEATURES has {name}, which needs {needed}: add {needed}, or"
                f" leave {name} out"
            )
    return [feature for name, feature in known.items() if name in names]


def _last(package: str) -> str:
    """Return the last part of a package's name: `myapp.users` → `users`."""
    return package.rpartition(".")[2]


def _needed_by(feature: ModuleType) -> set[str]:
    """Return what a feature refers to: by its tables, or as it says in `NEEDS`."""
    homes = {
        mapper.local_table: _last(mapper.class_.__module__.rpartition(".")[0])
        for mapper in Base.registry.mappers
    }
    own = _last(feature.__name__)
    referred = {
        homes[key.column.table]
        for table, home in homes.items()
        if home == own
        for key in table.foreign_keys
    }
    return (referred | {*getattr(feature, "NEEDS", ())}) - {own}
