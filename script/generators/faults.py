"""Writes the fault tables of core/ and of the firmware from contract/faults.yaml, if that is complete."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from .kept import ROOT, keep, run_generator

SOURCE = ROOT / "contract" / "faults.yaml"
TARGET = ROOT / "custom_components" / "microgrid" / "core" / "contract" / "_fault_table.py"
FIRMWARE_TARGET = ROOT / "esphome" / "components" / "microgrid_core" / "fault_catalogue_table.h"

LANGUAGES = ("en", "de", "pl")
TEXTS = ("name", "description", "advice")
LIMITS = {"name": 48, "description": 160, "advice": 240}
"""Most characters of a text: a headline, a line, a notification on a telephone."""
SEVERITIES = ("info", "warning", "critical")
FAULT_CODE = re.compile(r"F[0-9]{3}")
"""The firmware and the bus carry the number alone."""

HEAD = '''"""The fault catalogue as rows; generated from contract/faults.yaml by `script/generate faults`."""

# ruff: noqa: E501 - texts stay on one line, so that a changed text is one changed line

from __future__ import annotations

from .fault import Condition, Fault, FaultCategory, FaultText
from .messages import Severity
'''


def problems(catalogue: dict[str, Any]) -> list[str]:
    """Return what is missing or wrong in the catalogue."""
    found = []
    categories, faults, alarms = catalogue["categories"], catalogue["faults"], catalogue["alarms"]
    for category, names in categories.items():
        if tuple(names) != LANGUAGES:
            found.append(
                f"category {category}: languages are {', '.join(names)}, want {', '.join(LANGUAGES)}"
            )
    for section in ("faults", "alarms"):
        if list(catalogue[section]) != sorted(catalogue[section]):
            found.append(f"{section}: the codes are not in order")
    found += [f"{code}: is both a fault and an alarm" for code in sorted(faults.keys() & alarms.keys())]
    for code, row in {"unknown": catalogue["unknown"], **faults, **alarms}.items():
        for language in LANGUAGES:
            texts = row.get(language, {})
            if tuple(texts) != TEXTS:
                found.append(
                    f"{code}.{language}: has {', '.join(texts) or 'nothing'}, want {', '.join(TEXTS)}"
                )
                continue
            found += [
                f"{code}.{language}.{text}: {len(texts[text])} characters, at most {LIMITS[text]}"
                for text in TEXTS
                if not 0 < len(texts[text]) <= LIMITS[text]
            ]
    for code, row in {**faults, **alarms}.items():
        if row.get("category") not in categories or row["category"] == "unknown":
            found.append(f"{code}: category {row.get('category')} is not in the list")
        if not row.get("threshold"):
            found.append(f"{code}: threshold is missing")
    for code, fault in faults.items():
        if FAULT_CODE.fullmatch(code) is None:
            found.append(f"{code}: the code of a fault is F and three digits")
        if fault.get("severity") not in SEVERITIES:
            found.append(f"{code}: severity {fault.get('severity')} is none of {', '.join(SEVERITIES)}")
    found += [
        f"{code}: severity stands in the events of an alarm, not here"
        for code, alarm in alarms.items()
        if "severity" in alarm
    ]
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _texts(row: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for language in LANGUAGES:
        lines.append(f"{indent}FaultText(")
        lines.append(f'{indent}    language="{language}",')
        lines += [f"{indent}    {text}={_quoted(row[language][text])}," for text in TEXTS]
        lines.append(f"{indent}),")
    return lines


def _rows(kind: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for code, row in rows.items():
        lines += [
            f"    {kind}(",
            f'        code="{code}",',
            f"        category=FaultCategory.{row['category'].upper()},",
            *([f"        severity=Severity.{row['severity'].upper()},"] if "severity" in row else []),
            f"        threshold={_quoted(row['threshold'])},",
            "        texts=(",
            *_texts(row, "            "),
            "        ),",
            "    ),",
        ]
    return lines


def render(catalogue: dict[str, Any]) -> str:
    """Return the Python module."""
    lines = [HEAD, "CATEGORY_NAMES: dict[FaultCategory, dict[str, str]] = {"]
    for category, names in catalogue["categories"].items():
        by_language = ", ".join(f"{_quoted(language)}: {_quoted(name)}" for language, name in names.items())
        lines.append(f"    FaultCategory.{category.upper()}: {{{by_language}}},")
    lines += ["}", "", "UNKNOWN_TEXTS = (", *_texts(catalogue["unknown"], "    "), ")"]
    lines += ["", "FAULT_ROWS = (", *_rows("Fault", catalogue["faults"]), ")"]
    lines += ["", "ALARM_ROWS = (", *_rows("Condition", catalogue["alarms"]), ")"]
    return "\n".join([*lines, ""])


FIRMWARE_HEAD = """\
// The fault codes as rows; generated from contract/faults.yaml by `script/generate faults`.
#pragma once

#include <array>

#include "umg1_event.h"

namespace esphome::microgrid {
"""


def render_firmware(catalogue: dict[str, Any]) -> str:
    """Return the C++ header: what a node must know of a fault, without its texts."""
    names = {category: number for number, category in enumerate(catalogue["categories"])}
    rows = [
        f'    {{FaultCode::{code}, "{code}", FaultCategory::{row["category"].upper()}, '
        f"Severity::{row['severity'].upper()}}},"
        for code, row in catalogue["faults"].items()
    ]
    lines = [
        FIRMWARE_HEAD,
        "enum class FaultCategory : uint8_t {",
        *(f"  {name.upper()} = {number}," for name, number in names.items()),
        "};",
        "",
        "/// The number in the code.",
        "enum class FaultCode : uint16_t {  // NOLINT(performance-enum-size): F999 would not fit into a byte",
        *(f"  {code} = {int(code[1:])}," for code in catalogue["faults"]),
        "};",
        "",
        "struct FaultRow {",
        "  FaultCode number;",
        "  std::string_view code;",
        "  FaultCategory category;",
        "  Severity severity;",
        "};",
        "",
        "/// In the order of the numbers.",
        f"inline constexpr std::array<FaultRow, {len(rows)}> FAULTS = {{{{",
        *rows,
        "}};",
        "",
        "}  // namespace esphome::microgrid",
        "",
    ]
    return "\n".join(lines)


def main(check: bool) -> int:
    """Write the tables, or with `check` only compare; return the exit status."""
    catalogue = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    if found := problems(catalogue):
        print(*(f"{SOURCE.relative_to(ROOT)}: {problem}" for problem in found), sep="\n", file=sys.stderr)
        return 1
    files: dict[Path, str | bytes] = {TARGET: render(catalogue), FIRMWARE_TARGET: render_firmware(catalogue)}
    return keep(files, "contract/faults.yaml", "faults", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))
