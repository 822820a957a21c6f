"""Sources in, sample documents out in formats without a library here: ODT, ODS, ODP, EPUB."""

from __future__ import annotations

from html import escape

from make_office import rows_of, write_archive
from read_sources import ORGANISATION, WRITTEN, Block, Part, read_blocks, read_parts

STAMP = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ")
OASIS = "urn:oasis:names:tc:opendocument:xmlns"
SPACES = " ".join(
    f'xmlns:{prefix}="{OASIS}:{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
        ("style", "style"),
        ("svg", "svg-compatible"),
        ("meta", "meta"),
        ("manifest", "manifest"),
    )
)
PARTS = dict.fromkeys(("content.xml", "meta.xml", "styles.xml"), "text/xml")
STYLES = (
    '<office:automatic-styles><style:page-layout style:name="Screen"/></office:automatic-styles>'
    '<office:master-styles><style:master-page style:name="Plain" '
    'style:page-layout-name="Screen"/></office:master-styles>'
)
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def write_odt(source: str, target: str) -> None:
    """Write a text of OpenDocument with headings, lists and tables."""
    blocks = list(read_blocks(source))
    body = f"<office:text>{''.join(map(mark_block, blocks))}</office:text>"
    write_opendocument(target, "text", body, blocks[0].text)


def mark_block(block: Block) -> str:
    """Return the markup of OpenDocument for one block of a text."""
    if block.kind == "heading":
        return f'<text:h text:outline-level="{block.level}">{escape(block.text)}</text:h>'
    if block.kind == "item":
        return f"<text:list><text:list-item>{paragraph(block.text)}</text:list-item></text:list>"
    return mark_table(block.rows) if block.kind == "table" else paragraph(block.text)


def paragraph(text: str) -> str:
    """Return a paragraph of OpenDocument."""
    return f"<text:p>{escape(text)}</text:p>"


def mark_table(rows: tuple[tuple[str, ...], ...], name: str = "Table") -> str:
    """Return a table of OpenDocument; whole numbers are numbers."""
    lines = ("".join(map(mark_cell, row)) for row in rows)
    body = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    return f'<table:table table:name="{escape(name)}">{body}</table:table>'


def mark_cell(text: str) -> str:
    """Return a cell of OpenDocument."""
    kind = f'"float" office:value="{text}"' if text.isdecimal() else '"string"'
    content = paragraph(text) if text else ""
    return f"<table:table-cell office:value-type={kind}>{content}</table:table-cell>"


def write_ods(source: str, target: str) -> None:
    """Write a workbook of OpenDocument: a sheet for each table."""
    title, *parts = read_parts(source)
    sheets = "".join(mark_table(tuple(rows_of(part)), part.title) for part in parts)
    body = f"<office:spreadsheet>{sheets}</office:spreadsheet>"
    write_opendocument(target, "spreadsheet", body, title.title)


def write_odp(source: str, target: str) -> None:
    """Write a presentation of OpenDocument: a slide for each heading."""
    parts = read_parts(source)
    slides = "".join(mark_slide(part, number) for number, part in enumerate(parts, 1))
    body = f"<office:presentation>{slides}</office:presentation>"
    write_opendocument(target, "presentation", body, parts[0].title)


def mark_slide(part: Part, number: int) -> str:
    """Return a slide of OpenDocument: its title, what stands below, and the notes."""
    has_table = any(block.rows for block in part.blocks)
    content = "".join(map(mark_block, part.blocks))
    shapes = mark_frame("title", in_box(paragraph(part.title)), top=1)
    if has_table:
        shapes += mark_frame("table", content, top=5)
    elif content:
        shapes += mark_frame("outline", in_box(content), top=5)
    if part.notes:
        notes = mark_frame("notes", in_box(paragraph(part.notes)), top=15)
        shapes += f"<presentation:notes>{notes}</presentation:notes>"
    page = f'draw:name="page{number}" draw:master-page-name="Plain"'
    return f"<draw:page {page}>{shapes}</draw:page>"


def mark_frame(kind: str, content: str, top: int) -> str:
    """Return a frame of a slide, `top` centimetres from its upper edge."""
    size = f'svg:x="2cm" svg:y="{top}cm" svg:width="24cm" svg:height="3cm"'
    return f'<draw:frame presentation:class="{kind}" {size}>{content}</draw:frame>'


def in_box(content: str) -> str:
    """Return the box that holds the text of a frame."""
    return f"<draw:text-box>{content}</draw:text-box>"


def write_opendocument(target: str, kind: str, body: str, title: str) -> None:
    """Write the archive of an OpenDocument (OASIS OpenDocument 1.3, parts 2 and 3)."""
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{media_type}"/>'
        for path, media_type in {"/": mimetype, **PARTS}.items()
    )
    about = (
        f'<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">{escape(title)}</dc:title>'
        f"<meta:creation-date>{STAMP}</meta:creation-date>"
    )
    version = f'{SPACES} office:version="1.3"'
    members = {
        "content.xml": f"<office:document-content {version}><office:body>{body}</office:body>"
        "</office:document-content>",
        "meta.xml": f"<office:document-meta {version}><office:meta>{about}</office:meta>"
        "</office:document-meta>",
        "styles.xml": f"<office:document-styles {version}>{STYLES}</office:document-styles>",
        "META-INF/manifest.xml": f'<manifest:manifest {SPACES} manifest:version="1.3">{entries}'
        "</manifest:manifest>",
    }
    write_archive(target, {name: DECLARATION + text for name, text in members.items()}, mimetype)


def write_epub(source: str, target: str) -> None:
    """Write an e-book: a chapter for each heading (EPUB 3.3)."""
    title, *parts = read_parts(source)
    title_page = f"<h1>{escape(title.title)}</h1>{mark_paragraphs(title)}"
    pages = [
        title_page,
        *(f"<h2>{escape(part.title)}</h2>{mark_paragraphs(part)}" for part in parts),
    ]
    names = [f"chapter{number}" for number in range(len(pages))]
    links = "".join(
        f'<li><a href="{name}.xhtml">{escape(part.title)}</a></li>'
        for name, part in zip(names, [title, *parts], strict=True)
    )
    members = {
        "META-INF/container.xml": '<container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        'full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>",
        "EPUB/package.opf": mark_package(title.title, names),
        "EPUB/nav.xhtml": mark_page(f'<nav epub:type="toc"><ol>{links}</ol></nav>', "Contents"),
    }
    for name, page in zip(names, pages, strict=True):
        members[f"EPUB/{name}.xhtml"] = mark_page(page, title.title)
    declared = {name: DECLARATION + text for name, text in members.items()}
    write_archive(target, declared, "application/epub+zip")


def mark_paragraphs(part: Part) -> str:
    """Return the paragraphs of a chapter."""
    return "".join(f"<p>{escape(block.text)}</p>" for block in part.blocks)


def mark_page(body: str, title: str) -> str:
    """Return a page of an e-book."""
    return (
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'xml:lang="en"><head><title>{escape(title)}</title></head><body>{body}</body></html>'
    )


def mark_package(title: str, names: list[str]) -> str:
    """Return what an e-book consists of, and in which order."""
    kind = 'media-type="application/xhtml+xml"'
    items = "".join(f'<item id="{name}" href="{name}.xhtml" {kind}/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:identifier id="id">urn:merrowby:history</dc:identifier>'
        f"<dc:title>{escape(title)}</dc:title><dc:language>en</dc:language>"
        f"<dc:creator>{ORGANISATION}</dc:creator>"
        f'<meta property="dcterms:modified">{STAMP}</meta></metadata>'
        f'<manifest>{items}<item id="nav" href="nav.xhtml" {kind} properties="nav"/></manifest>'
        f"<spine>{spine}</spine></package>"
    )
