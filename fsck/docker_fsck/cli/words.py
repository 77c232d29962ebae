"""The commands that only say something: rules, config show, version, plugin metadata; they read no data root."""

import json
from collections.abc import Iterator
from platform import python_version
from typing import Any

import msgspec

from docker_fsck import __version__, config
from docker_fsck import explain as pages
from docker_fsck.cli import roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.reports import document
from docker_fsck.reports.lines import Line
from docker_fsck.rules import Rule
from docker_fsck.values import PLAN_SCHEMA, REPORT_SCHEMA, printable


def rules(call: Call) -> int:
    """`rules`."""
    form = call.simple_format()
    found = sorted(session.load(call).rules, key=lambda rule: rule.name)
    if form == "json":
        call.edge.terminal.data(document.pretty([pages.card(rule) for rule in found]))
    else:
        call.edge.terminal.lines(_table(found))
    return 0


def _table(found: list[Rule]) -> Iterator[Line]:
    wide = max((len(rule.name) for rule in found), default=0)
    for rule in found:
        classes = ",".join(rule.actions) or "-"
        stores = ",".join(rule.drivers) or "all"
        yield (
            ("head", f"{rule.name:<{wide}}  "),
            (rule.severity, f"{rule.severity:<9}"),
            ("", f"{classes:<18} {stores:<9} {rule.title}"),
        )


def show_config(call: Call) -> int:
    """`config show`: TOML that can be read back, `--origin` with where each value comes from."""
    form = call.simple_format()
    written, origins = dict(call.config.written), dict(call.config.origins)
    root = roots.choose(call.config)
    written["root"], origins["root"] = printable(root.path), root.origin
    if form == "json":
        told = {key: _printable(value) for key, value in written.items()}
        rows = {
            key: {"value": value, "origin": printable(origins[key])} if call.has("origin") else value
            for key, value in told.items()
        }
        call.edge.terminal.data(document.pretty(rows))
    else:
        call.edge.terminal.text("".join(_toml(written, origins if call.has("origin") else {})))
    return 0


def _toml(written: dict[str, Any], origins: dict[str, str]) -> Iterator[str]:
    table = ""
    for setting in config.SETTINGS:
        above, _, name = setting.key.rpartition(".")
        if above != table:
            yield f"\n[{above}]\n"
            table = above
        value = written[setting.key]
        text = f"# {name} is not set" if value is None else f"{name} = {_toml_value(_printable(value))}"
        if _printable(value) != value:
            text = f"# {text}: it is not UTF-8, which no file of settings can hold"
        yield f"{text:<40}  # {printable(origins[setting.key])}\n" if origins else f"{text}\n"


def _printable(value: object) -> object:
    """A value as it can be encoded."""
    if isinstance(value, str):
        return printable(value)
    return [printable(each) for each in value] if isinstance(value, list) else value


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml_value(key)} = {_toml_value(each)}' for key, each in value.items())}}}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def version(call: Call) -> int:
    """`version`."""
    if call.has("as_json") or call.simple_format() == "json":
        facts = {
            **session.tool(),
            "report": REPORT_SCHEMA,
            "plan": PLAN_SCHEMA,
            "python": python_version(),
            "msgspec": msgspec.__version__,
        }
        call.edge.terminal.data(document.pretty(facts))
    else:
        call.edge.terminal.text(f"docker-fsck {__version__}\n")
    return 0


def plugin_metadata(call: Call) -> int:
    """What `docker` asks a CLI plugin for."""
    told = {
        "SchemaVersion": "0.1.0",
        "Vendor": "The docker-fsck authors",
        "Version": __version__,
        "ShortDescription": "Check and repair the data root",
    }
    call.edge.terminal.data(document.pretty(told))
    return 0
