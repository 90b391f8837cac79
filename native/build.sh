#!/bin/sh
# Builds jumbo-pilot for every MPI that is here, and without one:
#   native/build/{openmpi,mpich,serial}/jumbo-pilot
# `native/build.sh serial` builds the last one only.
# On a site with modules: load one MPI, then `native/build.sh mpi` builds native/build/mpi with it.
# `native/build.sh openmpi` (or mpich) builds `serial`, whose libraries it takes, and that one.
# JOBS (default 2) compilers run at once. An MPI whose compiler isn't found is skipped, and named.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
jobs=${JOBS:-2}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

case "${1:-}" in
  "" | serial | openmpi | mpich | mpi) ;;
  *)
    echo "no build is called $1: serial, openmpi, mpich or mpi" >&2
    exit 2
    ;;
esac

build() {
  name=$1
  shift
  if cmake -S "$here" -B "$here/build/$name" -DJUMBO_BUILD_TESTS=OFF "$@" >"$log" 2>&1 &&
    cmake --build "$here/build/$name" -j "$jobs" >"$log" 2>&1; then
    echo "native/build/$name/jumbo-pilot"
    case $("$here/build/$name/jumbo-pilot" --version) in
      *"TLS: none") echo "it has no TLS: apt-get install libssl-dev, then build again" >&2 ;;
    esac
  else
    cat "$log" >&2
    exit 1
  fi
}

for tool in cmake c++; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing: apt-get install cmake g++" >&2
    exit 1
  }
done
if [ "${1:-}" = mpi ]; then
  build mpi -DJUMBO_MPI=ON
  exit 0
fi
build serial -DJUMBO_MPI=OFF
if [ "${1:-}" = serial ]; then
  exit 0
fi
for mpi in ${1:-openmpi mpich}; do
  if compiler=$(command -v "mpicxx.$mpi"); then
    build "$mpi" -DJUMBO_MPI=ON -DMPI_CXX_COMPILER="$compiler" -DJUMBO_CORE="$here/build/serial"
  else
    echo "skipped $mpi: no mpicxx.$mpi (apt-get install lib$mpi-dev)" >&2
  fi
done
