"""The page at ``/`` that an engineer opens when paged, and the JSON that it is drawn from."""

from driftlead.service.page.routes import add_page_routes

__all__ = ["add_page_routes"]
