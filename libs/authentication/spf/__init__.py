"""SPF, RFC 7208: may this address send for that domain? Pure logic over the port `Resolver`.

`check_host` is section 4 of the RFC.
"""

from libs.authentication.spf.evaluation import check_host
from libs.authentication.spf.results import Result, Spf

__all__ = ["Result", "Spf", "check_host"]
