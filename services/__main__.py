"""python -m services [name ...]: runs all services, or some, in one process. No other file may import several."""

from __future__ import annotations

import argparse
import importlib
from typing import cast

from libs.runtime import run
from libs.runtime.service import ServiceModule
from services import SERVICES, TABLE
from services.demonstration import first_steps


def main() -> None:
    """Run the services that the command line names; without names all of them, with the demonstration domain."""
    parser = argparse.ArgumentParser(
        prog="python -m services",
        description="Run Facteur's services in one process.",
        epilog="\n".join(
            [
                "services, with the ports of their HTTP APIs:",
                *(f"  {entry.name:<10} {entry.port}  {entry.sentence}" for entry in TABLE),
                "",
                "The settings of a service: python -m services.NAME --help",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SERVICES)}; none is all")
    names = parser.parse_args().names or list(SERVICES)
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        parser.error(f"there is no service {unknown[0]!r}; there are {', '.join(SERVICES)}")
    modules = [cast(ServiceModule, importlib.import_module(f"services.{name}.app")) for name in names]
    is_whole = len(names) == len(SERVICES)
    # What runs alone has no supervisor that would start it again.
    run(*modules, ready=first_steps if is_whole else None, again=is_whole)


main()
