"""driftlead: says in real time when a deployed model has drifted.

The library watches any model, request by request: its inputs, the activations inside the
network, its predictions. Sequential tests (`driftlead.detectors`) run on the ranks of every
signal against a reference sample, within one budget of false alarms over the whole monitor.
"""

__version__ = "0.1.0"
