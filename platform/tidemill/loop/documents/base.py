"""What every document has: a version, a way up from the versions before it, and a stored form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer

from tidemill.loop.errors import TidemillError

Stored = dict[str, Any]
Upgrade = Callable[[Stored], Stored]
# As `datetime.isoformat` writes it: stored moments are compared as texts, too.
Moment = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


class NewerDocument(TidemillError):
    """The state store was written by a later release."""


class Document(BaseModel):
    """`upgrades[n]` takes the stored form of version n + 1 to that of version n + 2; so the last version is their
    number plus one. A document without a version is of version 1."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    kind: ClassVar[str]
    upgrades: ClassVar[tuple[Upgrade, ...]] = ()

    @classmethod
    def schema_version(cls) -> int:
        return len(cls.upgrades) + 1

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Raises NewerDocument for a version that this release does not know."""
        document = dict(stored)
        version = int(document.pop("v", 1))
        if version > cls.schema_version():
            raise NewerDocument(
                f"The state store holds a {cls.kind} document of version {version}; this release reads versions up to "
                f"{cls.schema_version()}. Run the release that wrote it, or a later one."
            )
        for upgrade in cls.upgrades[version - 1 :]:
            document = upgrade(document)
        return cls.model_validate(document)

    def stored(self) -> Stored:
        """JSON-serialisable; `read` gives an equal document. A field that is None is left out where it has a default;
        one without a default is stored as null, since other readers expect its key."""
        given = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        required = [field.alias or name for name, field in type(self).model_fields.items() if field.is_required()]
        nulls = [key for key in required if key not in given]
        return {"v": self.schema_version(), **given, **dict.fromkeys(nulls)}
