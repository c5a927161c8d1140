"""The numba functions beneath the detectors: arrays in, arrays out, no state of their own.

All of them read and write columns, shape (d, rows): one signal's structure stays in the cache while
its rows pass. None of them imports another module's kernel, because numba's cache on disk notices
a change of the file that a function stands in, and no other.
"""
