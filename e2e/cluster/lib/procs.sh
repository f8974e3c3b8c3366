# Sourced: processes and cgroups. Everything an instance starts lives in its cgroup, so `down` finds it all, even what
# a killed `up` or containerd left, and never by a pid that now belongs to somebody else.
# shellcheck shell=bash

# The roots of all cgroup hierarchies: one with v2, one per controller with v1.
hierarchies() {
  local c
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
    return
  fi
  for c in /sys/fs/cgroup/*/; do
    [ "$c" = /sys/fs/cgroup/unified/ ] || [ ! -f "${c}cgroup.procs" ] || echo "${c%/}"
  done
}

# make_group PATH: the kubelet wants its root in every hierarchy; an empty cpuset (v1) admits nothing, and v2 hands
# controllers down only when told.
make_group() {
  local h f controllers
  for h in $(hierarchies); do
    mkdir -p "$h/$1"
    if [ -f "$h/cgroup.controllers" ]; then
      read -ra controllers <"$h/cgroup.controllers"
      for f in "${controllers[@]}"; do
        echo "+$f" >"$h/$(dirname "$1")/cgroup.subtree_control" || true
      done 2>/dev/null
    elif [ -f "$h/cpuset.cpus" ]; then
      for f in cpuset.cpus cpuset.mems; do cat "$h/$f" >"$h/$1/$f"; done
    fi
  done
}

# The folder whose members are our own processes (one hierarchy is enough to find them).
# shellcheck disable=SC2153 # GROUP is set by use_instance
own_group() {
  local h
  for h in $(hierarchies); do
    case $h in /sys/fs/cgroup | */pids) echo "$h/$GROUP/system" ;; esac
  done
}

members() {
  local h
  for h in $(hierarchies); do
    [ ! -d "$h/$GROUP" ] || find "$h/$GROUP" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done | sort -un
}

start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# spawn COMPONENT COMMAND…: detached, in the instance's cgroup, with its log and "pid start-time" in the state folder.
spawn() {
  local component=$1 group pid
  shift
  group=$(own_group)
  (
    [ -z "${LOCK:-}" ] || exec {LOCK}>&-
    echo "$BASHPID" >"$group/cgroup.procs"
    exec setsid "$@"
  ) </dev/null >>"$S/log/$component.log" 2>&1 &
  pid=$!
  echo "$pid $(start_time "$pid")" >"$S/pid/$component"
}

alive() {
  local pid start
  read -r pid start <"$S/pid/$1" || return 1
  [ -n "$start" ] && [ "$(start_time "$pid")" = "$start" ] && [ "$(sed 's/.*) //' "/proc/$pid/stat" | cut -c1)" != Z ]
}

pid_of() { cut -d' ' -f1 "$S/pid/$1"; }

all_alive() {
  local f
  for f in "$S"/pid/*; do
    alive "$(basename "$f")" || return 1
  done
}

kill_members() {
  local end=$((SECONDS + 20)) pids
  while pids=$(members) && [ -n "$pids" ]; do
    [ $SECONDS -lt $end ] || die "processes of \"$NAME\" do not die: $(tr '\n' ' ' <<<"$pids")"
    # shellcheck disable=SC2086 # a list of pids
    kill -KILL $pids 2>/dev/null || true
    sleep 0.05
  done
}

# runc makes one more beside v1's hierarchies, in unified.
remove_groups() {
  local h
  for h in $(hierarchies) /sys/fs/cgroup/unified; do
    [ ! -d "$h/$GROUP" ] || find "$h/$GROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}
