"""The monitor: rows of signals in, verdicts out, beside a serving process and never in its way."""

from driftlead.monitor.bins import BinCounter, SignalBins
from driftlead.monitor.monitor import Monitor
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import Alarm, DetectorSnapshot, MonitorSnapshot

__all__ = [
    "Alarm",
    "BinCounter",
    "DetectorSnapshot",
    "Monitor",
    "MonitorSettings",
    "MonitorSnapshot",
    "SignalBins",
]
