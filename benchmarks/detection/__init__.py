"""Delays and false alarms of our tests beside river's, frouros' and alibi-detect's: `make evaluate`."""
