"""The page that draws the interface: there for everybody, under the dashboard's policy, nothing inline."""

from __future__ import annotations

import re

from tests.support.web_fakes import a_web_world, serving
from web.api.reference import DOCS

FILES = {
    "/api/docs": "text/html",
    "/api/docs/docs.css": "text/css",
    "/api/docs/docs.js": "application/javascript",
}


async def test_the_page_and_its_files_are_there_for_everybody_and_sent_again_only_when_changed() -> None:
    async with serving(a_web_world()) as client:
        for path, content_type in FILES.items():
            answer = await client.get(path)
            again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
            assert (answer.status, answer.content_type, again.status) == (200, content_type, 304)
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert (await client.head(path)).status == 200


def test_the_page_has_no_script_style_or_file_of_anybody_else() -> None:
    page = (DOCS / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert all(address.startswith(("/", "#")) for address in addresses)


def test_what_the_document_says_never_becomes_markup() -> None:
    script = (DOCS / "docs.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", script)
