"""What one value costs in every detector, next to `np.searchsorted`, river, frouros, SciPy: `make bench`."""
