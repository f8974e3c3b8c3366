# Sourced: the instance's own little world of networks. Every party has a network namespace, a switch (a namespace with
# a bridge) joins them, and no route leads out: a packet to a private address whose interface is down would otherwise
# leave by the host's.
#   api 10.77.0.1   dns 10.77.0.2   node-N 10.77.0.(10+N)   field peers 10.77.0.201…   pods of node-N 10.88.N.0/24
# nsenter is used, not `ip netns exec`: the latter remounts /sys and hides the cgroup mounts from kubelet.
# shellcheck shell=bash

NET=10.77.0
PODS=10.88
# shellcheck disable=SC2034 # used by control-plane and node
DNS_IP=10.96.0.10

make_switch() {
  ip netns add "$PX-sw"
  ip -n "$PX-sw" link set lo up
  ip -n "$PX-sw" link add br0 type bridge
  ip -n "$PX-sw" link set br0 up
}

# plug WHO LAST_BYTE PORT: a namespace with an address on the switch, and the way to all pods and services.
plug() {
  local ns=$PX-$1 i nodes
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  # The hardware address follows from the network address: who gets the address of a peer that left is not looked for under
  # that one's hardware address, which neighbours remember for half a minute.
  ip -n "$PX-sw" link add "$3" type veth peer name eth0 address "$(printf '02:00:0a:4d:00:%02x' "$2")" netns "$ns"
  ip -n "$PX-sw" link set "$3" master br0 up
  ip -n "$ns" addr add "$NET.$2/24" dev eth0
  ip -n "$ns" link set eth0 up
  nodes=$(cat "$S/nodes")
  for i in $(seq "$nodes"); do
    [ "$1" = "node-$i" ] || ip -n "$ns" route add "$PODS.$i.0/24" via "$NET.$((10 + i))"
  done
  # Service addresses: kube-proxy on a node translates them, but only what has a route gets that far (hostNetwork pods,
  # too); the others go by the first node, and so the API server reaches webhooks.
  case $1 in
    node-*) ip -n "$ns" route add 10.96.0.0/16 dev eth0 ;;
    *) ip -n "$ns" route add 10.96.0.0/16 via "$NET.11" ;;
  esac
}

# in_net WHO: words to put before a command
in_net() { echo "nsenter --net=/run/netns/$PX-$1"; }

namespaces() { ip netns list | awk -v p="$PX-" 'index($1, p) == 1 {print $1}'; }

# Peers of the field (a simulator, pymodbus) that pods shall reach.
check_field_name() {
  [[ $1 =~ ^[a-z0-9][a-z0-9-]{0,19}$ ]] || die "name \"$1\": 1 to 20 of a-z, 0-9 and - are allowed"
  case $1 in sw | api | dns | node-*) die "name \"$1\" is taken by the cluster itself" ;; esac
}

field_attach() {
  local n
  check_field_name "$1"
  mkdir -p "$S/field"
  if [ ! -f "$S/field/$1" ]; then
    for n in $(seq 201 250); do
      grep -qsx "$n" "$S"/field/* || break
      [ "$n" != 250 ] || die "no address left for a field peer"
    done
    plug "$1" "$n" "f$n"
    echo "$n" >"$S/field/$1"
  fi
  address_of "$1"
}

field_detach() {
  [ -f "$S/field/$1" ] || die "no field peer \"$1\" in \"$NAME\""
  # The cable goes by itself: a connection that nobody answers any more keeps a namespace for minutes after its last process.
  ip -n "$PX-sw" link del "f$(cat "$S/field/$1")" 2>/dev/null || true
  remove_namespace "$PX-$1"
  rm -f "$S/field/$1" "$S/pid/$1"
}

address_of() {
  case $1 in
    api) echo "$NET.1" ;;
    dns) echo "$NET.2" ;;
    node-*) [ -d "$S/$1" ] || die "no node \"$1\""; echo "$NET.$((10 + ${1#node-}))" ;;
    *) [ -f "$S/field/$1" ] || die "no node or field peer \"$1\" in \"$NAME\""; echo "$NET.$(cat "$S/field/$1")" ;;
  esac
}

# set_port WHO up|down: the party's port on the switch, never an interface of the host.
set_port() {
  local port=$1
  address_of "$1" >/dev/null
  case $1 in api | dns | node-*) ;; *) port=f$(cat "$S/field/$1") ;; esac
  ip -n "$PX-sw" link set "$port" "$2"
}

heal_all() {
  local i
  for i in $(seq "$(cat "$S/nodes")"); do ip -n "$PX-sw" link set "node-$i" up; done
}

# A namespace lives as long as a process in it: those go too.
remove_namespace() {
  local pids
  pids=$(ip netns pids "$1" 2>/dev/null) || true
  # shellcheck disable=SC2086 # a list of pids
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
  ip netns del "$1"
}
