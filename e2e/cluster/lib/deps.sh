# Sourced: what Debian has to provide.
# shellcheck shell=bash

# what is looked for, and the package that brings it
NEEDS="containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins iptables:iptables nft:nftables
ip:iproute2 nsenter:util-linux setsid:util-linux flock:util-linux gcc:gcc"
IMAGE_NEEDS="buildah:buildah strip:binutils"
PLANT_NEEDS="gcc:gcc cmake:cmake python3:python3 openssl:openssl"

missing_packages() {
  local need have
  for need in "$@"; do
    have=${need%%:*}
    [ -x "$have" ] || command -v "$have" >/dev/null || echo "${need#*:}"
  done | sort -u
}

# What has no program of its own.
missing_files() {
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  missing_headers
}
missing_headers() { [ -e /usr/include/stdlib.h ] || echo libc6-dev; }

# install_deps [images|plant]
install_deps() {
  local missing log
  # shellcheck disable=SC2086 # words
  case ${1:-} in
    images) mapfile -t missing < <(missing_packages $IMAGE_NEEDS) ;;
    plant) mapfile -t missing < <(missing_packages $IMAGE_NEEDS $PLANT_NEEDS; missing_headers) ;;
    *) mapfile -t missing < <(missing_packages $NEEDS $IMAGE_NEEDS; missing_files) ;;
  esac
  [ ${#missing[@]} -gt 0 ] || return 0
  need_root
  command -v apt-get >/dev/null || die "missing: ${missing[*]} (Debian packages), and there is no apt-get to install them"
  say "installing ${missing[*]}"
  log=$(mktemp)
  apt_install "${missing[@]}" >"$log" 2>&1 ||
    { apt-get update >>"$log" 2>&1 && apt_install "${missing[@]}" >>"$log" 2>&1; } ||
    { tail -20 "$log" >&2; die "apt-get could not install ${missing[*]}"; }
  rm -f "$log"
  say "installed ${#missing[@]} package(s)"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
