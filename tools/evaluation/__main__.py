"""`make evaluate`: prints the tables. `python -m tools.evaluation chain --every 10`: one row, of each tenth message."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser

from tools.evaluation import filters, hostile
from tools.evaluation.chain import bayes, chain
from tools.evaluation.corpus import even_half, fetched, without_notes, without_routing
from tools.evaluation.engines import rspamd, spamassassin
from tools.evaluation.measures import FOLDS, HEADING

ROWS = ("bayes", "chain", "routing", "spamassassin", "rspamd", "hostile")


def main(wanted: set[str], every: int) -> None:
    whole = sorted(even_half(fetched()), key=lambda one: one.digest)[::every]
    corpus = [without_notes(one) for one in whole]
    print(f"{len(corpus)} messages, {sum(one.spam for one in corpus)} of them spam; {FOLDS} folds\n\n{HEADING}")
    if "bayes" in wanted:
        print(bayes("Bayes alone", corpus).line(), flush=True)
    found = None
    if "chain" in wanted:
        row, found = chain("the offline chain", corpus)
        print(row.line(), flush=True)
    if "routing" in wanted:
        without = [without_routing(one) for one in whole]
        print(chain("the same without the fields of the collectors' servers", without)[0].line(), flush=True)
    if "spamassassin" in wanted:
        print(spamassassin("SpamAssassin, local tests and Bayes", corpus).line(), flush=True)
    if "rspamd" in wanted:
        print(rspamd("Rspamd, local rules and Bayes", corpus).line(), flush=True)
    if found:
        print(f"\n{filters.HEADING}", *filters.lines(corpus, found), sep="\n")
    if "hostile" in wanted:
        print(f"\n{hostile.HEADING}", *hostile.lines(), sep="\n")


if __name__ == "__main__":
    parser = ArgumentParser(description="Recall, time and CPU time on the even half of a public corpus.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all by default: {', '.join(ROWS)}")
    parser.add_argument("--every", type=int, default=1, help="look at each so-manieth message only")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are ended then as well
    main(set(given.rows or ROWS), given.every)
