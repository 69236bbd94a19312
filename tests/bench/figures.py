"""What is measured, and how it is kept: workloads, their metrics, and the figures of each round."""

from collections.abc import Callable
from typing import Any

import attrs
from places import Places

__all__ = ["OURS", "Figures", "Metric", "Workload", "is_peer"]

OURS = "aioimages"
Figures = dict[str, float]


@attrs.frozen
class Metric:
    """One figure of a workload, and what the client's is to be at most.

    Attributes:
        key: Its name among the figures.
        label: What it is called beside the workload.
        unit: What it is counted in.
        bar: The target: at most so much, or at most so many times the base's median.
        base: Who is the measure of the others.
    """

    key: str
    label: str = ""
    unit: str = "s"
    bar: float | None = None
    base: str | None = None


@attrs.frozen
class Workload:
    """Something that several do, in turns, each time in a fresh process.

    Attributes:
        group: The table that it belongs to.
        name: What it is called there.
        who: Those who do it.
        metrics: What is told of it.
        play: Lets one of them do it once.
        times: How many runs stand for one round.
        peer_rounds: In how many rounds the peers take part; the slow ones tell enough in few.
    """

    group: str
    name: str
    who: tuple[str, ...]
    metrics: tuple[Metric, ...]
    play: Callable[[Places, str], Figures]
    times: int = 1
    peer_rounds: int = 2

    def results(self, rounds: dict[str, list[Figures]]) -> dict[str, Any]:
        """Return what is written down of it."""
        metrics = [attrs.asdict(metric) for metric in self.metrics]
        return {"group": self.group, "name": self.name, "metrics": metrics, "rounds": rounds}


def is_peer(who: str) -> bool:
    """Say whether somebody is one of what people use today."""
    return who.startswith(("openstacksdk", "glanceclient"))
