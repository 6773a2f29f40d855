"""The built dashboard: its files, and its page for every address that is no file.

Files under /assets have their content's hash in their name, so browsers keep them for good; the page that
names them is asked for anew each time. Text is compressed once, when it is first asked for: compressing all
of it would take each start most of a second.
"""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path

from aiohttp import web

from web.auth.problems import Problem
from web.middleware.answers import PUBLIC, Content, answer
from web.middleware.routes import Route, everybody

INDEX = "index.html"
# Addresses of programs are never answered with a page, those that programs only guess at included.
_PAGES = r"/{path:(?!(?:api|mcp|sse|messages|healthz|readyz|metrics|\.well-known)(?:/|$)).*}"
_IMMUTABLE = "public, max-age=31536000, immutable"
_TEXT = ("text/", "application/javascript", "application/json", "image/svg", "application/manifest")
_FILE_BYTES_MAX = 16 * 1024 * 1024
_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Control Tower</title></head><body>
<h1>The dashboard is not built</h1>
<p>This host serves the interface, but the files of the dashboard are missing from its installation.</p>
<p>In a clone: <code>make ui</code>. Installed: install Control Tower again from its wheel.
The command line and the <a href="/api/v1/openapi.json">interface</a> work without it.</p>
</body></html>
"""


class Dashboard:
    """The files of one directory, held in memory: half a megabyte, and no disk is needed to show it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, Content] = {}

    async def load(self, app: web.Application) -> None:
        """Read the files. At start, and again for as long as there are none."""
        self._files = await asyncio.to_thread(_read_files, self._directory)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file, or with the page: the dashboard knows what the address means."""
        path = request.match_info["path"]
        if INDEX not in self._files:
            await self.load(request.app)
        file = self._files.get(path)
        if file is not None and path != INDEX:
            immutable = path.startswith("assets/")
            return await answer(request, file, cache=_IMMUTABLE if immutable else PUBLIC)
        if path.startswith("assets/"):
            raise Problem("not-found", "this file is of another version of the dashboard", hint="reload")
        if "." in path and "/" not in path and path != INDEX:
            raise Problem(
                "not-found",
                "there is no such file",
                hint="the interface is described at /api/v1/openapi.json",
            )
        index = self._files.get(INDEX)
        if index is None:
            return web.Response(
                status=503, text=_NOT_BUILT, content_type="text/html", headers={"Cache-Control": "no-store"}
            )
        return await answer(request, index, cache=PUBLIC)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes for everything that nothing else answers."""
        return tuple(
            Route(
                method=method,
                path=_PAGES,
                handler=self.serve,
                access=everybody(),
                body_bytes_max=0,
                is_file=True,
            )
            for method in ("GET", "HEAD")
        )


def _read_files(directory: Path) -> dict[str, Content]:
    files: dict[str, Content] = {}
    if not directory.is_dir():
        return files
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or path.stat().st_size > _FILE_BYTES_MAX:
            continue
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if path.suffix == ".js":
            # Some systems' tables say text/plain, which browsers refuse to run.
            media_type = "application/javascript"
        is_text = media_type.startswith(_TEXT)
        content = Content(
            path.read_bytes(),
            media_type=f"{media_type}; charset=utf-8" if is_text else media_type,
            is_compressible=is_text,
            is_lasting=True,
        )
        files[path.relative_to(directory).as_posix()] = content
    return files
