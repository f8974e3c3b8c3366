# Sourced: one node: containerd, kubelet and kube-proxy in a network and a mount namespace of their own.
# shellcheck shell=bash

# First half, needs no API server.
prepare_node() {
  local n=node-$1 d=$S/node-$1
  mkdir -p "$d"/{cni,ctrd,pki,plugins}
  plug "$n" $((10 + $1)) "$n"
  make_group "$GROUP/$n"
  # shellcheck disable=SC2046
  spawn "$n-hold" $(in_net "$n") unshare --mount -- "$HERE/lib/node-mounts.sh" "$d" "$S" "$BIN"
  write_node_config "$n" "$1" "$d"
  sed "s/name: control-plane/name: $n/" "$S/kubeadm.yaml" >"$d/kubeadm.yaml"
  kubeadm_phase kubeconfig kubelet --config "$d/kubeadm.yaml" --kubeconfig-dir "$d"
  wait_for 10 "mounts of $n" test -f "$d/mounted"
  # shellcheck disable=SC2046
  spawn "$n-containerd" $(in_node "$n") containerd -c "$d/ctrd/config.toml"
}

# Second half.
start_node() {
  local n=node-$1 d=$S/node-$1
  wait_for 30 "containerd of $n" ctr -a "$d/ctrd/containerd.sock" version
  import_image "$n" "$BIN/images/pause.tar"
  # shellcheck disable=SC2046
  spawn "$n-kubelet" $(in_node "$n") "$BIN/kubelet" --config="$d/kubelet.yaml" --kubeconfig="$d/kubelet.conf" \
    --hostname-override="$n" --node-ip="$NET.$((10 + $1))" --cert-dir="$d/pki"
  # shellcheck disable=SC2046
  spawn "$n-proxy" $(in_node "$n") "$BIN/kube-proxy" --config="$d/proxy.yaml"
}

# in_node NODE: words to put before a command that runs as on that machine
in_node() {
  local pid
  pid=$(pid_of "$1-hold")
  echo "nsenter --net=/proc/$pid/ns/net --mount=/proc/$pid/ns/mnt"
}

node_ready() { kc get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -qx True; }

# write_node_config NODE NUMBER FOLDER
write_node_config() {
  cat >"$3/cni/10-bridge.conflist" <<X
{"cniVersion": "0.4.0", "name": "px", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$PODS.$2.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$3/cni-data"}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
X
  # containerd: the pods' network namespaces go below its own folder, where no other instance sees them; root in a
  # container has no CAP_SYS_RESOURCE
  cat >"$3/ctrd/config.toml" <<X
version = 2
root = "$3/ctrd/root"
state = "$3/ctrd/state"
[grpc]
  address = "$3/ctrd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$3/ctrd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "$3/ctrd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$3/cni"
X
  cat >"$3/kubelet.yaml" <<X
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$GROUP/$1
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$3/ctrd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $S/pki/ca.crt}}
authorization: {mode: Webhook}
failSwapOn: false
evictionHard: {memory.available: 1Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 0%}
imageGCHighThresholdPercent: 100
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: ""
volumePluginDir: $3/plugins
nodeStatusUpdateFrequency: 4s
X
  cat >"$3/proxy.yaml" <<X
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $S/admin.conf}
mode: nftables
clusterCIDR: $PODS.0.0/16
hostnameOverride: $1
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
X
}
