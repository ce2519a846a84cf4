"""What holds other contents, one opener a form. An opener yields what it finds and spends from the budget.

Openers never raise but `Exceeded`: damage is a sighting, after whatever could still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from services.antivirus.domain.budget import Budget
from services.antivirus.domain.containers.compressed import open_bzip2, open_gzip, open_lzip, open_lzma, open_xz
from services.antivirus.domain.containers.mail import open_mail
from services.antivirus.domain.containers.ole import open_ole
from services.antivirus.domain.containers.onenote import open_onenote
from services.antivirus.domain.containers.pdf import open_pdf
from services.antivirus.domain.containers.rtf import open_rtf
from services.antivirus.domain.containers.tar import open_tar
from services.antivirus.domain.containers.tnef import open_tnef
from services.antivirus.domain.containers.unix_archives import open_ar, open_cpio, open_rpm
from services.antivirus.domain.containers.uuencoded import open_uuencoded
from services.antivirus.domain.containers.zip import open_zip
from services.antivirus.domain.content import Content
from services.antivirus.domain.forms import Form
from services.antivirus.domain.sightings import Sighting

Opener = Callable[[Content, Budget], Iterator[Content | Sighting]]

OPENERS: Mapping[Form, Opener] = {
    Form.MAIL: open_mail,
    Form.ZIP: open_zip,
    Form.TAR: open_tar,
    Form.GZIP: open_gzip,
    Form.BZIP2: open_bzip2,
    Form.XZ: open_xz,
    Form.TNEF: open_tnef,
    Form.UUENCODED: open_uuencoded,
    Form.OLE: open_ole,
    Form.LZMA: open_lzma,
    Form.LZIP: open_lzip,
    Form.AR: open_ar,
    Form.CPIO: open_cpio,
    Form.RPM: open_rpm,
    Form.PDF: open_pdf,
    Form.RTF: open_rtf,
    Form.ONENOTE: open_onenote,
}
