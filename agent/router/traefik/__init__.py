"""Traefik, told by its HTTP provider."""

from agent.router.traefik.router import TraefikRouter

__all__ = ["TraefikRouter"]
