"""The dashboard's types come from the interface the server describes.

After a change of the interface: `REWRITE=1 pytest tests/e2e/test_dashboard_types.py`, then `npm run generate`
in web/ui.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from web.api.openapi import describe
from web.api.routes import ENDPOINTS

UI = Path(__file__).resolve().parent.parent.parent / "web" / "ui"


def test_the_dashboard_knows_the_schemas_that_the_server_describes() -> None:
    document = describe(ENDPOINTS)
    # What is asked and answered, without the operations: the dashboard writes its few addresses itself.
    described = {
        "openapi": document["openapi"],
        "info": {"title": document["info"]["title"], "version": document["info"]["version"]},
        "paths": {},
        "components": {"schemas": document["components"]["schemas"]},
    }
    kept = UI / "openapi.json"
    text = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("REWRITE"):
        kept.write_text(text)
    assert kept.read_text() == text, "run REWRITE=1 pytest on this file, then `npm run generate` in web/ui"


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((UI / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
