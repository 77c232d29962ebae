"""The report as one JSON document and its JSON Schema (interface section 6); pure."""

from typing import Any

import msgspec

from docker_fsck.reasons.told import WHY_SCHEMA, Why
from docker_fsck.reports.ended import Ended, least_report
from docker_fsck.values import PLAN_SCHEMA, REPORT_SCHEMA, Report

_ENCODER = msgspec.json.Encoder(order="deterministic")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def pretty(value: object) -> bytes:
    """`value` as indented JSON that ends with a newline; the keys of tables are sorted, fields keep their order."""
    return msgspec.json.format(_ENCODER.encode(value), indent=2) + b"\n"


def render(report: Report) -> bytes:
    """The whole report."""
    return pretty(report)


def without_report(ended: Ended) -> bytes:
    """The least report there is, where the root was refused or is not there; else nothing."""
    report = least_report(ended)
    return render(report) if report else b""


def why_schema() -> dict[str, Any]:
    """The JSON Schema of an answer to `why`, as shipped in why.schema.json."""
    found = msgspec.json.schema(Why)
    shape = found["$defs"]["Why"]
    shape["properties"]["schema"] = {"const": WHY_SCHEMA}
    shape["required"] = sorted({*shape["required"], "schema"})
    return {"$schema": DIALECT, "title": WHY_SCHEMA, **found}


def schema() -> dict[str, Any]:
    """The JSON Schema of a report, as shipped in report.schema.json."""
    found = msgspec.json.schema(Report)
    for name, word in (("Report", REPORT_SCHEMA), ("Plan", PLAN_SCHEMA)):
        shape = found["$defs"][name]
        shape["properties"]["schema"] = {"const": word}
        shape["required"] = sorted({*shape["required"], "schema"})
    return {"$schema": DIALECT, "title": REPORT_SCHEMA, **found}
