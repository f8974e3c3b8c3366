# Sourced: images without a registry.
# shellcheck shell=bash

BUILDAH="buildah --storage-driver vfs"

# scratch_image BINARY IMAGE OUT.tar: an image that holds one binary and nothing else.
scratch_image() {
  local context
  context=$(mktemp -d)
  cp "$1" "$context/main"
  printf 'FROM scratch\nCOPY main /%s\nUSER 65532:65532\nENTRYPOINT ["/%s"]\n' "$(basename "$1")" "$(basename "$1")" >"$context/Containerfile"
  bud "$context" "$context/Containerfile" "$2" "$3"
  rm -rf "$context"
}

# pollux_image BINARY IMAGE OUT.tar: by the project's Containerfile, whose target is the binary's name.
pollux_image() {
  local context name
  name=$(basename "$1")
  [ -x "$1" ] || die "no executable $1"
  ! readelf -l "$1" | grep -q INTERP ||
    die "$1 is dynamically linked: an image FROM scratch needs a static binary (-C target-feature=+crt-static)"
  grep -q " AS $name\$" "$HERE/../../Containerfile" || die "Containerfile has no target \"$name\""
  context=$(mktemp -d)
  strip -o "$context/$name" "$1"
  bud "$context" "$HERE/../../Containerfile" "$2" "$3" --target "$name"
  rm -rf "$context"
}

# bud CONTEXT CONTAINERFILE IMAGE OUT.tar ARG…: the archive is all that stays.
bud() {
  local context=$1 file=$2 image=$3 out=$4 log
  shift 4
  log=$(mktemp)
  [[ $image == */*:* ]] || die "image \"$image\": write it as localhost/NAME:TAG"
  rm -f "$out"
  if ! { $BUILDAH bud --isolation chroot --layers=false -f "$file" -t "$image" "$@" "$context" &&
    $BUILDAH push "$image" "oci-archive:$out:$image"; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    rm -rf "$log" "$context"
    die "could not build $image"
  fi
  $BUILDAH rmi "$image" >/dev/null 2>&1 || true
  rm -f "$log"
}

# import_image NODE ARCHIVE
import_image() { ctr -a "$S/$1/ctrd/containerd.sock" -n k8s.io images import "$2" >/dev/null; }

# load ARCHIVE|IMAGE: into every node at once.
load() {
  local archive=$1 i pids=() tmp=
  if [ ! -f "$archive" ]; then
    $BUILDAH inspect --type image "$1" >/dev/null 2>&1 || die "\"$1\" is neither an archive nor an image that buildah has"
    tmp=$(mktemp -d)
    archive=$tmp/image.tar
    $BUILDAH push -q "$1" "oci-archive:$archive:$1"
  fi
  for i in $(seq "$(cat "$S/nodes")"); do
    import_image "node-$i" "$archive" &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || die "could not import $1"; done
  [ -z "$tmp" ] || rm -rf "$tmp"
}

# push ARCHIVE IMAGE
push() {
  local id tls=()
  [ -z "${REGISTRY_HTTP:-}" ] || tls=(--tls-verify=false)
  id=$($BUILDAH pull -q "oci-archive:$1") || die "$1 is no image archive"
  $BUILDAH push -q "${tls[@]}" "$id" "docker://$2" || die "could not push $2"
  $BUILDAH rmi "$id" >/dev/null
  say "pushed $2"
}

# Debian's registry, taken out of its package: installed, it would serve on this machine.
registry_binary() {
  local bin=$CACHE/docker-registry tmp
  if [ ! -x "$bin" ]; then
    tmp=$(mktemp -d)
    (cd "$tmp" && { apt-get download -q docker-registry || { apt-get update && apt-get download -q docker-registry; }; } &&
      dpkg -x docker-registry_*.deb x) >"$tmp/log" 2>&1 || die "no package docker-registry: $(tail -n 3 "$tmp/log")"
    mv "$tmp/x/usr/bin/docker-registry" "$bin"
    rm -rf "$tmp"
  fi
  echo "$bin"
}

# Nodes read certs.d anew with every pull.
registry() {
  local bin address i trust
  bin=$(registry_binary)
  address=$(field_attach registry):5000
  if [ ! -f "$S/pid/registry" ] || ! alive registry; then
    cat >"$S/registry.yaml" <<X
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $S/registry}}
http: {addr: ":5000"}
X
    # shellcheck disable=SC2046
    spawn registry $(in_net registry) "$bin" serve "$S/registry.yaml"
    # shellcheck disable=SC2046
    wait_for 20 "registry" $(in_net registry) bash -c 'echo >/dev/tcp/127.0.0.1/5000'
  fi
  for i in $(seq "$(cat "$S/nodes")"); do
    trust=$S/node-$i/ctrd/certs.d/$address
    mkdir -p "$trust"
    printf '[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$address" >"$trust/hosts.toml"
  done
  echo "$address"
}
