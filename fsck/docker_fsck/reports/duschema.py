"""The JSON Schema of what `du` answers, apart from that of a report, so that a check does not load it; pure."""

from typing import Any

import msgspec

from docker_fsck.reports.document import DIALECT
from docker_fsck.space.values import SCHEMA, Du


def schema() -> dict[str, Any]:
    """The schema, as shipped in du.schema.json."""
    found = msgspec.json.schema(Du)
    shape = found["$defs"]["Du"]
    shape["properties"]["schema"] = {"const": SCHEMA}
    shape["required"] = sorted({*shape["required"], "schema"})
    return {"$schema": DIALECT, "title": SCHEMA, **found}
