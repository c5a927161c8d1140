"""Models that others serve, watched through the CloudEvents of their payload loggers."""

from driftlead.service.events.ingest import EventWatch, add_event_routes
from driftlead.service.events.translation import Translation

__all__ = ["EventWatch", "Translation", "add_event_routes"]
