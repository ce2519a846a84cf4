"""The command line of one service: `--help` shows its settings, anything else than nothing is refused."""

from __future__ import annotations

import argparse

from libs.runtime.process import run
from libs.runtime.service import ServiceModule
from libs.settings import described


def main(module: ServiceModule) -> None:
    """Run the service of `module`, unless help was asked for."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{module.NAME}",
        description=f"Run Facteur's {module.NAME} until SIGTERM. Its settings come from the environment.",
        epilog=described(module.Settings, module.NAME),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    run(module)
