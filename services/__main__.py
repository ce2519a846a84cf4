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
    parser = argparse.ArgumentParser(prog="python -m services", description="Run Facteur's services in one process.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SERVICES)}; none is all")
    names = parser.parse_args().names or list(SERVICES)
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        parser.error(f"there is no service {unknown[0]!r}; there are {', '.join(SERVICES)}")
    modules = [cast(ServiceModule, importlib.import_module(f"services.{name}.app")) for name in names]
    run(*modules, ready=first_steps if len(names) == len(SERVICES) else None)


main()
