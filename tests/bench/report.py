"""Tables of a run: `python report.py FILE.json` prints them, `--page PAGE.md` puts them between that page's markers."""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, Final

from figures import OURS

__all__ = ["put_on", "report"]

BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _cell(values: list[float], base: float | None) -> str:
    """Return a median, how far the rounds lie apart, and how many times the base it is."""
    if not values:
        return ""
    median = statistics.median(values)
    spread = f" ({_number(min(values))}-{_number(max(values))})" if len(values) > 1 else ""
    return f"{_number(median)}{spread}" + (f", {median / base:.2f} {_TIMES}" if base else "")


def _row(workload: dict[str, Any], metric: dict[str, Any], columns: list[str]) -> list[str]:
    values = {who: [figures[metric["key"]] for figures in rounds] for who, rounds in workload["rounds"].items()}
    bar, who_is_base = metric["bar"], metric["base"]
    base = statistics.median(values[who_is_base]) if who_is_base else None
    name = f"{workload['name']}: {metric['label']}" if metric["label"] else workload["name"]
    unit = f", {metric['unit']}" if metric["unit"] else ""
    row = [f"{name}{unit}"]
    row += [_cell(values.get(who, []), None if who == who_is_base else base) for who in columns]
    if bar is None:
        return [*row, "", ""]
    is_met = statistics.median(values[OURS]) / (base or 1.0) <= bar
    target = f"≤ {bar:g} {_TIMES} {who_is_base}" if who_is_base else f"≤ {bar:g}"
    return [*row, target, "yes" if is_met else "**no**"]


def _table(title: str, workloads: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(who for workload in workloads for who, rounds in workload["rounds"].items() if rounds))
    rows = [_row(workload, metric, columns) for workload in workloads for metric in workload["metrics"]]
    heads = [title, *columns, "target", "met"]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows))


def report(run: dict[str, Any]) -> str:
    """Return a run's tables, in Markdown."""
    environment = run["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    size = "" if environment["scale"] == 1 else f" at {environment['scale']:g} of the size: no figures to go by"
    told = (
        f"Measured {environment['date']} on {environment['machine']}, Python {environment['python']} with "
        f"{environment['loop']}, {packages}: medians (from-to), rounds: {environment['rounds']}{size}."
    )
    groups = dict.fromkeys(workload["group"] for workload in run["workloads"])
    tables = [
        _table(group, [workload for workload in run["workloads"] if workload["group"] == group]) for group in groups
    ]
    return "\n\n".join([told, *tables])


def put_on(page: Path, text: str) -> None:
    """Put a text between a page's markers, in place of what is there."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> None:
    """Print the tables, or put them on a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    tables = report(json.loads(arguments.file.read_text()))
    if arguments.page:
        put_on(arguments.page, tables)
    else:
        print(tables)


if __name__ == "__main__":
    main()
