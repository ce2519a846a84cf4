"""Containers: one opener for each file format. An opener yields contents and detections and spends from the budget.

Openers raise `LimitExceeded` alone: damage is a detection, which follows the readable contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from services.antivirus.domain.budget import ScanBudget
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
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection
from services.antivirus.domain.file_formats import FileFormat

Opener = Callable[[ScanContent, ScanBudget], Iterator[ScanContent | Detection]]

OPENERS: Mapping[FileFormat, Opener] = {
    FileFormat.MAIL: open_mail,
    FileFormat.ZIP: open_zip,
    FileFormat.TAR: open_tar,
    FileFormat.GZIP: open_gzip,
    FileFormat.BZIP2: open_bzip2,
    FileFormat.XZ: open_xz,
    FileFormat.TNEF: open_tnef,
    FileFormat.UUENCODED: open_uuencoded,
    FileFormat.OLE: open_ole,
    FileFormat.LZMA: open_lzma,
    FileFormat.LZIP: open_lzip,
    FileFormat.AR: open_ar,
    FileFormat.CPIO: open_cpio,
    FileFormat.RPM: open_rpm,
    FileFormat.PDF: open_pdf,
    FileFormat.RTF: open_rtf,
    FileFormat.ONENOTE: open_onenote,
}
