"""python -m services [name ...]: all services, or some, in one process. The only file that may import several."""

from __future__ import annotations

import argparse
import importlib
from typing import cast

from libs.runtime import run
from libs.runtime.service import ServiceModule
from services import SERVICES
from services.demonstration import first_steps


def main() -> None:
    """Without names: everything, with the demonstration domain."""
    parser = argparse.ArgumentParser(
        prog="python -m services",
        description="Run Facteur's services in one process.",
        epilog="The settings of a service: python -m services.NAME --help",
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
