"""How good is it: hold-out quality of a ``model.pt``. Run ``python -m evaluation``."""
