"""Prints what came of killing the aggregator again and again with kill -9, beside a run that nobody disturbed.

    python -m tests.bench.kills [TIMES]

A made-up log of one camera arrives at an embedded server; an aggregator, a process of its own, folds it into a SQLite
store and is killed at random moments of it (a hundred times unless said otherwise) and started again. Then another one
folds the same log from the beginning to the end. Ends with 1 if anything differs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from maskwatch.domain import EventState
from tests.killing import kill_again_and_again

SEED = 20261126
FRAMES_A_KILL = 15


def main() -> None:
    """Kill, compare, print."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(prefix="maskwatch-kills-") as folder:
        story = kill_again_and_again(Path(folder), kills=kills, frames=FRAMES_A_KILL * kills, seed=SEED)
    killed, calm = story.killed, story.calm
    lost, doubled = killed.lost_and_doubled(calm)
    opened = sum(each.state is EventState.OPENED for each in calm.changes)
    print(f"killed -9 {story.kills} times ({story.at_work} after it had stored something since it began),")
    print(f"over {story.records} records: {opened} events opened, {len(calm.changes)} changes of events")
    print(f"changes of events lost: {lost}, duplicated: {doubled}")
    print(f"published to programs again, under the same ids: {len(killed.published) - len(killed.once)}")
    print("rows of the store: " + ", ".join(f"{name} {len(rows)}" for name, rows in calm.tables.items()))
    differing = killed.differs_in(calm)
    print(f"not the same as undisturbed: {', '.join(differing) or 'nothing'}")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
