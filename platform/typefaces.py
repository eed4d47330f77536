"""The faces that PDFs and pictures are set in: Debian's fonts-dejavu-core, with Latin, Cyrillic and Greek."""

from __future__ import annotations

from pathlib import Path

FONTS = Path("/usr/share/fonts/truetype/dejavu")
PLAIN, BOLD = "Dialtrace", "Dialtrace-Bold"
_FACES = {PLAIN: "DejaVuSans.ttf", BOLD: "DejaVuSans-Bold.ttf"}
#: Of pictures.
FACE = FONTS / _FACES[PLAIN]


def load_faces(missing: type[Exception]) -> None:
    """Makes them known to whoever writes a PDF. Raises ``missing``."""
    # Loaded by the first PDF: it is large, and most processes never make one.
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    known = pdfmetrics.getRegisteredFontNames()
    for name, file in _FACES.items():
        if name not in known:
            try:
                pdfmetrics.registerFont(TTFont(name, str(FONTS / file)))
            except TTFError as error:
                raise missing(f"{FONTS / file}: {missing.__doc__}") from error
