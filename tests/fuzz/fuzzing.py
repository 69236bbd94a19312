"""Fuzz the codec and the reader of disks for a bounded time, and say how often each was tried."""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from seeds import codec_seeds, disk_seeds, words  # noqa: E402

# What each is given: its seeds, the share of the time, and the longest input.
TARGETS = {"codec": (codec_seeds, 0.75, 4096), "disk": (disk_seeds, 0.25, 4096)}


def plant(corpus: Path, seeds: Iterable[bytes]) -> None:
    """Write the seeds into a corpus, beside what earlier runs have found."""
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def dictionary(path: Path) -> Path:
    """Write the words of the wire in libFuzzer's form."""
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in words())
    path.write_text("".join(f'"{word}"\n' for word in escaped))
    return path


def fuzz(name: str, root: Path, seconds: float) -> tuple[int, float]:
    """Fuzz one target in a process of its own, and return how often it was tried, and in how many seconds."""
    seeds, _, longest = TARGETS[name]
    plant(root / name, seeds())
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={longest}",
        f"-dict={dictionary(root / 'words')}",
        f"-artifact_prefix={root}/{name}-",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, HERE / "target.py", name, root / name, *options],
        stdout=sys.stdout,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if ran.returncode:
        sys.stderr.write(ran.stderr[-20_000:])
        raise SystemExit(f"{name}: something unexpected was found; the input is in {root}")
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", ran.stderr)
    return int(tried[1]) if tried else 0, time.monotonic() - began


def main() -> None:
    """Fuzz all targets, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, help="how long in total (20 minutes)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="fuzz only these")
    parser.add_argument("--root", type=Path, default=Path(".fuzz"), help="where inputs are kept between runs")
    asked = parser.parse_args()
    os.nice(10)
    chosen = asked.target or list(TARGETS)
    shares = sum(TARGETS[name][1] for name in chosen)
    total = 0
    for name in chosen:
        tried, took = fuzz(name, asked.root, asked.seconds * TARGETS[name][1] / shares)
        total += tried
        print(json.dumps({"target": name, "executions": tried, "seconds": round(took)}), flush=True)  # noqa: T201
    print(f"{total:,} executions, nothing unexpected")  # noqa: T201


if __name__ == "__main__":
    main()
