"""Fails if a link of the built book is broken; does not use the network.

    python3 book_links.py target/book
"""

import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

# Whole books in one page, and a page without a place of its own.
WITHOUT_LINKS = {"print.html", "404.html", "toc.html"}


def main(book):
    pages = {page: page.read_text() for page in book.rglob("*.html")}
    headings = {page: set(re.findall(r' id="([^"]+)"', text)) for page, text in pages.items()}
    links, broken = 0, []
    for page, text in pages.items():
        if page.name in WITHOUT_LINKS:
            continue
        for link in re.findall(r' (?:href|src)="([^"]+)"', text):
            if urlsplit(link).scheme:
                continue
            links += 1
            file, heading = urldefrag(link)
            target = Path(os.path.normpath(page.parent / unquote(file))) if file else page
            if not target.exists() or (heading and heading not in headings.get(target, {heading})):
                broken.append(f"{page.relative_to(book)} links to {link}")
    print(f"{links} links of {len(pages)} pages, {len(broken)} broken", file=sys.stderr)
    sys.exit("\n".join(broken) if broken or not links else 0)


main(Path(sys.argv[1]))
