#!/bin/sh
# Builds the native parts under AddressSanitizer and UndefinedBehaviorSanitizer and runs their tests.
set -eu
cd "$(dirname "$0")"
cmake --preset asan >/dev/null
cmake --build --preset asan -j "${JOBS:-2}" >/dev/null
ctest --preset asan
