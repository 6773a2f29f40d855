from aiohttp import web
from typing import Any

DESK = web.AppKey("assistant", Any)
