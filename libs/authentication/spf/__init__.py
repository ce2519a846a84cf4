"""SPF, RFC 7208: may this address send for that domain? Pure logic over the port `Resolver`.

`check_host` is RFC 7208 4.
"""

from libs.authentication.spf.evaluation import check_host
from libs.authentication.spf.results import SpfCheck, SpfResult

__all__ = ["SpfCheck", "SpfResult", "check_host"]
