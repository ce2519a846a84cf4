"""SPF (RFC 7208): whether an address may send for a domain. Pure logic over the protocol `Resolver`.

`check_host` is RFC 7208 4.
"""

from libs.authentication.spf.evaluation import check_host
from libs.authentication.spf.results import SpfCheck, SpfResult

__all__ = ["SpfCheck", "SpfResult", "check_host"]
