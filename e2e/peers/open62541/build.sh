#!/usr/bin/env bash
# Builds the OPC UA peers `server` and `client` on open62541 once, in the cache, and prints the folder that has them:
#   "$(e2e/peers/open62541/build.sh)/server" 0 100
# Named by the hash of what goes in, as ../venv does it. Needs cc, cmake, python3 and cargo (which fetches the source).
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
cache=${POLLUX_CACHE:-${HOME:-/root}/.cache/pollux}
hash() { sha256sum | cut -c1-12; }

build_library() {
  local source jobs common
  cargo fetch --locked --quiet
  source=$(cargo metadata --locked --offline --format-version 1 | python3 -c '
import json, os, sys
print(next(os.path.dirname(p["manifest_path"]) for p in json.load(sys.stdin)["packages"] if p["name"] == "open62541-sys"))')
  jobs=$(nproc)
  work=$(mktemp -d) # not local: the trap outlives this function
  trap 'rm -rf "$work"' EXIT
  # Its compiler of node sets imports itself: without this Python writes into the registry's folder.
  export PYTHONDONTWRITEBYTECODE=1
  common=(-DCMAKE_INSTALL_PREFIX="$library" -DCMAKE_INSTALL_INCLUDEDIR=include -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE=Release
    -DC_STANDARD=11 "-DCMAKE_C_FLAGS=-ffunction-sections -fdata-sections -w")
  cmake -S "$source/mbedtls" -B "$work/mbedtls" "${common[@]}" -DENABLE_PROGRAMS=OFF -DENABLE_TESTING=OFF -DMBEDTLS_FATAL_WARNINGS=OFF
  cmake --build "$work/mbedtls" --target install -j "$jobs"
  cmake -S "$source/open62541" -B "$work/open62541" "${common[@]}" -DUA_ENABLE_ENCRYPTION=MBEDTLS \
    -DUA_ENABLE_DEBUG_SANITIZER=OFF -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF \
    -DMBEDTLS_FOLDER_INCLUDE="$library/include" -DMBEDTLS_FOLDER_LIBRARY="$library/lib" \
    -DMBEDTLS_INCLUDE_DIRS="$library/include" -DMBEDTLS_LIBRARY="$library/lib" \
    -DMBEDCRYPTO_INCLUDE_DIRS="$library/include" -DMBEDCRYPTO_LIBRARY="$library/lib" \
    -DMBEDX509_INCLUDE_DIRS="$library/include" -DMBEDX509_LIBRARY="$library/lib"
  cmake --build "$work/open62541" --target install -j "$jobs"
  touch "$library/complete"
}

library=$cache/open62541-lib-$({ cc --version | head -n 1; cat Cargo.lock; declare -f build_library; } | hash)
peers=$cache/open62541-peers-$({ echo "$library"; cat build.sh plant.h server.c client.c; } | hash)
mkdir -p "$cache"
exec {lock}>"$cache/.open62541.lock"
flock "$lock"
if [ ! -f "$library/complete" ]; then
  echo "building open62541 in $library (once, about two minutes)" >&2
  rm -rf "$library"; mkdir "$library"
  (build_library) >"$library/build.log" 2>&1 || { tail -n 20 "$library/build.log" >&2; exit 1; }
fi
if [ ! -f "$peers/complete" ]; then
  rm -rf "$peers"; mkdir "$peers"
  for program in server client; do # static: the server runs as an image of its own too; the linker warns of getaddrinfo
    cc -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter "-isystem$library/include" -o "$peers/$program" "$program.c" \
      -static "$library"/lib/lib{open62541,mbedtls,mbedx509,mbedcrypto}.a -lpthread -lm >"$peers/$program.log" 2>&1 ||
      { cat "$peers/$program.log" >&2; exit 1; }
  done
  touch "$peers/complete"
fi
echo "$peers"
