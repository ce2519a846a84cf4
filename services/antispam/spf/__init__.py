"""SPF, RFC 7208: may this address send for that domain? Pure logic over the port `Resolver`.

`spf_of(mail, context)` asks once a message; `check_host` is section 4 of the RFC.
"""

from services.antispam.spf.asking import spf_of
from services.antispam.spf.evaluation import check_host
from services.antispam.spf.results import Result, Spf

__all__ = ["Result", "Spf", "check_host", "spf_of"]
