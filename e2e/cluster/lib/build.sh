# Sourced: builds the components once into the cache, in a folder named by the hash of all that goes in.
# shellcheck shell=bash

bin_dir() {
  command -v go >/dev/null || die "go is needed (1.26 or newer): https://go.dev/dl"
  local key
  key=$(cd "$HERE" && { go env GOVERSION GOARCH; cat go.mod go.sum ./*.go coredns/* forward/* probe/* pause/* lib/build.sh; } | sha256sum)
  echo "$CACHE/cluster-${key:0:12}"
}

ensure_built() {
  BIN=$(bin_dir)
  [ -x "$BIN/cluster" ] || build
  touch "$BIN"
}

# What no instance uses and nobody wanted for a week.
forget_old() {
  local old
  find "$CACHE" -maxdepth 1 -name 'cluster-*' -mtime +7 | while read -r old; do
    grep -qsxF "$old" "$STATE_ROOT"/*/ready || rm -rf "$old"
  done
}

# Into a folder beside it and renamed when whole; under a lock, because two builds take longer than one after the other.
build() {
  local lock
  mkdir -p "$CACHE"
  exec {lock}>"$CACHE/.cluster-build.lock"
  flock -n "$lock" || { say "waiting for another build"; flock "$lock"; }
  if [ ! -x "$BIN/cluster" ]; then
    rm -rf "$CACHE"/cluster-*.part
    PART=$BIN.part
    mkdir -p "$PART"
    build_kubernetes
    build_coredns
    build_helpers
    mv -T "$PART" "$BIN"
    forget_old
    say "built $BIN ($(du -sh "$BIN" | cut -f1))"
  fi
  exec {lock}>&-
}

build_kubernetes() {
  local v p=k8s.io/component-base/version # without these the API server calls itself v0.0.0, and charts refuse it
  v=$(sed -n 's/^\tk8s.io\/kubernetes v//p' "$HERE/go.mod")
  say "building Kubernetes $v from Go modules (8 to 10 minutes the first time on 2 cores)"
  (cd "$HERE" && go_build "$PART/cluster" . "-X $p.gitVersion=v$v -X $p.gitMajor=1 -X $p.gitMinor=$(cut -d. -f2 <<<"$v") -X $p.gitTreeState=clean")
  local n
  for n in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl kubeadm helm; do
    ln -s cluster "$PART/$n"
  done
}

build_coredns() {
  say "building CoreDNS"
  (cd "$HERE/coredns" && go_build "$PART/coredns" . "")
}

# pause holds a pod's namespaces, probe is for the tests: static, because their images hold nothing else. The forwarder
# is its own small program, because several may run for days.
build_helpers() {
  say "building forward, pause and probe"
  mkdir -p "$PART/images"
  (cd "$HERE" && CGO_ENABLED=0 go_build "$PART/forward" ./forward "")
  gcc -static -O2 -s -o "$PART/pause" "$HERE/pause/pause.c"
  (cd "$HERE" && CGO_ENABLED=0 go_build "$PART/probe" ./probe "")
  scratch_image "$PART/pause" localhost/pause:1 "$PART/images/pause.tar"
  scratch_image "$PART/probe" localhost/pollux-probe:1 "$PART/images/probe.tar"
}

# go_build OUT PACKAGE LDFLAGS: says every 15 s how far it is, and shows its output only when it fails.
go_build() {
  local log pid t=0
  log=$(mktemp)
  go build -v -trimpath -ldflags "-s -w $3" -o "$1" "$2" >"$log" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    sleep 1
    t=$((t + 1))
    [ $((t % 15)) != 0 ] || say "  … $(grep -vc '^go: ' "$log" || true) packages compiled"
  done
  wait $pid || { tail -20 "$log" >&2; rm -f "$log"; die "go build failed"; }
  rm -f "$log"
}
