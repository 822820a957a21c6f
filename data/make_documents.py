"""Make the binary sample documents of `documents/` from the prose in `sources/`.

Needs `pip install reportlab pillow python-docx python-pptx openpyxl`, then
`python data/make_documents.py`.  The same versions of these packages write the same bytes:
dates and ids are fixed.  Text formats are written by hand in `documents/`.
"""

from __future__ import annotations

from html import escape
from io import BytesIO
from pathlib import Path

import reportlab
from make_office import write_docx, write_pptx, write_xlsx
from make_open_formats import write_epub, write_odp, write_ods, write_odt
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from read_sources import DOCUMENTS, ORGANISATION, SOURCES, Block, read_blocks
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    PageBreak,
    PageTemplate,
    Paragraph,
    Table,
)

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=6)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=9, leading=11, spaceAfter=0)
ITEM = ParagraphStyle("item", parent=BODY, leftIndent=14, bulletIndent=2, spaceAfter=3)
HEADINGS = {
    1: ParagraphStyle("h1", parent=BODY, fontName="Helvetica-Bold", fontSize=20, leading=26),
    2: ParagraphStyle(
        "h2", parent=BODY, fontName="Helvetica-Bold", fontSize=14, leading=18, spaceBefore=8
    ),
    3: ParagraphStyle("h3", parent=BODY, fontName="Helvetica-Bold", fontSize=11, spaceBefore=4),
}
GRID = [
    ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]


class NumberedDocument(BaseDocTemplate):
    """A PDF with a footer on each page and its headings as bookmarks."""

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 (reportlab's name)
        """Add a bookmark for each heading that was set."""
        styles = {style.name: level for level, style in HEADINGS.items()}
        level = styles.get(getattr(getattr(flowable, "style", None), "name", ""))
        if level is not None:
            text = flowable.getPlainText()
            self.canv.bookmarkPage(text)
            self.canv.addOutlineEntry(text, text, level - 1)


def write_pdf(source: str, target: str, columns: int = 1) -> None:
    """Write a PDF with a text layer, in one or two columns."""
    blocks = list(read_blocks(source))
    (width, height), margin, gap = A4, 20 * mm, 8 * mm
    column = (width - 2 * margin - (columns - 1) * gap) / columns
    frames = [
        Frame(margin + n * (column + gap), margin, column, height - 2 * margin, 0, 0, 0, 0)
        for n in range(columns)
    ]

    def draw_footer(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(margin, 11 * mm, f"{ORGANISATION} - {blocks[0].text}")
        canvas.drawRightString(width - margin, 11 * mm, f"Page {document.page}")

    document = NumberedDocument(
        str(DOCUMENTS / target),
        pagesize=A4,
        pageTemplates=[PageTemplate("page", frames, onPage=draw_footer)],
        title=blocks[0].text,
        author=ORGANISATION,
        invariant=1,
    )
    document.build([set_block(block, column) for block in blocks])


def set_block(block: Block, width: float) -> Flowable:
    """Return what reportlab sets on the page for one block."""
    if block.kind == "page":
        return PageBreak()
    if block.kind == "table":
        cells = [[Paragraph(escape(cell), CELL) for cell in row] for row in block.rows]
        return Table(
            cells, colWidths=share_width(block.rows, width), style=GRID, spaceBefore=4, spaceAfter=8
        )
    if block.kind == "heading":
        return Paragraph(escape(block.text), HEADINGS[block.level])
    if block.kind == "item":
        bullet = "\N{EN DASH}" if block.mark == "-" else block.mark
        return Paragraph(escape(block.text), ITEM, bulletText=bullet)
    return Paragraph(escape(block.text), BODY)


def share_width(rows: tuple[tuple[str, ...], ...], width: float) -> list[float]:
    """Divide `width` among the columns by their longest cell."""
    longest = [max(8, *(len(row[n]) for row in rows)) for n in range(len(rows[0]))]
    return [width * length / sum(longest) for length in longest]


def write_scan(source: str, target: str) -> None:
    """Write a PDF that holds only a picture of the text, as an office scanner makes it."""
    fonts = Path(reportlab.__file__).parent / "fonts"
    plain = ImageFont.truetype(str(fonts / "Vera.ttf"), 24)
    bold = ImageFont.truetype(str(fonts / "VeraBd.ttf"), 30)
    page = Image.new("L", (1240, 1754), 246)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate((SOURCES / source).read_text(encoding="utf-8").splitlines()):
        font = bold if number in (0, 3) else plain
        draw_cells(draw, line, 150 + 46 * number, font)
    page = stamp_page(page, bold)
    page = page.rotate(0.8, Image.Resampling.BICUBIC, fillcolor=238)
    draw = ImageDraw.Draw(page)
    for speck in range(60):
        left, top = speck * 7919 % 1230, speck * 10007 % 1740
        draw.ellipse((left, top, left + speck % 3, top + speck % 3), fill=150)
    draw.line((0, 0, 6, 1754), fill=140, width=9)
    save_scan(page.filter(ImageFilter.GaussianBlur(0.7)), DOCUMENTS / target)


def draw_cells(
    draw: ImageDraw.ImageDraw, line: str, top: int, font: ImageFont.FreeTypeFont
) -> None:
    """Draw a line so that each run of text starts at the column it has in the source."""
    start = 0
    for cell in line.split("  "):
        text = cell.strip()
        if text:
            column = start + len(cell) - len(cell.lstrip())
            draw.text((140 + 20 * column, top), text, fill=45, font=font)
        start += len(cell) + 2


def stamp_page(page: Image.Image, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Return the page with a crooked stamp of the post room."""
    stamp = Image.new("L", (430, 130), 0)
    draw = ImageDraw.Draw(stamp)
    draw.rectangle((4, 4, 425, 125), outline=170, width=5)
    draw.text((215, 42), "RECEIVED", fill=170, font=font, anchor="mm")
    draw.text((215, 88), "17 SEP 2025", fill=170, font=font, anchor="mm")
    stamp = stamp.rotate(9, Image.Resampling.BICUBIC, expand=True)
    page.paste(70, (690, 1330), stamp)
    return page


def save_scan(page: Image.Image, path: Path) -> None:
    """Save the picture as the only content of a page of A4."""
    buffer = BytesIO()
    page.save(buffer, "JPEG", quality=40)
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    canvas.setTitle("Scan 2025-09-17")
    canvas.drawImage(ImageReader(buffer), 0, 0, *A4)
    canvas.save()


def main() -> None:
    """Write every binary document."""
    write_docx("minutes-2025-03-12.md", "office/minutes-2025-03-12.docx")
    write_docx("supplier-contract-summary.md", "office/supplier-contract-summary.docx")
    write_odt("apprentices.md", "handbook/apprentices.odt")
    write_epub("history.md", "handbook/history.epub")
    write_pptx("onboarding-slides.md", "office/onboarding-slides.pptx")
    write_ods("investment-plan-2026.md", "office/investment-plan-2026.ods")
    write_xlsx("spare-parts-stock.md", "workshop/spare-parts-stock.xlsx")
    write_odp("mooring-course.md", "workshop/mooring-course.odp")
    write_pdf("plover-service-manual.md", "workshop/plover-service-manual.pdf")
    write_pdf("sealant-safety-sheet.md", "workshop/sealant-safety-sheet.pdf", columns=2)
    write_scan("delivery-note-scan.txt", "office/delivery-note-scan.pdf")


if __name__ == "__main__":
    main()
