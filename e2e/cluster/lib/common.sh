# Sourced: names, folders, progress, waiting, the lock of an instance.
# shellcheck shell=bash disable=SC2034 # used by the other parts

STATE_ROOT=${POLLUX_STATE:-/var/lib/pollux-cluster}
CACHE=${POLLUX_CACHE:-${HOME:-/root}/.cache/pollux}
STARTED=$(date +%s%3N)

# Progress goes to stderr: stdout is for what a caller reads.
say() {
  local ms=$(($(date +%s%3N) - STARTED))
  printf '[%3d.%d s] %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*" >&2
}

die() {
  echo "cluster: $*" >&2
  exit 1
}

# use_instance NAME: everything of an instance hangs on its name, so that several stand side by side.
use_instance() {
  [[ $1 =~ ^[a-z0-9]{1,8}$ ]] || die "instance name \"$1\": 1 to 8 of a-z and 0-9 are allowed"
  NAME=$1
  S=$STATE_ROOT/$NAME       # state: pids, logs, certificates, a folder per node
  PX=px-$NAME               # prefix of its network namespaces
  GROUP=pollux-$NAME        # its cgroup, in every hierarchy
}

need_root() { [ "$(id -u)" = 0 ] || die "must be root: it makes network namespaces and runs kubelets"; }
need_up() { [ -f "$S/ready" ] || die "no cluster \"$NAME\" is up: $0 --name $NAME up"; }

# One command at a time changes an instance. Processes that outlive us must not inherit the lock: see spawn.
lock_instance() {
  mkdir -p "$STATE_ROOT"
  exec {LOCK}>"$STATE_ROOT/.$NAME.lock"
  flock -w 300 "$LOCK" || die "another command has been working on \"$NAME\" for 5 minutes"
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds, silently.
wait_for() {
  local seconds=$1 what=$2 end
  end=$(($(date +%s%3N) + seconds * 1000))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s%3N)" -lt "$end" ] || die "$what: not within $seconds s (logs: $0 --name $NAME logs)"
    sleep 0.1
  done
}

kc() { "$BIN/kubectl" --kubeconfig "$S/kubeconfig" "$@"; }
