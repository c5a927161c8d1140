#!/bin/sh
# Put the kernels that the build compiled where numba looks for them, then become the command. numba refuses a
# cache that it cannot write to, and the image itself may be read-only.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp -R "${COMPILED_KERNELS:-/opt/kernels}/." "$NUMBA_CACHE_DIR"
exec "$@"
