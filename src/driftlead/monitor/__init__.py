"""The monitor: rows of signals in, verdicts out, beside a serving process and never in its way."""

from driftlead.monitor.bins import BinCounter, SignalBins
from driftlead.monitor.callbacks import Callback
from driftlead.monitor.drifted_signals import Activity, RecentRows
from driftlead.monitor.episode import DriftedSignal, Episode, EpisodeEvent
from driftlead.monitor.episodes import EpisodeTracker
from driftlead.monitor.feedback_outcome import FeedbackOutcome
from driftlead.monitor.history import QUALITY_COLUMNS, History, HistorySamples, MonitorHistory
from driftlead.monitor.memory_store import MemoryStore
from driftlead.monitor.monitor import Monitor
from driftlead.monitor.records import Store
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import Alarm, DetectorSnapshot, LabelsSnapshot, MonitorSnapshot
from driftlead.monitor.state_folder import StateFolder

__all__ = [
    "QUALITY_COLUMNS",
    "Activity",
    "Alarm",
    "BinCounter",
    "Callback",
    "DetectorSnapshot",
    "DriftedSignal",
    "Episode",
    "EpisodeEvent",
    "EpisodeTracker",
    "FeedbackOutcome",
    "History",
    "HistorySamples",
    "LabelsSnapshot",
    "MemoryStore",
    "Monitor",
    "MonitorHistory",
    "MonitorSettings",
    "MonitorSnapshot",
    "RecentRows",
    "SignalBins",
    "StateFolder",
    "Store",
]
