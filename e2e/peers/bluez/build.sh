#!/usr/bin/env bash
# Builds what the Bluetooth ground needs once, in the cache, and prints the folder that has it:
#   linux   a User-mode Linux kernel with the Bluetooth host stack and vhci, from the distribution's own kernel source
#   guest   the first process of that kernel (guest.c)
# Named by the hash of what goes in, as ../venv does it.
#   build.sh --packages   the packages that are lacking here for building and running it, one a line
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
cache=${POLLUX_CACHE:-${HOME:-/root}/.cache/pollux}
hash() { sha256sum | cut -c1-12; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
sources() { compgen -G '/usr/src/linux-source-*.tar.*' || compgen -G '/usr/src/linux-source-*/linux-source-*.tar.*' || true; }
built() { [ -f "$kernel/complete" ]; }

# Debian names the package by the version of its kernel, Ubuntu has one name for the newest.
source_package() { apt-cache search --names-only '^linux-source(-6\.[0-9]+)?$' 2>/dev/null | sort -V | awk '{print $1}' | grep . | tail -n 1 || echo linux-source; }

lacking() {
  have cc || echo gcc libc6-dev
  [ -x /usr/libexec/bluetooth/bluetoothd ] || [ -x /usr/lib/bluetooth/bluetoothd ] || echo bluez
  have dbus-daemon || echo dbus
  have ip || echo iproute2
  built && return
  local tool
  for tool in flex bison bc make patch; do have "$tool" || echo "$tool"; done
  have xz || echo xz-utils
  have bzip2 || echo bzip2
  [ -n "$(sources)" ] || source_package
}

install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
packages() {
  local lacks; read -r -d '' -a lacks < <(lacking) || true
  [ ${#lacks[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -eq 0 ] && have apt-get; then
    echo "installing ${lacks[*]}" >&2
    { install "${lacks[@]}" || { apt-get update && install "${lacks[@]}"; }; } >"$cache/.bluez-packages.log" 2>&1 ||
      tail -n 3 "$cache/.bluez-packages.log" >&2
  fi
  lacks=(); read -r -d '' -a lacks < <(lacking) || true
  [ ${#lacks[@]} -eq 0 ] || { echo "not installed: ${lacks[*]}" >&2; exit 1; }
}

# What the user-mode kernel never compiles is not unpacked: it is most of the source.
build_kernel() {
  local tar tree build option
  tar=$(sources | sort -V | tail -n 1)
  work=$(mktemp -d "$cache/.bluez-kernel.XXXXXX") # not local: the trap outlives this function
  trap 'rm -rf "$work"' EXIT
  build=$work/build; mkdir "$build"
  tar -C "$work" -xf "$tar" --exclude='*/drivers/gpu/drm/*.[ch]' --exclude='*/Documentation/[a-z]*' --exclude='*/sound/*.[ch]' \
    --exclude='*/tools/testing/*' --exclude='*/arch/arm*/boot/*' --exclude='*/drivers/media/*.[ch]' \
    --exclude='*/drivers/net/ethernet/*.[ch]' --exclude='*/drivers/net/wireless/*.[ch]'
  tree=$(echo "$work"/linux-source-*)
  if patch -d "$tree" -p1 --dry-run --force <"$here/kernel.patch"; then patch -d "$tree" -p1 --force <"$here/kernel.patch"; fi
  make -s -C "$tree" ARCH=um O="$build" tinyconfig
  (cd "$tree" && ARCH=um ./scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" "$here/kernel.config")
  make -s -C "$tree" ARCH=um O="$build" olddefconfig
  for option in BT BT_LE BT_HCIVHCI RFKILL HOSTFS UML_NET_VECTOR CRYPTO_USER_API_SKCIPHER UNIX PROC_FS; do
    grep -q "^CONFIG_$option=y" "$build/.config" || { echo "this kernel source knows no CONFIG_$option for User-mode Linux"; exit 1; }
  done
  make -s -C "$tree" ARCH=um O="$build" -j"$(nproc)" linux
  strip -s -o "$kernel/linux" "$build/linux"
  touch "$kernel/complete"
}

here=$PWD
kernel=$cache/bluez-kernel-$({ cat kernel.config kernel.patch; declare -f build_kernel; } | hash)
ground=$cache/bluez-$({ echo "$kernel"; cat build.sh guest.c; } | hash)
if [ "${1:-}" = --packages ]; then lacking; exit; fi
if [ -f "$ground/complete" ] && [ -z "$(lacking)" ]; then echo "$ground"; exit; fi
mkdir -p "$cache"
exec {lock}>"$cache/.bluez.lock"
flock "$lock"
packages
if ! built; then
  echo "building the user-mode kernel in $kernel (once, five to ten minutes)" >&2
  rm -rf "$kernel" "$cache"/.bluez-kernel.*; mkdir "$kernel" # of a build that was killed, too
  (build_kernel) >"$kernel/build.log" 2>&1 || { tail -n 20 "$kernel/build.log" >&2; exit 1; }
fi
if [ ! -f "$ground/complete" ]; then
  rm -rf "$ground"; mkdir "$ground"
  cc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$ground/guest" guest.c >"$ground/guest.log" 2>&1 ||
    { cat "$ground/guest.log" >&2; exit 1; }
  ln "$kernel/linux" "$ground/linux" 2>/dev/null || cp "$kernel/linux" "$ground/linux"
  touch "$ground/complete"
fi
echo "$ground"
