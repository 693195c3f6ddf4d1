"""Writes core/contract/_fault_table.py from contract/faults.yaml, after checking that nothing is missing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "contract" / "faults.yaml"
TARGET = ROOT / "custom_components" / "microgrid" / "core" / "contract" / "_fault_table.py"

LANGUAGES = ("en", "de", "pl")
TEXTS = ("name", "description", "advice")
LIMITS = {"name": 48, "description": 160, "advice": 240}
"""Most characters of a text: a headline, a line, a notification on a telephone."""
SEVERITIES = ("info", "warning", "critical")

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


def main(check: bool) -> int:
    """Write the table, or with `check` only compare; return the exit status."""
    catalogue = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    if found := problems(catalogue):
        print(*(f"{SOURCE.relative_to(ROOT)}: {problem}" for problem in found), sep="\n", file=sys.stderr)
        return 1
    text = render(catalogue)
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    name = TARGET.relative_to(ROOT)
    if check:
        print(
            f"{name} is not what {SOURCE.relative_to(ROOT)} says; run script/generate faults", file=sys.stderr
        )
        return 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail when the table is out of date"
    )
    sys.exit(main(parser.parse_args().check))
