"""Settings: one frozen class a service, read once at the start from the environment and one TOML file.

`FACTEUR_ROUTER_PORT` beats `FACTEUR_PORT` beats `[router] port` beats a top-level `port` beats the default.
The file is the one that `FACTEUR_CONFIG` names. A wrong or unknown setting ends the start with one line.
"""

from libs.settings.describing import described
from libs.settings.loading import WrongSetting, load
from libs.settings.service import API_PORTS, ServiceSettings

__all__ = ["API_PORTS", "ServiceSettings", "WrongSetting", "described", "load"]
