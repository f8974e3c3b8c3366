# Sourced: up and down.
# shellcheck shell=bash

# up NODES FRESH: an instance that is as wanted is kept; anything else of that name (other binaries, another number of
# nodes, the rest of a run that died) is cleaned away first.
up() {
  if [ "$2" = no ] && is_as_wanted "$1"; then
    heal_all
    wait_for 60 "nodes ready again" all_nodes_ready
    say "cluster \"$NAME\" is up already"
    return
  fi
  [ ! -e "$S" ] || say "clearing away the former \"$NAME\""
  clear_away
  mkdir -p "$S"/{log,pid,etcd,field,forward}
  echo "$1" >"$S/nodes"
  say "starting cluster \"$NAME\": $1 node(s)"
  start_all "$1"
  echo "$BIN" >"$S/ready"
  say "cluster \"$NAME\" is up"
}

start_all() {
  local i
  make_group "$GROUP"
  make_group "$GROUP/system"
  make_switch
  plug api 1 api
  plug dns 2 dns
  make_certificates
  start_api
  for i in $(seq "$1"); do prepare_node "$i"; done
  start_controllers
  start_dns
  for i in $(seq "$1"); do start_node "$i"; done
  wait_for 60 "nodes ready" all_nodes_ready
  say "$1 node(s) ready"
  wait_for 30 "DNS ready" dns_ready
  wait_for 30 "default service account" kc get serviceaccount default
}

is_as_wanted() {
  [ -f "$S/ready" ] && [ "$(cat "$S/ready")" = "$BIN" ] && [ "$(cat "$S/nodes")" = "$1" ] && all_alive &&
    kc get --raw /readyz --request-timeout=5s >/dev/null 2>&1
}

all_nodes_ready() {
  local ready
  ready=$(kc get nodes -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' --request-timeout=5s | grep -cx True)
  [ "$ready" = "$(cat "$S/nodes")" ]
}

# Works on whatever is there, also on half an instance and on none. Killing is enough: nothing of it is to be kept.
clear_away() {
  local ns
  rm -f "$S/ready"
  kill_members
  for ns in $(namespaces); do remove_namespace "$ns"; done
  kill_members
  remove_groups
  rm -rf --one-file-system "$S"
}

down() {
  if [ ! -e "$S" ] && [ -z "$(namespaces)" ] && [ -z "$(members)" ]; then
    say "no cluster \"$NAME\""
    return
  fi
  clear_away
  say "cluster \"$NAME\" is gone"
}

# left: processes, mounts (in any mount namespace), network namespaces, cgroups and state of the instance.
left() {
  local trace found h
  trace=$(mktemp)
  echo "$S/" >"$trace" # a pattern on grep's command line would find grep
  found=$(
    members | sed 's/^/process /'
    grep -lsFf "$trace" /proc/[0-9]*/cmdline | sed 's/^/process: /'
    grep -hsFf "$trace" /proc/[0-9]*/mountinfo | cut -d' ' -f5 | sort -u | sed 's/^/mount: /'
    namespaces | sed 's/^/network namespace: /'
    for h in $(hierarchies) /sys/fs/cgroup/unified; do [ ! -d "$h/$GROUP" ] || echo "cgroup: $h/$GROUP"; done
    [ ! -e "$S" ] || echo "state: $S"
  )
  rm -f "$trace"
  if [ -n "$found" ]; then
    printf '%s\n' "left of cluster \"$NAME\":" "$found"
    return 1
  fi
  echo "nothing is left of cluster \"$NAME\""
}
