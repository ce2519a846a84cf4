"""The ledger of the drills: accepted = delivered + quarantined + returned + parked, each once. `make drill` prints it.

A drill whose peer found everything writes one line, if FACTEUR_DRILL_LEDGER names a file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

COLUMNS = ("accepted", "delivered", "quarantined", "returned", "parked", "lost", "twice", "tried_again_unheard")
VARIABLE = "FACTEUR_DRILL_LEDGER"


def enter(counts: Mapping[str, int]) -> None:
    """Write one line with `counts` by column, under the name of the test that runs."""
    if path := os.environ.get(VARIABLE):
        drill = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0].rpartition("::")[2]
        with Path(path).open("a") as file:
            file.write(json.dumps({"drill": drill, **counts}) + "\n")


def main(path: Path) -> None:
    """Print the table and its sums."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines.append({"drill": "all", **{name: sum(each[name] for each in lines) for name in COLUMNS}})
    width = max(len(line["drill"]) for line in lines)
    print("drill".ljust(width), *(column.rjust(len(column) + 1) for column in COLUMNS))
    for line in lines:
        print(line["drill"].ljust(width), *(str(line[column]).rjust(len(column) + 1) for column in COLUMNS))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
